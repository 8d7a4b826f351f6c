"""What aiokafka raises at for ever, so that a partition would stand still; `guard` gets it over that.

Records with a header whose name is no UTF-8: Java clients cannot write one, others can. Each is stepped over,
and handed on as a stand-in without key, value or headers, which becomes a dead letter; the record itself stays
in Kafka at the dead letter's coordinates.

Offsets that the broker has no record at: they were deleted unread, or their topic was made anew.

It also waits as long as there is nothing: FastStream would look a hundred times a second, and sleep in between.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from shared.messaging.records import STAND_IN, Record

# Longer than a fetch waits at the broker.
_FETCH_MS: Final = 1000
_RECORDS_MAX: Final = 100
_NOTHING_MS: Final = 1000

log = structlog.get_logger(__name__)


def guard(consumer: AIOKafkaConsumer, find_again: Callable[[], Awaitable[None]]) -> None:
    """Make `consumer.getmany` give a stand-in for a record that it cannot read.

    `find_again` seeks to where the partitions go on when there is no record at their offsets.
    """
    getmany = consumer.getmany

    async def guarded(
        *, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, Sequence[Record]]:
        try:
            wait_ms = max(timeout_ms, _NOTHING_MS)
            return dict(await getmany(timeout_ms=wait_ms, max_records=max_records))
        except UnicodeDecodeError:
            found: dict[TopicPartition, Sequence[Record]] = {}
            for partition in consumer.assignment():
                if records := await _one_by_one(consumer, getmany, partition):
                    found[partition] = records
            return found
        except NoOffsetForPartitionError:
            # Kafka's own offsets are not used; those in the database are being read.
            return {}
        except OffsetOutOfRangeError:
            await find_again()
            return {}
        except KafkaError as error:
            # FastStream tries again, and would say nothing.
            log.warning("records cannot be fetched", error_type=type(error).__name__)
            raise

    consumer.getmany = guarded


async def _one_by_one(consumer: AIOKafkaConsumer, getmany: Any, partition: TopicPartition) -> list[Record]:
    """Read up to and with the first record that cannot be read, or some of what there is before it."""
    records: list[Record] = []
    try:
        while len(records) < _RECORDS_MAX and (
            fetched := await getmany(partition, timeout_ms=_FETCH_MS, max_records=1)
        ):
            records += fetched[partition]
    except UnicodeDecodeError:
        offset = await consumer.position(partition)
        consumer.seek(partition, offset + 1)
        records.append(
            ConsumerRecord(partition.topic, partition.partition, offset, STAND_IN, 0, None, None, None, -1, -1, ())
        )
    return records
