"""Click to outcome at 200 commands a second, beside a bare Kafka round trip with one commit."""

import asyncio
import json
import statistics
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.bare import ANSWERS, QUESTIONS
from benchmarks.figures import Figure
from benchmarks.intake import COMMANDS, EVENTS
from benchmarks.payment_intake import prepare, requests
from benchmarks.world import child, environment
from local.infrastructure import Endpoints
from shared.messaging import topics

PER_S = 200
WARM_UP = 400
COUNT = 3_000
ROUNDS = 3


async def _round(kafka: str, asked: str, answered: str, first: int, count: int) -> list[float]:
    """Send commands at an even rate; return in ms how long each took to its answer."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    consumer = AIOKafkaConsumer(answered, bootstrap_servers=kafka)
    await producer.start()
    await consumer.start()
    await consumer.seek_to_end()
    sent: dict[str, float] = {}
    took: list[float] = []

    async def hear() -> None:
        async for record in consumer:
            told = json.loads(record.value)
            at = sent.pop(told.get("causationid", told["id"]), None)
            if at is not None:
                took.append((time.perf_counter() - at) * 1000)
            if len(took) == count:
                return

    hearing = asyncio.create_task(hear())
    begun = time.perf_counter()
    for number, (key, value) in enumerate(requests(first, count)):
        await asyncio.sleep(max(0.0, begun + number / PER_S - time.perf_counter()))
        sent[f"request-{first + number}"] = time.perf_counter()
        await producer.send(asked, value, key=key)
    async with asyncio.timeout(60):
        await hearing
    await producer.stop()
    await consumer.stop()
    return took


def _at(took: list[float], percent: int) -> float:
    return statistics.quantiles(took, n=100)[percent - 1]


async def run(endpoints: Endpoints) -> Figure:
    """Measure both side by side, in turns; the median of the rounds counts."""
    pool = await prepare(endpoints)
    await topics.create({"bootstrap_servers": endpoints.kafka}, [QUESTIONS, ANSWERS])
    await pool.execute("create table bare (id bigserial primary key, value bytea not null)")
    kit: list[list[float]] = []
    bare: list[list[float]] = []
    env = environment(endpoints, "payments")
    with child("kit", env=env), child("bare", env=env):
        first = 0
        for ways in [(COMMANDS, EVENTS, kit), (QUESTIONS, ANSWERS, bare)]:
            await _round(endpoints.kafka, ways[0].name, ways[1].name, first, WARM_UP)
            first += WARM_UP
        for _ in range(ROUNDS):
            for asked, answered, found in [(COMMANDS, EVENTS, kit), (QUESTIONS, ANSWERS, bare)]:
                found.append(await _round(endpoints.kafka, asked.name, answered.name, first, COUNT))
                first += COUNT
    await pool.close()
    p50, p99 = (statistics.median(_at(took, percent) for took in kit) for percent in (50, 99))
    bare_p50, bare_p99 = (statistics.median(_at(took, percent) for took in bare) for percent in (50, 99))
    return Figure(
        name="click_to_outcome_p99",
        value=p99,
        unit="ms",
        beside={"bare round trip p99": bare_p99, "p50": p50, "bare round trip p50": bare_p50},
        ratio={"bare round trip p99": p99 / bare_p99, "bare round trip p50": p50 / bare_p50},
    )
