"""The database or the broker goes away under load: work stops, the process says so, and it goes on by itself."""

import asyncio

from local.infrastructure import Endpoints
from tests.flow.kit import Feedback, eventually, feedback, first_told

VISITS = [f"visit-{number}" for number in range(40)]


async def test_when_the_database_crashes_the_process_is_not_ready_and_goes_on_when_it_is_back(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(*map(world.ended, VISITS))
        process = await world.start()
        await world.start()
        await world.settled()

        async def ready() -> bool:
            return all(check.ok for check in (await process.readiness()).values())

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
                await eventually(ready, "it is ready again")
                await world.gets_on()
        await world.settled()
        assert first_told(await world.outcomes()) == world.by_key(commands)
        assert sorted(await feedback_ids(world)) == sorted(c["data"]["feedback_id"] for c in commands)


async def test_when_the_broker_crashes_nothing_is_lost_or_repeated(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(*map(world.ended, VISITS))
        await world.start()
        await world.start()
        await world.settled()
        async with world.load(VISITS) as commands:
            await world.gets_on()
            await asyncio.to_thread(infrastructure.broker.kill)
            await asyncio.to_thread(infrastructure.broker.restart)
            await world.gets_on()
        await world.settled()
        assert first_told(await world.outcomes()) == world.by_key(commands)
        assert sorted(await feedback_ids(world)) == sorted(c["data"]["feedback_id"] for c in commands)


async def feedback_ids(world: Feedback) -> list[str]:
    return [row["feedback_id"] for row in await world.pool.fetch("select feedback_id from feedback")]
