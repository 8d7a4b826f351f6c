"""Everybody logs out at once: thousands of coverages that waited for it are verified, thousands at a time.

Insurance as it is, in two processes, over HTTP, against payers that take about three seconds each; beside it
a loop that asks one payer after the other.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack

from aiohttp import ClientSession
from aiokafka.admin import AIOKafkaAdminClient

from benchmarks.cases import Case, prepare
from benchmarks.figures import Figure
from benchmarks.payer import Payers, payers, takes_s
from benchmarks.world import Child, Records, Tail, child, environment, produce, record, size
from local.infrastructure import Endpoints
from services.insurance.domain.patient import Inquiry
from services.insurance.x12.inquiry import Provider, write
from services.insurance.x12.meaning import understand
from shared.clock import Clock
from shared.database import Pool
from shared.events.portal import SessionEnded
from shared.events.topics import PORTAL_SESSIONS, SERVICES
from shared.events.vocabulary import Subscriber
from shared.messaging.run import PIPELINES

COVERAGES = size("BENCH_COVERAGES", 10_000)
ONE_BY_ONE = size("BENCH_ONE_BY_ONE", 20)
PROCESSES = size("BENCH_PROCESSES", 2)
_EVENTS_EACH = 2
_WARM_UP = 500
_NOBODYS = 10**9
_DEADLINE_S = 600

_LAY_OUT = (
    """
    insert into patient (patient_id, person_id, first_name, last_name, birth_date, time_zone, proxies, told_at)
    select 'patient-' || n, 'person-' || n, 'First', 'Last', '1980-01-01', 'America/Chicago', '[]', now()
    from generate_series(0, $1::int - 1) n
    """,
    "insert into portal_session (session_id) select 'session-' || n from generate_series(0, $1::int - 1) n",
    """
    insert into coverage (coverage_id, patient_id, content, status, priority, added_at, updated_at, version,
        session_id, waiting_session)
    select 'coverage-' || n, 'patient-' || n, jsonb_build_object(
            'payer_id', 'SANDBOX0' || n % 4 + 1, 'payer_name', 'Payer', 'member_id', 'ACTIVE' || n,
            'relationship', 'self', 'subscriber',
            jsonb_build_object('first_name', 'First', 'last_name', 'Last', 'birth_date', '1980-01-01')),
        'pending', 1, now(), now(), 1, 'session-' || n, 'session-' || n
    from generate_series(0, $1::int - 1) n
    """,
)
_ACTIVE = "select count(*) from coverage where status = 'active' and waiting_session is null"
_ANSWERED = "select count(*) from payer_answer"
_HANDLED = "select coalesce(sum(next_offset), 0)::bigint from consumer_offset where topic = $1"


def sessions(first: int, count: int) -> Records:
    """Return ends of sessions numbered from `first`."""
    return [
        record(
            f"end-{number}",
            SessionEnded.TYPE,
            f"person-{number}",
            "service:portal",
            {"session_id": f"session-{number}", "person_id": f"person-{number}", "reason": "logout"},
        )
        for number in range(first, first + count)
    ]


def sessions_without_coverages(first: int, count: int) -> Records:
    """Return ends of sessions that nothing waits for."""
    return sessions(_NOBODYS + first, count)


async def lay_out(pool: Pool) -> None:
    """Put patients into the tables, each with a coverage that waits for the end of a session."""
    for statement in _LAY_OUT:
        await pool.execute(statement, COVERAGES)
    await pool.execute("vacuum analyze patient, portal_session, coverage")


CASE = Case(SERVICES["insurance"], PORTAL_SESSIONS, sessions, lay_out)


async def _joined(kafka: str) -> None:
    """Wait until all pipelines of all processes share the partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        async with asyncio.timeout(_DEADLINE_S):
            while True:
                (told,) = await admin.describe_consumer_groups([CASE.service.name])
                ((_, _, state, _, _, members, *_),) = told.groups
                if state == "Stable" and len(members) == PROCESSES * PIPELINES:
                    return
                await asyncio.sleep(0.1)
    finally:
        await admin.close()


