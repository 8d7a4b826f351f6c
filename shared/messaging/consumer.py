"""A pipeline: one FastStream batch subscriber, its partitions, and where it is in each of them.

A process runs several pipelines, members of the service's one consumer group; while one waits for the database
the other decides, and no key is in two of them. A pipeline handles whole raw batches, reads each record alone,
and believes only the offsets in the database: it seeks to them when it is assigned partitions, and back to them
when a batch did not commit.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from shared.database import AWAY, Pool
from shared.http import Check
from shared.messaging import metrics, offsets
from shared.messaging.broker import SILENT_S_MAX, heard_at
from shared.messaging.handling import Handling
from shared.messaging.metadata import ask_calmly
from shared.messaging.offsets import LostClaimError, Partition
from shared.messaging.records import Record
from shared.messaging.unreadable import guard

_BATCH_MAX: Final = 1000
_POLL_MS: Final = 10
_FETCH_BYTES_MAX: Final = 256 * 1024
# One fetch at a time is under way: while it waits for partitions that have nothing, those that have wait with it.
_FETCH_WAIT_MS: Final = 100
_REVOKED_WAIT_S: Final = 20
_AGAIN_S: Final = 0.5
_FOLLOW_S: Final = 2
_STUCK_S: Final = 60
HEARD_S_MAX: Final = 60
"""What was said longer ago than this is handled, or there are timers that wait for it."""
_NEVER: Final = 1 << 63

log = structlog.get_logger(__name__)


class Pipeline(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Consumes some of a service's partitions."""

    def __init__(
        self,
        broker: KafkaBroker,
        topics: Sequence[str],
        group: str,
        handling: Handling[Any],
        pool: Pool,
    ) -> None:
        self._handling = handling
        self._pool = pool
        self._moved_at = time.monotonic()
        self._assigned_at = time.time()
        self._guarded: AIOKafkaConsumer | None = None
        self._busy = asyncio.Lock()
        self._told_enough = asyncio.Event()
        self._waiting: dict[TopicPartition, int] = {}
        self._mark: Mapping[Partition, int] | None = None
        self._marked_at = 0.0
        self._heard_until = 0.0
        self.positions: dict[Partition, int] = {}
        self._subscriber = broker.subscriber(
            *topics,
            batch=True,
            group_id=group,
            max_records=_BATCH_MAX,
            batch_timeout_ms=_POLL_MS,
            # Where to go on is read in the database, also when the broker has no record there any more.
            auto_offset_reset="none",
            # What its writer took back was never said.
            isolation_level="read_committed",
            ack_policy=AckPolicy.MANUAL,
            max_partition_fetch_bytes=_FETCH_BYTES_MAX,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
            partition_assignment_strategy=[RangePartitionAssignor],
            listener=self,
            parser=_whole,
            decoder=_records,
        )
        self._subscriber(self._take)

    async def start(self) -> None:
        """Join the group; when Kafka goes away meanwhile, end what was begun, so that it can be started again."""
        try:
            await self._subscriber.start()
        except KafkaError:
            await self._subscriber.stop()
            raise

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The client underneath; there from the first assignment on."""
        consumer = self._subscriber.consumer
        assert consumer is not None  # noqa: S101  # only asked while the subscriber runs
        return consumer

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        """Let the batch under way end, then forget the partitions."""
        self._mark = None
        try:
            async with asyncio.timeout(_REVOKED_WAIT_S), self._busy:
                self.positions.clear()
        except TimeoutError:
            # It waits for the database. Its offsets will not be where it expects them, so it changes nothing.
            self.positions = {}

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Go on where the database says."""
        self._assigned_at = time.time()
        async with self._busy:
            self._heard_until = 0.0
            if self._guarded is not self.consumer:
                # Before this consumer's first record.
                guard(self.consumer, self._find_again)
                ask_calmly(self.consumer)
                self._guarded = self.consumer
            await self._find(assigned)

    async def _find(self, assigned: set[TopicPartition]) -> None:
        """Seek each partition to its stored offset, or to its first record if there is none at that offset."""
        while True:
            try:
                first = await self.consumer.beginning_offsets(list(assigned))
                await offsets.begin(self._pool, first)
                stored = await offsets.read(self._pool, assigned)
                # Asked last: while a process stands still before this, others may move on past what was the end.
                asked_at = time.time()
                end = await self.consumer.end_offsets(list(assigned))
                moves = {
                    one: (stored[one], first[one]) for one in assigned if not first[one] <= stored[one] <= end[one]
                }
                if moves:
                    await offsets.restart(self._pool, moves)
                break
            except (*AWAY, KafkaError) as error:
                log.warning("offsets cannot be read", error_type=type(error).__name__)
                await asyncio.sleep(_AGAIN_S)
        for (topic, partition), (before, after) in moves.items():
            metrics.MISSING.labels(topic).inc()
            if before < after:
                log.error("records were deleted unread", topic=topic, partition=partition, count=after - before)
            else:
                log.error("topic is younger than the stored offset", topic=topic, partition=partition)
            stored[topic, partition] = after
        for partition in assigned:
            self.consumer.seek(partition, stored[partition])
        self.positions = stored
        self._mark_at(end, asked_at, stored)

    async def _find_again(self) -> None:
        """Find where to go on when the broker has no record at the place where we are."""
        async with self._busy:
            await self._find(self.consumer.assignment())

    async def _take(self, records: Sequence[Record]) -> None:
        """Handle a batch, as far as its partitions are still ours and its records not yet handled."""
        async with self._busy:
            positions = self.positions
            ours = [
                record
                for record in records
                if record.offset >= positions.get((record.topic, record.partition), _NEVER)
            ]
            if not ours:
                return
            try:
                await self._handling.records(ours, positions)
                self._moved_at = time.monotonic()
            except LostClaimError:
                metrics.LOST_CLAIMS.inc()
                await self._find(self.consumer.assignment())
            except Exception:
                log.exception("batch failed")
                await asyncio.sleep(_AGAIN_S)
                await self._find(self.consumer.assignment())

    def check(self) -> Check:
        """Tell whether this pipeline gets on: it hears from the broker, and what waits is being handled."""
        if not self._subscriber.tasks:
            return Check(ok=False, detail="not started")
        if any(task.done() for task in self._subscriber.tasks):
            return Check(ok=False, detail="the consumer loop ended")
        silent_s, lag = self.silent_s(), sum(self._waiting.values())
        if silent_s > SILENT_S_MAX:
            return Check(ok=False, detail=f"nothing heard from the broker for {silent_s:.0f} s")
        if lag == 0:
            self._moved_at = time.monotonic()
        idle_s = time.monotonic() - self._moved_at
        if idle_s > _STUCK_S:
            return Check(ok=False, detail=f"{lag} records wait, and none was handled for {idle_s:.0f} s")
        return Check(ok=True, detail=f"{len(self.positions)} partitions, {lag} records behind")

    def silent_s(self) -> float:
        """Return for how long the broker has said nothing; 0 when it is asked for nothing."""
        consumer = self._subscriber.consumer
        if consumer is None or not consumer.assignment():
            return 0
        return time.time() - max(heard_at(consumer), self._assigned_at)

    def heard_s(self) -> float:
        """Return how long ago all that had been said was handled: much, when there is a backlog or was a sleep."""
        return time.time() - self._heard_until

    def _mark_at(self, ends: Mapping[Partition, int], at: float, reached: Mapping[Partition, int]) -> None:
        """Note how much there is to handle, and when that was so."""
        self._mark, self._marked_at = ends, at
        self._note_heard(reached)

    def _note_heard(self, reached: Mapping[Partition, int]) -> bool:
        """Tell whether all is handled that there was at the mark; then it is heard until that time."""
        if self._mark is None or any(reached.get(one, 0) < end for one, end in self._mark.items()):
            return False
        self._heard_until = self._marked_at
        return True

    def tell_no_more(self) -> None:
        """End `follow` once what is being told is told."""
        self._told_enough.set()

    async def follow(self) -> None:
        """Tell Kafka how far we are, and the metrics how far behind, for those who watch."""
        while not self._told_enough.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_FOLLOW_S):
                    await self._told_enough.wait()
            consumer = self._subscriber.consumer
            if consumer is None:  # it is starting
                continue
            positions = {TopicPartition(*partition): at for partition, at in self.positions.items()}
            try:
                await self._measure(consumer, positions)
                if positions:
                    await consumer.commit(positions)
            except KafkaError as error:
                # Refused during a rebalance; the database has the truth.
                log.info("offset commit refused", error_type=type(error).__name__)

    async def _measure(self, consumer: AIOKafkaConsumer, positions: dict[TopicPartition, int]) -> None:
        """Note how many records wait in each partition that is ours."""
        waiting: dict[TopicPartition, int] = {}
        reached: dict[Partition, int] = {**positions}
        ends: dict[Partition, int] = {}
        told_ms: list[int] = []
        for partition, handled in positions.items():
            end = consumer.last_stable_offset(partition) if partition in consumer.assignment() else None
            if end is None:
                continue
            # Behind the last record there may be what nobody is given: a transaction's end, or what it took back.
            given = handled if self._busy.locked() else await consumer.position(partition)
            reached[partition] = max(handled, given)
            waiting[partition] = max(end - reached[partition], 0)
            ends[partition] = end
            told_ms.append(consumer.last_poll_timestamp(partition) or 0)
        if self._mark is not None:
            # A log may have been cut short meanwhile.
            self._mark = {one: min(end, ends.get(one, end)) for one, end in self._mark.items()}
        if self._note_heard(reached) and len(ends) == len(positions):
            self._mark_at(ends, min(told_ms) / 1000 if told_ms else time.time(), reached)
        for partition in self._waiting.keys() - waiting.keys():
            metrics.LAG.remove(*partition)
        for partition, records in waiting.items():
            metrics.LAG.labels(*partition).set(records)
        self._waiting = waiting


async def _whole(batch: tuple[Record, ...]) -> KafkaMessage:
    """Take a batch as it is: no header is looked at, so none can spoil it."""
    return KafkaMessage(body=b"", raw_message=batch, consumer=FAKE_CONSUMER)


async def _records(message: KafkaMessage) -> Any:
    return message.raw_message
