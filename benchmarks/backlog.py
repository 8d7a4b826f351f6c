"""Memory of one process that comes up with a million messages waiting: the kit alone, and each service."""

import asyncio
from dataclasses import replace

from benchmarks import logout_storm, messages_routed, payment_path, statements_alerted
from benchmarks.cases import prepare
from benchmarks.figures import Figure
from benchmarks.intake import COMMANDS
from benchmarks.payment_intake import prepare as prepare_intake
from benchmarks.payment_intake import requests
from benchmarks.world import child, environment, produce, size
from local.infrastructure import Endpoints
from shared.database import Pool

WAITING = size("BENCH_WAITING", 1_000_000)
HANDLED = size("BENCH_HANDLED", 300_000)
SERVICE_HANDLED = size("BENCH_SERVICE_HANDLED", 50_000)
_PART = 40_000
_DEADLINE_S = 600
_DONE = "select coalesce(sum(next_offset), 0)::bigint from consumer_offset where topic = $1"
_NO_PAYER = {"CLEARINGHOUSE_URL": "http://127.0.0.1:9"}

CASES = (
    payment_path.CASE,
    messages_routed.CASE,
    statements_alerted.CASE,
    # So that no payer is asked, and the service gets on as fast as it can.
    replace(logout_storm.CASE, records=logout_storm.sessions_without_coverages),
)


async def _most_mb(name: str, env: dict[str, str], pool: Pool, topic: str, handled: int) -> float:
    """Return the most memory that a process had while it handled the first messages of its backlog."""
    most = 0.0
    with child(name, env=env) as service:
        async with asyncio.timeout(_DEADLINE_S):
            while await pool.fetchval(_DONE, topic) < handled:
                most = max(most, service.rss_mb)
                await asyncio.sleep(0.2)
    return most


async def run(endpoints: Endpoints) -> Figure:
    """Measure the kit at the bare job, and beside it the services, one after the other."""
    pool = await prepare_intake(endpoints)
    for first in range(0, WAITING, _PART):
        await produce(endpoints.kafka, COMMANDS.name, requests(first, min(_PART, WAITING - first)))
    most = await _most_mb("kit", environment(endpoints, "payments"), pool, COMMANDS.name, HANDLED)
    await pool.close()
    beside: dict[str, float] = {"messages waiting": WAITING}
    for case in CASES:
        name, topic = case.service.name, case.heard.name
        pool = await prepare(case, endpoints)
        for first in range(0, WAITING, _PART):
            await produce(endpoints.kafka, topic, case.records(first, min(_PART, WAITING - first)))
        env = environment(endpoints, name) | _NO_PAYER
        beside[name] = await _most_mb(name, env, pool, topic, SERVICE_HANDLED)
        await pool.close()
    return Figure(name="memory_with_backlog", value=most, unit="MB", beside=beside)
