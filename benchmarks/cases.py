"""A service's own handlers under load: what it has to know before, and what it is given to handle."""

import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import services
from benchmarks import naive
from benchmarks.figures import Figure
from benchmarks.rounds import Way, naive_rate, timed
from benchmarks.world import Records, child, create_stamped, create_tables, environment, size
from local.infrastructure import Endpoints
from shared.database import Pool, connect
from shared.events.topics import Service, Topic
from shared.messaging import topics
from shared.migrations import upgrade

RUN = size("BENCH_ROUND", 10_000)
WARM_UP = size("BENCH_WARM_UP", 30_000)
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """A service under load.

    Attributes:
        service: which.
        heard: the topic that is filled.
        records: so many, numbered from a first one on.
        lay_out: puts into the empty tables what the service has to know before.
        by: the attribute of its events that names the record they come of.
    """

    service: Service
    heard: Topic
    records: Callable[[int, int], Records]
    lay_out: Callable[[Pool], Awaitable[None]]
    by: str = "causationid"


async def prepare(case: Case, endpoints: Endpoints) -> Pool:
    """Make a service's topics and tables, and lay out what it has to know; return a pool to look with."""
    service = case.service
    await create_stamped(endpoints.kafka, [service.events])
    every = [*(heard.topic for heard in service.reads), service.dead_letters]
    await topics.create({"bootstrap_servers": endpoints.kafka}, every)
    url = endpoints.databases[service.name]
    await upgrade(url, Path(services.__file__).parent / service.name / "migrations")
    pool = await connect(url)
    await case.lay_out(pool)
    return pool


async def prepare_naive(endpoints: Endpoints, pool: Pool) -> None:
    """Make the topics and tables of the naive way."""
    await create_stamped(endpoints.kafka, [naive.EVENTS])
    await topics.create({"bootstrap_servers": endpoints.kafka}, [naive.COMMANDS])
    await create_tables(pool, *naive.MODELS)


async def beside_naive(
    name: str, unit: str, case: Case, endpoints: Endpoints, check: Callable[[Pool, int], Awaitable[None]]
) -> Figure:
    """Measure a service beside the naive way at the same job; the median of the rounds counts.

    Args:
        name: of the figure, and of the naive job.
        unit: of the figure.
        case: the service under load.
        endpoints: where to measure.
        check: raises AssertionError if the tables do not hold what so many records make of them.
    """
    pool = await prepare(case, endpoints)
    await prepare_naive(endpoints, pool)
    service_name = case.service.name
    beside = await naive_rate(endpoints, service_name, name, case.records)
    way = Way(case.heard.name, case.service.events.name, case.by)
    with child(service_name, env=environment(endpoints, service_name)) as service:
        done = 0
        while done < WARM_UP:
            await timed(service, endpoints.kafka, way, case.records(done, RUN), pool)
            done += RUN
        rates, spent_s = [], service.cpu_s()
        for _ in range(ROUNDS):
            rates.append(await timed(service, endpoints.kafka, way, case.records(done, RUN), pool))
            done += RUN
        cpu_us = (service.cpu_s() - spent_s) / (ROUNDS * RUN) * 1e6
        await check(pool, done)
        rss_mb = service.rss_mb
    await pool.close()
    value = statistics.median(rates)
    return Figure(
        name=name,
        value=value,
        unit=unit,
        beside={"naive": beside, "memory MB": rss_mb, "CPU µs a message": cpu_us},
        ratio={"naive": value / beside},
    )
