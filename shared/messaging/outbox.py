"""The outbox: what a transaction has to say, sent to Kafka after it committed, in order for each key.

A transaction writes what it has to say in few rows: one for each shard of keys and topic, which holds all its
records in MessagePack (see docs/adr/0004). A relay sends them: it reads the oldest rows of its shards, sends
their records as whole record batches, awaits the broker's acknowledgement, and only then deletes the rows; a
relay that dies in between sends again, and the events' ids say that it is the same event.

Each shard has one relay at a time, held by an advisory lock of its session. Processes share the shards evenly;
when one dies, or stops answering, PostgreSQL ends its session and the others take over.
"""

import asyncio
import contextlib
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Final

import asyncpg
import msgpack
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from shared.database import AWAY, SESSION, Connection, arrays, insert_statement
from shared.events.envelope import HEADERS
from shared.messaging import metrics
from shared.messaging.metadata import ask_calmly
from shared.messaging.tables import OutboxRow

SHARDS: Final = 8
CHANNEL: Final = "outbox"
ROW_BYTES_MAX: Final = 512 * 1024
"""A row is no larger, unless it is one record that is."""
_LOCK_CLASS: Final = 0x0B0C
_PRESENCE: Final = 0x0B0D
_ROWS_MAX: Final = 32
_IDLE_S: Final = 1.0
_SESSION_IDLE_MAX_S: Final = 15
CLOSED_S_MAX: Final = 5
"""How long a producer is given to send what it still has."""
_COUNT_S: Final = 2

log = structlog.get_logger(__name__)

Outgoing = tuple[int, str, bytes | None, bytes]
"""shard, topic, key, value"""
_KeyValue = tuple[bytes | None, bytes]

_PUT = (
    f"with put as ({insert_statement(OutboxRow, ('shard', 'topic', 'count', 'records'))}) "
    f"select pg_notify('{CHANNEL}', '')"
)
_NEXT = "select seq, topic, records from outbox where shard = any($1::smallint[]) order by seq limit $2"
_SENT_AND_NEXT = """
    with sent as (delete from outbox where seq = any($3::bigint[]))
    select seq, topic, records from outbox
    where shard = any($1::smallint[]) and seq <> all($3::bigint[]) and topic <> all($4::text[])
    order by seq limit $2
"""


def outgoing(topic: str, key: bytes | None, value: bytes) -> Outgoing:
    """Return a record for the outbox; those of one key share a shard, and so their order."""
    return (zlib.crc32(key or b"") % SHARDS, topic, key, value)


async def put(connection: Connection, records: Sequence[Outgoing]) -> None:
    """Write records within the caller's transaction, and wake the relays when it commits."""
    if records:
        await connection.execute(_PUT, *arrays(list(rows(records))))


def rows(records: Sequence[Outgoing]) -> Iterator[tuple[int, str, int, bytes]]:
    """Put the records of each shard and topic together in rows of a bounded size."""
    gathered: dict[tuple[int, str], list[_KeyValue]] = defaultdict(list)
    for shard, topic, key, value in records:
        gathered[shard, topic].append((key, value))
    for (shard, topic), those in gathered.items():
        for count, packed in _packed(those):
            yield shard, topic, count, packed


def _packed(records: Sequence[_KeyValue]) -> Iterator[tuple[int, bytes]]:
    """Pack records, and how many they are; halved until they are no larger than a row may be."""
    packed = msgpack.packb(records)
    if len(packed) <= ROW_BYTES_MAX or len(records) == 1:
        yield len(records), packed
        return
    middle = len(records) // 2
    yield from _packed(records[:middle])
    yield from _packed(records[middle:])


@lru_cache(maxsize=65536)
def _hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


@asynccontextmanager
async def _started(producer: AIOKafkaProducer) -> AsyncIterator[AIOKafkaProducer]:
    """Start a producer, and in the end stop it, also when there is nobody to take what it still has to send."""
    try:
        await producer.start()
        ask_calmly(producer)
        yield producer
    finally:
        stopping = asyncio.create_task(producer.stop())
        await asyncio.wait([stopping], timeout=CLOSED_S_MAX)
        # Private, since an idempotent producer that is stopped sends for ever what it has.
        await producer._sender.close()  # noqa: SLF001
        await stopping


