import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import Clock
from tests.outside.sandbox.world import DAY_S, World, served


async def test_the_clock_tells_real_time_until_it_is_moved(world: World) -> None:
    _, reading = await world.get("/clock")
    real = datetime.now(UTC)  # noqa: TID251  # compared with the system's clock
    assert reading["offset_s"] == 0
    assert abs(datetime.fromisoformat(reading["now"]) - real) < timedelta(seconds=5)


async def test_the_clock_moves_forward_by_what_it_is_told(world: World) -> None:
    _, before = await world.get("/clock")
    status, after = await world.post("/clock", {"advance_s": 2 * DAY_S})
    assert (status, after["offset_s"]) == (200, 2 * DAY_S)
    moved = datetime.fromisoformat(after["now"]) - datetime.fromisoformat(before["now"])
    assert timedelta(0) <= moved - timedelta(days=2) < timedelta(seconds=5)


@pytest.mark.parametrize("advance_s", [-1, -0.001, 10**12])
async def test_the_clock_never_goes_backwards_nor_out_of_the_calendar(world: World, advance_s: float) -> None:
    await world.advance(60)
    status, problem = await world.post("/clock", {"advance_s": advance_s})
    assert (status, problem["status"]) == (400, 400)
    assert (await world.get("/clock"))[1]["offset_s"] == 60


@pytest.mark.parametrize("body", [{}, {"advance_s": "3600"}, {"advance_s": None}])
async def test_the_clock_takes_numbers_only(world: World, body: object) -> None:
    status, problem = await world.post("/clock", body)
    assert (status, problem["fields"][0]["field"]) == (422, "body.advance_s")


async def test_the_clock_does_not_go_back_when_the_sandbox_restarts(tmp_path: Path) -> None:
    async with served(tmp_path) as world:
        await world.advance(DAY_S)
        _, before = await world.get("/clock")
    async with served(tmp_path) as world:
        _, after = await world.get("/clock")
    assert after["offset_s"] == DAY_S
    assert after["now"] > before["now"]


async def test_when_a_move_is_answered_all_who_follow_the_clock_have_moved(world: World) -> None:
    clock, first = Clock(), asyncio.Event()
    clock.when_moved(first.set)
    async with world.client.get("/clock") as answer:
        following = asyncio.create_task(clock.follow(str(answer.url)))
    try:
        await world.advance(60)
        await asyncio.wait_for(first.wait(), 10)
        for offset_s in (120, 180, 240):
            await world.advance(60)
            assert clock.offset_s == offset_s
    finally:
        following.cancel()
