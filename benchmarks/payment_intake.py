"""Payment intake: the kit beside the naive way, the database alone, and aiokafka alone."""

import statistics
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.cases import prepare_naive
from benchmarks.figures import Figure
from benchmarks.intake import COMMANDS, DEAD, EVENTS, IntakePayment, TakePayment
from benchmarks.rounds import Way, naive_rate, timed
from benchmarks.world import Records, child, create_stamped, create_tables, environment, record, size
from local.infrastructure import Endpoints
from shared.database import Pool, connect
from shared.events.envelope import Reader
from shared.messaging import topics
from shared.migrations import upgrade

RUN = size("BENCH_ROUND", 40_000)
WARM_UP = size("BENCH_WARM_UP", 200_000)
ACCOUNTS = 10_000
BATCH = 1_000
ROUNDS = 3
WAY = Way(COMMANDS.name, EVENTS.name)


def requests(first: int, count: int, *, repeats: bool = False) -> Records:
    """Return requests numbered from `first`; with `repeats` every tenth is one of the last ones again."""
    found = []
    for number in range(first, first + count):
        told = number - 5 if repeats and number % 10 == 9 else number  # noqa: PLR2004  # a tenth
        account = f"ACC-{told % ACCOUNTS:06d}"
        data = {
            "payment_id": f"payment-{told}",
            "account_number": account,
            "amount_minor": 100 + told % 900,
            "currency": "USD",
        }
        found.append(record(f"request-{told}", TakePayment.TYPE, account, "patient:P-1", data))
    return found


async def prepare(endpoints: Endpoints) -> Pool:
    """Make topics and tables; return a pool to look with."""
    await create_stamped(endpoints.kafka, [EVENTS])
    await topics.create({"bootstrap_servers": endpoints.kafka}, [COMMANDS, DEAD])
    await upgrade(endpoints.databases["payments"], Path(mkdtemp(prefix="no-revisions-")))
    pool = await connect(endpoints.databases["payments"])
    await create_tables(pool, IntakePayment)
    await prepare_naive(endpoints, pool)
    await pool.execute(_YARDSTICK_TABLES)
    return pool


async def kit(endpoints: Endpoints, pool: Pool) -> tuple[list[float], float, float, float]:
    """Return messages a second of each round, those with repeats, memory in MB, CPU µs a message."""
    with child("kit", env=environment(endpoints, "payments")) as service:
        done = 0
        while done < WARM_UP:
            await timed(service, endpoints.kafka, WAY, requests(done, RUN), pool)
            done += RUN
        rates, spent_s = [], service.cpu_s()
        for _ in range(ROUNDS):
            rates.append(await timed(service, endpoints.kafka, WAY, requests(done, RUN), pool))
            done += RUN
        cpu_us = (service.cpu_s() - spent_s) / (ROUNDS * RUN) * 1e6
        repeated = await timed(service, endpoints.kafka, WAY, requests(done, RUN, repeats=True), pool)
        payments = await pool.fetchval("select count(*) from intake_payment")
        if payments != done + RUN * 9 // 10:
            raise AssertionError(f"{payments} payments")
        return rates, repeated, service.rss_mb, cpu_us


async def by_hand(endpoints: Endpoints, pool: Pool, first: int) -> float:
    """Return messages a second of the same work without the kit, where the kit left off."""
    with child("by_hand", env=environment(endpoints, "payments")) as service:
        starts = [first + number * RUN for number in range(2 * ROUNDS)]
        rates = [await timed(service, endpoints.kafka, WAY, requests(one, RUN), pool) for one in starts]
        return statistics.median(rates[ROUNDS:])


_YARDSTICK_TABLES = """
    create table yardstick_message (id text primary key, at timestamptz not null default now());
    create table yardstick_payment (payment_id text primary key, account_number text not null,
        amount_minor bigint not null, currency text not null);
    create table yardstick_outbox (seq bigserial primary key, topic text not null, key text not null,
        value bytea not null)
"""
_MESSAGES = "insert into yardstick_message (id) select unnest($1::text[])"
_PAYMENTS = "insert into yardstick_payment select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[])"
_OUTBOX = """
    insert into yardstick_outbox (topic, key, value)
    select * from unnest($1::text[], $2::text[], $3::bytea[]) returning seq
"""
_SENT = "delete from yardstick_outbox where seq = any($1::bigint[])"


async def yardstick(endpoints: Endpoints, first: int) -> float:
    """Return messages a second of the database's share of the job alone, by one connection, without Kafka."""
    reader = Reader(TakePayment)
    messages: list[Any] = [reader.read(value) for _, value in requests(first, RUN)]
    values = [value for _, value in requests(first, RUN)]
    connection = await asyncpg.connect(endpoints.databases["payments"])
    started = time.perf_counter()
    for start in range(0, RUN, BATCH):
        batch = messages[start : start + BATCH]
        accounts = [message.subject for message in batch]
        async with connection.transaction():
            await connection.execute(_MESSAGES, [message.id for message in batch])
            await connection.execute(
                _PAYMENTS,
                [message.data.payment_id for message in batch],
                accounts,
                [message.data.amount_minor for message in batch],
                [message.data.currency for message in batch],
            )
            rows = await connection.fetch(
                _OUTBOX, [EVENTS.name] * len(batch), accounts, values[start : start + BATCH]
            )
        await connection.execute(_SENT, [row["seq"] for row in rows])
    rate = RUN / (time.perf_counter() - started)
    await connection.close()
    return rate


async def consume(endpoints: Endpoints) -> float:
    """Return messages a second of aiokafka alone: consume and validate what the rounds left on the topic."""
    read = Reader(TakePayment).read
    consumer = AIOKafkaConsumer(bootstrap_servers=endpoints.kafka, auto_offset_reset="earliest")
    await consumer.start()
    partitions = [TopicPartition(COMMANDS.name, number) for number in range(COMMANDS.partitions)]
    consumer.assign(partitions)
    done, started = 0, time.perf_counter()
    while done < RUN * ROUNDS:
        for records in (await consumer.getmany(timeout_ms=200, max_records=BATCH)).values():
            for one in records:
                read(one.value)
            done += len(records)
    rate = done / (time.perf_counter() - started)
    await consumer.stop()
    return rate


async def run(endpoints: Endpoints) -> Figure:
    """Measure the job and its peers, the yardstick before and after each other's noise."""
    pool = await prepare(endpoints)
    await yardstick(endpoints, 10**8)
    before = [await yardstick(endpoints, 10**8 * (n + 2)) for n in range(ROUNDS)]
    beside = await naive_rate(endpoints, "payments", "payment_intake", requests)
    rates, repeated, rss_mb, cpu_us = await kit(endpoints, pool)
    without = await by_hand(endpoints, pool, 10**7)
    after = [await yardstick(endpoints, 10**8 * (n + 6)) for n in range(ROUNDS)]
    consumed = await consume(endpoints)
    await pool.close()
    value, alone = statistics.median(rates), statistics.median([*before, *after])
    return Figure(
        name="payment_intake",
        value=value,
        unit="messages/s",
        beside={
            "naive": beside,
            "by hand": without,
            "yardstick": alone,
            "aiokafka alone": consumed,
            "a tenth repeated": repeated,
            "memory MB": rss_mb,
            "CPU µs a message": cpu_us,
        },
        ratio={
            "naive": value / beside,
            "by hand": value / without,
            "yardstick": value / alone,
            "aiokafka alone": value / consumed,
        },
    )
