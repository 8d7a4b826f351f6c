"""A round: a topic is filled while the process under test is held; it is let go, and what it tells is counted."""

import json
from collections.abc import Callable
from typing import NamedTuple

from benchmarks import naive
from benchmarks.world import Child, Records, Tail, child, environment, produce, quiet, size
from local.infrastructure import Endpoints
from shared.database import Pool

NAIVE_RUN = size("BENCH_NAIVE", 1_000)
_DEADLINE_S = 300


class Way(NamedTuple):
    """The topic that is filled and the one that is told on; `by` is the event's attribute that names its cause."""

    asked: str
    told: str
    by: str = "causationid"


NAIVE = Way(naive.COMMANDS.name, naive.EVENTS.name)


async def timed(service: Child, kafka: str, way: Way, records: Records, pool: "Pool | None" = None) -> float:
    """Return how many records a second became one event each, by the broker's clock.

    Args:
        service: the process under test.
        kafka: the broker's address.
        way: from where to where.
        records: what goes in; a repeated one counts as work, and makes no second event.
        pool: of a database whose outbox has to be empty in the end.

    Raises:
        AssertionError: an event is missing, or there twice, or out of the order of its key.
    """
    expected = {json.loads(value)["id"] for _, value in records}
    async with Tail(kafka, way.told) as tail:
        since = await tail.ends()
        service.hold()
        await produce(kafka, way.asked, records)
        started = service.release()
        await tail.grown(since, len(expected), _DEADLINE_S)
        if pool is not None:
            await quiet(pool)
        told = await tail.read(since, way.by)
    if set(told.causes) != expected or set(told.causes.values()) != {1} or not told.in_order:
        raise AssertionError("an event is missing, or there twice, or out of order")
    return len(records) / (told.last_s - started)


async def naive_rate(
    endpoints: Endpoints, database: str, job: str, records: Callable[[int, int], Records]
) -> float:
    """Return messages a second of the naive way at a job, over fewer messages, after a tenth to warm up."""
    warm_up = NAIVE_RUN // 10
    with child("naive", job, env=environment(endpoints, database)) as service:
        await timed(service, endpoints.kafka, NAIVE, records(0, warm_up))
        return await timed(service, endpoints.kafka, NAIVE, records(warm_up, NAIVE_RUN))
