"""What a process needs goes away, or another stops half way: work waits, and goes on by itself."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest
from prometheus_client import REGISTRY

from local.infrastructure import Endpoints
from local.ports import free_port
from shared.database import Connection, connect
from shared.messaging.consumer import HEARD_S_MAX
from shared.messaging.handlers import TaskFailedError
from shared.messaging.run import Messaging
from shared.settings import KafkaSettings
from tests.example.domain import OPEN_FOR, CloseFeedback, ThankVisitor
from tests.flow.kit import Feedback, eventually, feedback, first_told, move, ready

VISITS = [f"visit-{number}" for number in range(40)]
HELD = """
    select count(*) = 2 from pg_stat_activity
    where datname = current_database() and state = 'active' and wait_event_type = 'Client'
"""
NO_OTHER_TASK = f"select bool_and(kind = '{CloseFeedback.TYPE}') from task"
THANKED_LATER = f"select count(*) = 1 from task where kind = '{ThankVisitor.TYPE}' and leased_until is null"


async def test_when_the_database_crashes_the_process_is_not_ready_and_goes_on_when_it_is_back(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(*map(world.ended, VISITS))
        process = await world.start()
        await world.start()
        await world.settled()

        async def misses_the_database() -> bool:
            return not (await process.readiness())["database"].ok

        async with world.load(VISITS) as commands:
            for _ in range(2):
                await world.gets_on()
                await asyncio.to_thread(infrastructure.postgres.kill)
                try:
                    await eventually(misses_the_database, "it says that the database is away")
                finally:
                    await asyncio.to_thread(infrastructure.postgres.restart)
                await eventually(lambda: ready(process), "it is ready again")
                await world.gets_on()
        await world.settled()
        assert first_told(await world.outcomes()) == world.by_key(commands)
        assert sorted(await feedback_ids(world)) == sorted(c["data"]["feedback_id"] for c in commands)


async def test_when_the_broker_crashes_nothing_is_lost_or_repeated(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(*map(world.ended, VISITS))
        first, second = await world.start(), await world.start()
        await eventually(lambda: ready(first, second), "both have started")
        async with world.load(VISITS) as commands:
            await world.gets_on()
            await asyncio.to_thread(infrastructure.broker.kill)
            await asyncio.to_thread(infrastructure.broker.restart)
            await world.gets_on()
        await world.settled()
        assert first_told(await world.outcomes()) == world.by_key(commands)
        assert sorted(await feedback_ids(world)) == sorted(c["data"]["feedback_id"] for c in commands)


async def test_a_process_that_starts_while_kafka_comes_and_goes_waits_for_it(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world, _hanging_up_every_other_time(world.kafka) as unsteady:
        await world.publish_facts(*map(world.ended, VISITS))
        world.kafka = unsteady
        process = await world.start()
        await eventually(lambda: ready(process), "it is ready")
        commands = [world.leave(visit, f"f-{visit}") for visit in VISITS]
        await world.publish(*commands)
        await world.settled()
        assert first_told(await world.outcomes()) == world.by_key(commands)


async def test_a_process_that_is_told_of_several_brokers_needs_only_one_of_them(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        world.kafka = KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()},{infrastructure.kafka}")
        process = await world.start()
        await eventually(lambda: ready(process), "it is ready")
        await world.publish_facts(*map(world.ended, VISITS))
        command = world.leave("visit-1", "f-1")
        await world.publish(command)
        await eventually(lambda: world.has_outcome(command), "the command is handled")


@pytest.mark.parametrize("table", ["feedback", "outbox", "task"])
async def test_commands_wait_in_order_while_a_right_to_a_table_is_missing(
    table: str, infrastructure: Endpoints
) -> None:
    async with feedback(infrastructure) as world:
        role = f"user_of_{urlsplit(world.url).path.lstrip('/')}"
        await world.pool.execute(f"create role {role} login password 'secret'")
        await world.pool.execute(f"grant all on all tables in schema public to {role}")
        await world.pool.execute(f"grant all on all sequences in schema public to {role}")
        url = urlsplit(world.url)
        world.url = urlunsplit(url._replace(netloc=f"{role}:secret@{url.hostname}:{url.port}"))
        process = await world.start()
        await world.publish_facts(*map(world.ended, VISITS))
        await world.settled()
        await world.pool.execute(f"revoke all on {table} from {role}")
        before = waits_for_the_database()
        commands = [world.leave(visit, f"f-{visit}") for visit in VISITS]
        await world.publish(*commands)
        await eventually(lambda: waits_for_the_database() > before + 5, "it waits, and says so")
        assert await world.none("parked_record")
        await world.pool.execute(f"grant all on {table} to {role}")
        await world.settled()
        assert first_told(await world.outcomes()) == world.by_key(commands)
        await eventually(lambda: ready(process), "it is ready")
        await world.stop()
        await world.pool.execute(f"drop owned by {role}")
        await world.pool.execute(f"drop role {role}")


async def test_what_was_said_during_an_outage_is_handled_before_timers_that_fell_due_meanwhile(
    infrastructure: Endpoints,
) -> None:
    failing = [TaskFailedError("line_busy")]

    async def thank(_visit_id: str, _key: str) -> None:
        if failing:
            raise failing.pop()

    async with feedback(infrastructure) as world:
        handled = world.handlers(thank, waits=(OPEN_FOR / 2,))
        await world.start(handled)
        await world.publish_facts(world.ended("visit-1"))
        await world.settled()
        await world.publish(world.leave("visit-1", "f-1"))
        await eventually(lambda: world.pool.fetchval(THANKED_LATER), "who left it is to be thanked later")
        await world.stop()
        late = world.leave("visit-1", "f-2")
        await world.publish(late)
        move(world.clock, OPEN_FOR)
        await asyncio.to_thread(infrastructure.broker.kill)
        try:
            await world.start(handled)
            await eventually(lambda: len(world.thanked) == 2, "what is due is done without Kafka")
            assert not await world.pool.fetchval("select closed from visit")
        finally:
            await asyncio.to_thread(infrastructure.broker.restart)
        await eventually(lambda: world.pool.fetchval("select closed from visit"), "the visit is closed")
        await world.settled()
        assert {event["causationid"]: event["outcome"] for event in await world.outcomes()}[late["id"]] == "done"


async def test_a_process_without_partitions_leaves_timers_that_wait_for_what_was_said(
    infrastructure: Endpoints,
) -> None:
    failing = [TaskFailedError("line_busy")]

    async def thank(_visit_id: str, _key: str) -> None:
        if failing:
            raise failing.pop()

    async with feedback(infrastructure, partitions=1) as world:
        handled = world.handlers(thank, waits=(OPEN_FOR / 2,))
        processes = [await world.start(handled), await world.start(handled)]
        await world.publish_facts(world.ended("visit-1"))
        await world.settled()
        await world.publish(world.leave("visit-1", "f-1"))
        await eventually(lambda: world.pool.fetchval(THANKED_LATER), "who left it is to be thanked later")
        (idle,) = await eventually(lambda: without_partitions(processes), "one process has no partition")
        await asyncio.to_thread(infrastructure.broker.kill)
        try:
            await world.stop(next(one for one in processes if one is not idle))
            move(world.clock, OPEN_FOR)
            await eventually(lambda: world.pool.fetchval(NO_OTHER_TASK), "what is due is done")
            assert not await world.pool.fetchval("select closed from visit")
        finally:
            await asyncio.to_thread(infrastructure.broker.restart)
        await eventually(lambda: world.pool.fetchval("select closed from visit"), "the visit is closed")


async def test_a_process_that_stops_inside_of_a_statement_holds_nobody_up_for_long(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=2) as world:
        await world.publish_facts(*map(world.ended, VISITS))
        await world.start()
        await world.settled()
        stopped = await connect(world.url)
        writer, reader = await stopped.acquire(), await stopped.acquire()
        halves = [asyncio.create_task(_write_no_more(writer)), asyncio.create_task(_read_no_more(reader))]
        try:
            await eventually(lambda: world.pool.fetchval(HELD), "both partitions are held")
            commands = [world.leave(visit, f"f-{visit}") for visit in VISITS]
            await world.publish(*commands)
            await world.settled()
        finally:
            for half in halves:
                half.cancel()
            await asyncio.wait(halves)
            stopped.terminate()
        assert first_told(await world.outcomes()) == world.by_key(commands)


@asynccontextmanager
async def _hanging_up_every_other_time(kafka: KafkaSettings) -> AsyncIterator[KafkaSettings]:
    """Stand before Kafka for those who come to find its brokers, and let every second of them through."""
    callers = itertools.count()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if next(callers) % 2 == 0:
            writer.close()
            return
        there, back = await asyncio.open_connection(*kafka.bootstrap_servers.split(":"))
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))

    async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{port}"})


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while said := await reader.read(2**16):
        writer.write(said)
    writer.close()


async def _write_no_more(connection: Connection) -> None:
    """Begin to add rows while a partition is claimed, and stop there."""

    async def rows() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    await connection.execute("begin")
    await connection.execute("update consumer_offset set next_offset = next_offset where partition = 0")
    await connection.copy_to_table("parked_record", source=rows())


async def _read_no_more(connection: Connection) -> None:
    """Ask for much while a partition is claimed, and stop reading."""
    await connection.execute("begin")
    await connection.execute("update consumer_offset set next_offset = next_offset where partition = 1")
    connection._con._transport.pause_reading()  # noqa: SLF001  # as if the process were stopped
    await connection.fetch("select repeat('x', 1000) from generate_series(1, 100000)")


async def feedback_ids(world: Feedback) -> list[str]:
    return [row["feedback_id"] for row in await world.pool.fetch("select feedback_id from feedback")]


def without_partitions(processes: list[Messaging]) -> list[Messaging]:
    """Return the processes that have none, once partitions are shared out."""
    if any(pipeline.heard_s() > HEARD_S_MAX for one in processes for pipeline in one.pipelines):
        return []
    return [one for one in processes if not any(pipeline.positions for pipeline in one.pipelines)]


def waits_for_the_database() -> float:
    """Return how often something had to wait for the database."""
    return REGISTRY.get_sample_value("messaging_database_away_total") or 0
