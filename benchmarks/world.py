"""Kafka, PostgreSQL and processes for the benchmarks, and what is measured of them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.partitioner import murmur2
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable
from sqlmodel import SQLModel

from local.infrastructure import Endpoints
from shared.database import Pool, table
from shared.events.topics import Topic

Records = Sequence[tuple[bytes, bytes]]
"""key, value"""

_POLL_S = 0.02


def size(variable: str, otherwise: int) -> int:
    """Return how much to measure: what the environment says, or what the figures are meant for."""
    return int(os.environ.get(variable) or otherwise)


def record(message_id: str, kind: str, key: str, actor: str, data: Mapping[str, object]) -> tuple[bytes, bytes]:
    """Return a message as a record; `message_id` ends in a number that grows for each key."""
    message = {
        "specversion": "1.0",
        "id": message_id,
        "source": "benchmark",
        "type": kind,
        "time": "2026-01-01T00:00:00Z",
        "subject": key,
        "actor": actor,
        "data": data,
    }
    return key.encode(), json.dumps(message).encode()


async def produce(kafka: str, topic: str, records: Records, partitions: int = 8) -> None:
    """Put records on a topic as fast as they go, in their order for each key."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", max_batch_size=256 * 1024)
    await producer.start()
    try:
        by_partition: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        for key, value in records:
            by_partition[(murmur2(key) & 0x7FFFFFFF) % partitions].append((key, value))
        sent = []
        for partition, those in by_partition.items():
            batch = producer.create_batch()
            for key, value in those:
                if batch.append(key=key, value=value, timestamp=None) is None:
                    sent.append(await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None)
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def create_stamped(kafka: str, topics: Sequence[Topic]) -> None:
    """Create topics whose records are stamped by the broker when it appends them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    stamped = {"message.timestamp.type": "LogAppendTime"}
    await admin.create_topics(
        [NewTopic(topic.name, topic.partitions, 1, topic_configs=stamped) for topic in topics]
    )
    await admin.close()


async def create_tables(pool: Pool, *models: type[SQLModel]) -> None:
    """Create the tables that classes describe."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap
    for model in models:
        await pool.execute(str(CreateTable(table(model)).compile(dialect=dialect)))


@dataclass(frozen=True, slots=True)
class Told:
    """What stands on a topic from some offsets on: how often each cause, and when the broker had the last."""

    causes: Counter[str]
    last_s: float
    in_order: bool


class Tail:
    """Watches a topic's end without reading it, and reads it when the clock has stopped."""

    def __init__(self, kafka: str, topic: str, partitions: int = 8) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave."""
        await self._consumer.stop()

    async def ends(self) -> dict[TopicPartition, int]:
        """Return where the topic ends now."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(self._partitions)
        return ends

    async def grown(self, since: dict[TopicPartition, int], count: int, deadline_s: float) -> None:
        """Wait until `count` more records are there."""
        async with asyncio.timeout(deadline_s):
            while sum((await self.ends()).values()) < sum(since.values()) + count:
                await asyncio.sleep(_POLL_S)

    async def read(self, since: dict[TopicPartition, int], by: str = "causationid") -> Told:
        """Read what came since; `by` is the attribute that names the cause."""
        self._consumer.assign(self._partitions)
        ends = await self.ends()
        for partition, offset in since.items():
            self._consumer.seek(partition, offset)
        causes: Counter[str] = Counter()
        last_ms, in_order = 0, True
        newest: dict[bytes, int] = {}
        while any([await self._consumer.position(one) < end for one, end in ends.items()]):
            for records in (await self._consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    cause = json.loads(record.value).get(by, "")
                    causes[cause] += 1
                    last_ms = max(last_ms, record.timestamp)
                    number = int(cause.rpartition("-")[2] or 0)
                    in_order &= newest.get(record.key, -1) < number
                    newest[record.key] = number
        return Told(causes, last_ms / 1000, in_order)


class Child:
    """A process under test: held while its input is laid out, and watched for memory."""

    def __init__(self, module: str, *arguments: str, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own modules
            [sys.executable, "-m", module, *arguments], env={**os.environ, **env}
        )
        self.memory = psutil.Process(self._process.pid)

    def hold(self) -> None:
        """Stop it, without its knowing."""
        self._process.send_signal(signal.SIGSTOP)

    def release(self) -> float:
        """Let it go on; return when."""
        now = time.time()
        self._process.send_signal(signal.SIGCONT)
        return now

    @property
    def rss_mb(self) -> float:
        """Its resident memory now, in 10^6 bytes."""
        return float(self.memory.memory_info().rss / 1e6)

    def cpu_s(self) -> float:
        """Its processor time so far."""
        times = self.memory.cpu_times()
        return float(times.user + times.system)

    def end(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


@contextmanager
def child(name: str, *arguments: str, env: dict[str, str]) -> Iterator[Child]:
    """Run a process under test for the length of the block."""
    process = Child(f"benchmarks.under_test.{name}", *arguments, env=env)
    try:
        yield process
    finally:
        process.end()


async def quiet(pool: Pool, table: str = "outbox") -> None:
    """Wait until an outbox is empty."""
    async with asyncio.timeout(60):
        while await pool.fetchval(f"select exists (select from {table})"):
            await asyncio.sleep(_POLL_S)


def environment(endpoints: Endpoints, database: str) -> dict[str, str]:
    """Return what a child needs to know."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": endpoints.kafka,
        "INTAKE_DATABASE_URL": endpoints.databases[database],
    }
