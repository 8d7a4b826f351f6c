"""Payment intake: the kit beside the naive way, the database alone, and aiokafka alone."""

import json
import statistics
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from benchmarks import naive as naive_way
from benchmarks.figures import Figure
from benchmarks.intake import COMMANDS, DEAD, EVENTS, IntakePayment, TakePayment
from benchmarks.world import Child, Records, Tail, child, create_stamped, environment, produce, quiet
from local.infrastructure import Endpoints
from shared.database import Pool, connect, table
from shared.events.envelope import Reader
from shared.messaging import topics
from shared.migrations import upgrade

RUN = 40_000
WARM_UP = 200_000
NAIVE_RUN = 1_000
ACCOUNTS = 10_000
BATCH = 1_000
ROUNDS = 3


def requests(first: int, count: int, *, repeats: bool = False) -> Records:
    """Return requests numbered from `first`; with `repeats` every tenth is one of the last ones again."""
    found = []
    for number in range(first, first + count):
        told = number - 5 if repeats and number % 10 == 9 else number  # noqa: PLR2004  # a tenth
        account = f"ACC-{told % ACCOUNTS:06d}"
        message = {
            "specversion": "1.0",
            "id": f"request-{told}",
            "source": "benchmark",
            "type": TakePayment.TYPE,
            "time": "2026-01-01T00:00:00Z",
            "subject": account,
            "actor": "patient:P-1",
            "data": {
                "payment_id": f"payment-{told}",
                "account_number": account,
                "amount_minor": 100 + told % 900,
                "currency": "USD",
            },
        }
        found.append((account.encode(), json.dumps(message).encode()))
    return found


async def prepare(endpoints: Endpoints) -> Pool:
    """Make topics and tables; return a pool to look with."""
    await create_stamped(endpoints.kafka, [EVENTS, naive_way.EVENTS])
    await topics.create({"bootstrap_servers": endpoints.kafka}, [COMMANDS, DEAD, naive_way.COMMANDS])
    await upgrade(endpoints.databases["payments"], Path(mkdtemp(prefix="no-revisions-")))
    pool = await connect(endpoints.databases["payments"])
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap
    for model in (IntakePayment, naive_way.NaivePayment, naive_way.NaiveOutbox):
        await pool.execute(str(CreateTable(table(model)).compile(dialect=dialect)))
    await pool.execute(_YARDSTICK_TABLES)
    return pool


async def _round(service: Child, endpoints: Endpoints, pool: Pool, records: Records, deadline_s: float) -> float:
    """Lay out requests while the service is held, let it go, and return how many it did a second."""
    expected = {json.loads(value)["id"] for _, value in records}
    async with Tail(endpoints.kafka, EVENTS.name) as tail:
        since = await tail.ends()
        service.hold()
        await produce(endpoints.kafka, COMMANDS.name, records)
        started = service.release()
        await tail.grown(since, len(expected), deadline_s)
        await quiet(pool)
        told = await tail.read(since)
    if set(told.causes) != expected or set(told.causes.values()) != {1} or not told.in_order:
        raise AssertionError("an event is missing, or there twice, or out of order")
    return len(records) / (told.last_s - started)


async def kit(endpoints: Endpoints, pool: Pool) -> tuple[list[float], float, float, float]:
    """Return messages a second of each round, those with repeats, memory in MB, CPU µs a message."""
    with child("benchmarks.child", "kit", env=environment(endpoints, "payments")) as service:
        done = 0
        while done < WARM_UP:
            await _round(service, endpoints, pool, requests(done, RUN), 120)
            done += RUN
        rates, spent_s = [], service.cpu_s()
        for _ in range(ROUNDS):
            rates.append(await _round(service, endpoints, pool, requests(done, RUN), 120))
            done += RUN
        cpu_us = (service.cpu_s() - spent_s) / (ROUNDS * RUN) * 1e6
        repeated = await _round(service, endpoints, pool, requests(done, RUN, repeats=True), 120)
        payments = await pool.fetchval("select count(*) from intake_payment")
        if payments != done + RUN * 9 // 10:
            raise AssertionError(f"{payments} payments")
        return rates, repeated, service.rss_mb, cpu_us


async def naive(endpoints: Endpoints) -> float:
    """Return messages a second of the naive way, over fewer messages, after the first hundred."""
    warm_up = NAIVE_RUN // 10
    async with Tail(endpoints.kafka, naive_way.EVENTS.name) as tail:
        begun = await tail.ends()
        await produce(endpoints.kafka, naive_way.COMMANDS.name, requests(0, warm_up))
        with child("benchmarks.child", "naive", env=environment(endpoints, "payments")) as service:
            await tail.grown(begun, warm_up, 120)
            since = await tail.ends()
            service.hold()
            await produce(endpoints.kafka, naive_way.COMMANDS.name, requests(warm_up, NAIVE_RUN))
            started = service.release()
            await tail.grown(since, NAIVE_RUN, 300)
            told = await tail.read(since)
    return NAIVE_RUN / (told.last_s - started)


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
            for record in records:
                read(record.value)
            done += len(records)
    rate = done / (time.perf_counter() - started)
    await consumer.stop()
    return rate


async def run(endpoints: Endpoints) -> Figure:
    """Measure the job and its peers, the yardstick before and after each other's noise."""
    pool = await prepare(endpoints)
    await yardstick(endpoints, 10**8)
    before = [await yardstick(endpoints, 10**8 * (n + 2)) for n in range(ROUNDS)]
    naive_rate = await naive(endpoints)
    rates, repeated, rss_mb, cpu_us = await kit(endpoints, pool)
    after = [await yardstick(endpoints, 10**8 * (n + 6)) for n in range(ROUNDS)]
    consumed = await consume(endpoints)
    await pool.close()
    value, alone = statistics.median(rates), statistics.median([*before, *after])
    return Figure(
        name="payment_intake",
        value=value,
        unit="messages/s",
        beside={
            "naive": naive_rate,
            "yardstick": alone,
            "aiokafka alone": consumed,
            "a tenth repeated": repeated,
            "memory MB": rss_mb,
            "CPU µs a message": cpu_us,
        },
        ratio={"naive": value / naive_rate, "yardstick": value / alone, "aiokafka alone": value / consumed},
    )
