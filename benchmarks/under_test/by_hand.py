"""Payment intake by hand: two loops made for this one message, with nothing of the kit but its reading.

What it is faster by is what the kit costs: rules that see one message and one state, events as classes, a relay,
and all that happens when something goes wrong, which is not here at all.
"""

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from json.encoder import encode_basestring as quoted
from typing import Any

import asyncpg
import msgpack
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.partitioner import murmur2

from benchmarks.intake import COMMANDS, EVENTS, IntakePayment, PaymentTaken, TakePayment
from benchmarks.under_test.running import main
from shared.database import insert_statement
from shared.events.envelope import Message, Reader
from shared.messaging.records import identity_of
from shared.messaging.run import spare_collections

_COLUMNS = ("payment_id", "account_number", "amount_minor", "currency")
# One round trip for a batch; what was told of the one before goes with it.
_TAKE_IN = f"""
    with taken as ({insert_statement(IntakePayment, _COLUMNS)}),
    noted as (insert into handled_message (id) select unnest($5::bytea[])),
    moved as (
        update consumer_offset o set next_offset = u.next_offset
        from unnest($6::int[], $7::bigint[], $8::bigint[]) u(partition, expected, next_offset)
        where o.topic = '{COMMANDS.name}' and o.partition = u.partition and o.next_offset = u.expected
        returning 1
    ),
    told as (delete from outbox where seq = $9),
    kept as (
        insert into outbox (shard, topic, count, records)
        values (0, '{EVENTS.name}', cardinality($5::bytea[]), $10) returning seq
    )
    select (select count(*) from moved) as moved, seq from kept
"""
_STORED = "select partition, next_offset from consumer_offset where topic = $1 and partition = any($2::int[])"


async def _take_in(
    partitions: Sequence[int], kafka: str, connection: "asyncpg.Connection[Any]", producer: AIOKafkaProducer
) -> None:
    """Take in the messages of some partitions, for ever."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka, max_partition_fetch_bytes=256 * 1024, fetch_max_wait_ms=100
    )
    await consumer.start()
    positions = {row[0]: row[1] for row in await connection.fetch(_STORED, COMMANDS.name, partitions)}
    consumer.assign([TopicPartition(COMMANDS.name, partition) for partition in positions])
    for partition, offset in positions.items():
        consumer.seek(TopicPartition(COMMANDS.name, partition), offset)
    read = Reader(TakePayment).read
    kept: int | None = None
    while True:
        batch = await consumer.getmany(timeout_ms=100, max_records=1000)
        if not batch:
            await connection.execute("delete from outbox where seq = $1", kept)
            continue
        at = datetime.now(UTC).isoformat()  # noqa: TID251  # as the kit, once for a batch
        rows, identities, events = [], [], []
        for records in batch.values():
            for record in records:
                asked: Message[Any] = read(record.value)
                data, identity = asked.data, identity_of(asked.source, asked.id)
                rows.append((data.payment_id, data.account_number, data.amount_minor, data.currency))
                identities.append(identity)
                events.append((record.key, _event(identity, at, asked)))
        after = {one.partition: records[-1].offset + 1 for one, records in batch.items()}
        moves = (list(after), [positions[partition] for partition in after], list(after.values()))
        columns = [list(column) for column in zip(*rows, strict=True)]
        notes = sorted(identities)
        moved, kept = await connection.fetchrow(_TAKE_IN, *columns, notes, *moves, kept, msgpack.packb(events))
        if moved != len(after):
            raise AssertionError("another process has moved on with a partition")
        positions |= after
        await _tell(producer, events)


def _event(identity: bytes, at: str, asked: Message[Any]) -> bytes:
    data, asked_by = asked.data, quoted(asked.id)
    return (
        f'{{"specversion":"1.0","id":"{identity.hex()}-0","source":"service:intake","type":"{PaymentTaken.TYPE}"'
        f',"time":"{at}","subject":{quoted(asked.subject)},"actor":{quoted(asked.actor)},"causationid":{asked_by}'
        f',"correlationid":{quoted(asked.correlation)},"outcome":"done","data":{{"payment_id":'
        f'{quoted(data.payment_id)},"account_number":{quoted(data.account_number)}'
        f',"amount_minor":{data.amount_minor},"currency":{quoted(data.currency)}}}}}'
    ).encode()


async def _tell(producer: AIOKafkaProducer, events: Sequence[tuple[bytes, bytes]]) -> None:
    batches: defaultdict[int, Any] = defaultdict(producer.create_batch)
    for key, value in events:
        partition = (murmur2(key) & 0x7FFFFFFF) % EVENTS.partitions
        batches[partition].append(key=key, value=value, timestamp=None)
    sending = [producer.send_batch(batch, EVENTS.name, partition=one) for one, batch in batches.items()]
    sent = await asyncio.gather(*sending)
    await asyncio.gather(*sent)


async def run() -> None:
    """Take messages in until a signal, by two loops that share the partitions."""
    kafka, database = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["INTAKE_DATABASE_URL"]
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=True, max_batch_size=512 * 1024
    )
    await producer.start()
    half = COMMANDS.partitions // 2
    connections = [await asyncpg.connect(database) for _ in range(2)]
    loops = asyncio.gather(
        _take_in(range(half), kafka, connections[0], producer),
        _take_in(range(half, 2 * half), kafka, connections[1], producer),
    )
    spare_collections()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, loops.cancel)
    with suppress(asyncio.CancelledError):
        await loops


if __name__ == "__main__":
    main(run())