class Relay:
    """Sends the outbox rows of the shards that this process holds."""

    def __init__(
        self,
        database_url: str,
        make_producer: Callable[[], AIOKafkaProducer],
        events: str,
        progress: Callable[[], None],
    ) -> None:
        self._url = database_url
        self._events = events
        self._make_producer = make_producer
        self._progress = progress
        self._woken = asyncio.Event()
        self._partitions: dict[str, int] = {}
        self._stopping = False
        self.shards: set[int] = set()

    def stop(self) -> None:
        """End once what is there is sent."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Relay until stopped; a lost session or broker is waited for."""
        while not self._stopping:
            try:
                connection = await asyncpg.connect(
                    self._url, timeout=10, command_timeout=60, server_settings=SESSION
                )
            except AWAY as error:
                log.warning("database away", error_type=type(error).__name__)
                await asyncio.sleep(_IDLE_S)
                continue
            try:
                # With each session anew: one that the broker refused a batch numbers the next ones wrongly.
                async with _started(self._make_producer()) as producer:
                    await self._session(connection, producer)
            except (*AWAY, KafkaError) as error:
                log.warning("relay session ended", error_type=type(error).__name__)
                await asyncio.sleep(_IDLE_S)
            finally:
                self.shards = set()
                # Closing ends the session and so gives up its shards; a dead one must not hold us.
                connection.terminate()

    async def _session(self, connection: Connection, producer: AIOKafkaProducer) -> None:
        await connection.execute(f"set idle_session_timeout = '{_SESSION_IDLE_MAX_S}s'")
        await connection.execute("select pg_advisory_lock_shared($1, 0)", _PRESENCE)
        await connection.add_listener(CHANNEL, lambda *_: self._woken.set())
        while True:
            await self._balance(connection)
            self._woken.clear()
            await self._drain(connection, producer)
            self._progress()
            if self._stopping:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):
                    await self._woken.wait()

    async def _balance(self, connection: Connection) -> None:
        """Hold an even share of the shards: give up what is too much, take what is free."""
        relays = await connection.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and classid = $1::int::oid"
            " and granted and database = (select oid from pg_database where datname = current_database())",
            _PRESENCE,
        )
        share = -(-SHARDS // max(relays, 1))
        for shard in sorted(self.shards)[share:]:
            await connection.execute("select pg_advisory_unlock($1, $2)", _LOCK_CLASS, shard)
            self.shards.discard(shard)
        for shard in range(SHARDS):
            if len(self.shards) >= share:
                break
            if shard not in self.shards and await connection.fetchval(
                "select pg_try_advisory_lock($1, $2)", _LOCK_CLASS, shard
            ):
                self.shards.add(shard)

    async def _drain(self, connection: Connection, producer: AIOKafkaProducer) -> None:
        """Send until nothing is left: each round deletes what was acknowledged and reads what is next.

        What one topic does not take holds up no other.
        """
        shards = sorted(self.shards)
        if not shards:
            return
        refused: dict[str, BaseException] = {}
        rows = await connection.fetch(_NEXT, shards, _ROWS_MAX)
        while rows:
            refused |= await self._send(producer, rows)
            sent = [seq for seq, topic, _ in rows if topic not in refused]
            rows = await connection.fetch(_SENT_AND_NEXT, shards, _ROWS_MAX, sent, list(refused))
            if not refused:
                self._progress()
        if refused:
            raise next(iter(refused.values()))

    async def _send(self, producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> dict[str, BaseException]:
        """Send the records of rows in their order for each partition, and await all acknowledgements.

        Returns:
            The topics that did not take all of theirs, each with an error that says why.
        """
        refused = await self._count_partitions(producer, {topic for _, topic, _ in rows})
        by_partition: dict[tuple[str, int], list[_KeyValue]] = defaultdict(list)
        for _, topic, records in rows:
            if topic in refused:
                continue
            count = self._partitions[topic]
            # Raw, since an empty key of a dead letter was once kept as a text.
            for key, value in msgpack.unpackb(records, raw=True):
                by_partition[topic, _hash(key or b"") % count].append((key, value))
        sending = (self._send_partition(producer, *where, those) for where, those in by_partition.items())
        ended = dict(zip(by_partition, await asyncio.gather(*sending, return_exceptions=True), strict=True))
        metrics.RELAYED.inc(sum(len(by_partition[where]) for where, error in ended.items() if error is None))
        return refused | {topic: error for (topic, _), error in ended.items() if error is not None}

    async def _send_partition(
        self, producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[_KeyValue]
    ) -> None:
        """Send the records of one partition, the next batch only once the last is acknowledged.

        So a batch that fails leaves none behind it on the topic, and sending again keeps the order.
        """
        # A dead letter is no event.
        headers = HEADERS if topic == self._events else []
        batch = producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                await (await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None, headers=headers)
        await (await producer.send_batch(batch, topic, partition=partition))

    async def _count_partitions(self, producer: AIOKafkaProducer, topics: set[str]) -> dict[str, BaseException]:
        """Learn how many partitions topics have; return those that cannot be written to, each with why."""
        refused: dict[str, BaseException] = {}
        for topic in topics - self._partitions.keys():
            try:
                # aiokafka would wait far longer for one that is not there, and everything else with it.
                async with asyncio.timeout(_COUNT_S):
                    self._partitions[topic] = len(await producer.partitions_for(topic))
            except (KafkaError, TimeoutError) as error:  # a few topics, once
                refused[topic] = error
        return refused