async def _storm(services: Sequence[Child], endpoints: Endpoints, pool: Pool) -> tuple[float, float]:
    """Return the seconds from the first end of a session to the last event, and of processor time."""
    await produce(endpoints.kafka, CASE.heard.name, sessions_without_coverages(0, _WARM_UP))
    async with asyncio.timeout(_DEADLINE_S):
        while await pool.fetchval(_HANDLED, CASE.heard.name) < _WARM_UP:
            await asyncio.sleep(0.1)
    await _joined(endpoints.kafka)
    spent_s = sum(service.cpu_s() for service in services)
    async with Tail(endpoints.kafka, CASE.service.events.name) as tail:
        since = await tail.ends()
        for service in services:
            service.hold()
        await produce(endpoints.kafka, CASE.heard.name, sessions(0, COVERAGES))
        started = min([service.release() for service in services])
        await tail.grown(since, COVERAGES * _EVENTS_EACH, _DEADLINE_S)
        # A question that could not be sent is an event too, and is sent later.
        async with asyncio.timeout(_DEADLINE_S):
            while await pool.fetchval(_ACTIVE) < COVERAGES:
                await asyncio.sleep(0.1)
        return time.time() - started, sum(service.cpu_s() for service in services) - spent_s


async def _one_by_one(clearinghouse: Payers, pool: Pool) -> float:
    """Return verifications a second when each is asked, understood and written before the next."""
    await pool.execute("create table one_by_one (coverage_id text primary key, status text not null)")
    provider = Provider("BENCHMARK HOSPITAL", "1234567893", "PORTAL", "CLEARINGHOUSE")
    now = Clock().now()
    person = Subscriber.model_validate_json('{"first_name":"First","last_name":"Last","birth_date":"1980-01-01"}')
    started = time.perf_counter()
    async with ClientSession() as client:
        for number in range(ONE_BY_ONE):
            inquiry = Inquiry(
                payer_id="SANDBOX01", member_id=f"SAMPLE{number}", subscriber=person, service_date=now.date()
            )
            trace = f"{number:032x}"
            question = write(inquiry, trace, provider, now)
            async with client.post(clearinghouse.url, data=question.encode()) as response:
                meaning = understand(await response.text(), inquiry, trace)
            await pool.execute("insert into one_by_one values ($1, $2)", f"coverage-{number}", meaning.result)
    rate = ONE_BY_ONE / (time.perf_counter() - started)
    if await pool.fetchval("select count(*) from one_by_one where status = 'active'") != ONE_BY_ONE:
        raise AssertionError("one by one, not all are verified")
    return rate


async def run(endpoints: Endpoints) -> Figure:
    """Measure the storm, and a sample one by one; both wait for payers of the same kind."""
    pool = await prepare(CASE, endpoints)
    async with payers() as clearinghouse:
        one_by_one = await _one_by_one(clearinghouse, pool)
        clearinghouse.asked.clear()
        clearinghouse.most = 0
        env = {**environment(endpoints, CASE.service.name), "CLEARINGHOUSE_URL": clearinghouse.url}
        with ExitStack() as running:
            services = [running.enter_context(child(CASE.service.name, env=env)) for _ in range(PROCESSES)]
            took_s, cpu_s = await _storm(services, endpoints, pool)
            rss_mb = max(service.rss_mb for service in services)
    active, answered = await pool.fetchval(_ACTIVE), await pool.fetchval(_ANSWERED)
    asked = clearinghouse.asked
    if not active == answered == len(asked) == asked.total() == COVERAGES:
        raise AssertionError(
            f"{active} active, {answered} answered, {len(asked)} members asked {asked.total()} times"
        )
    await pool.close()
    return Figure(
        name="logout_storm",
        value=COVERAGES / took_s,
        unit="verifications/s",
        beside={
            "one by one": one_by_one,
            "seconds until all were verified": took_s,
            "seconds of the slowest payer": max(takes_s(f"ACTIVE{number}") for number in range(COVERAGES)),
            "coverages": COVERAGES,
            "processes": PROCESSES,
            "most in flight": clearinghouse.most,
            "CPU ms a call": cpu_s / COVERAGES * 1e3,
            "memory MB of a process": rss_mb,
        },
        ratio={"one by one": COVERAGES / took_s / one_by_one},
    )
