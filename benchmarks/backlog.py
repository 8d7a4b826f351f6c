"""Memory of one process that comes up with a million messages waiting."""

import asyncio

from benchmarks.figures import Figure
from benchmarks.intake import COMMANDS
from benchmarks.payment_intake import RUN, prepare, requests
from benchmarks.world import child, environment, produce
from local.infrastructure import Endpoints

WAITING = 1_000_000
HANDLED = 300_000


async def run(endpoints: Endpoints) -> Figure:
    """Return the most memory that the process had while it handled the first messages of the backlog."""
    pool = await prepare(endpoints)
    for first in range(0, WAITING, RUN):
        await produce(endpoints.kafka, COMMANDS.name, requests(first, RUN))
    most = 0.0
    with child("benchmarks.child", "kit", env=environment(endpoints, "payments")) as service:
        async with asyncio.timeout(300):
            while await pool.fetchval("select count(*) from intake_payment") < HANDLED:
                most = max(most, service.rss_mb)
                await asyncio.sleep(0.2)
    await pool.close()
    return Figure(name="memory_with_backlog", value=most, unit="MB", beside={"messages waiting": WAITING})
