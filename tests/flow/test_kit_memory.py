"""A backlog waits in Kafka, not in the process; the figure is a bound, and no measure of thrift."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
from aiokafka import AIOKafkaProducer

from local.infrastructure import Endpoints
from tests.flow.kit import Feedback, eventually, feedback

BACKLOG = 300_000
VISITS = 3_000
MEMORY_BYTES_MAX = 150 * 1024 * 1024
HANDLED_WITHIN_S = 180


async def test_a_process_stays_small_while_hundreds_of_thousands_of_messages_wait(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await publish_backlog(world)
        async with process_of(world) as process:
            sizes = [0]

            async def handled() -> bool:
                sizes.append(process.memory_info().rss)
                done = await world.pool.fetchval("select sum(next_offset) from consumer_offset")
                return (done or 0) >= BACKLOG / 2

            await eventually(handled, "half of the backlog is handled", HANDLED_WITHIN_S)
        assert max(sizes) < MEMORY_BYTES_MAX


async def publish_backlog(world: Feedback) -> None:
    """Publish that visits ended, again and again, in batches as large as the broker takes well."""
    topic = world.service.reads[1].topic
    message = world.ended("visit")
    template = json.dumps({**message, "id": "%s", "subject": "%s", "data": {"visit_id": "%s"}})
    async with AIOKafkaProducer(**world.kafka.connection(), max_batch_size=2**19) as producer:
        for partition in range(topic.partitions):
            batch = producer.create_batch()
            for number in range(partition, BACKLOG, topic.partitions):
                visit = f"visit-{number % VISITS}"
                record = (template % (number, visit, visit)).encode()
                if batch.append(key=visit.encode(), value=record, timestamp=None) is None:
                    await producer.send_batch(batch, topic.name, partition=partition)
                    batch = producer.create_batch()
                    batch.append(key=visit.encode(), value=record, timestamp=None)
            await producer.send_batch(batch, topic.name, partition=partition)


@asynccontextmanager
async def process_of(world: Feedback) -> AsyncIterator[psutil.Process]:
    """Run the service in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.flow.feedback_process"),
        *(world.service.name, str(world.service.events.partitions), world.url),
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": world.kafka.bootstrap_servers},
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()
