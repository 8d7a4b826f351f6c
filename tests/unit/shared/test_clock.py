import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestServer

from shared.clock import Clock


class World:
    """A clock to follow, whose answer the test chooses."""

    def __init__(self) -> None:
        self.answer = web.json_response({"now": "2026-01-01T00:00:00Z", "offset_s": 0})
        self.asked = asyncio.Event()
        app = web.Application()
        app.router.add_get("/clock", self._tell)
        self.server = TestServer(app)

    async def _tell(self, _request: web.Request) -> web.StreamResponse:
        self.asked.set()
        return web.Response(body=self.answer.body, status=self.answer.status, content_type="application/json")

    def at(self, offset_s: object) -> None:
        self.answer = web.json_response({"now": "2026-01-01T00:00:00Z", "offset_s": offset_s})


def test_an_unmoved_clock_tells_the_systems_time_in_utc() -> None:
    before = datetime.now(UTC)  # noqa: TID251  # compared with the system's clock
    now = Clock().now()
    assert now.tzinfo is UTC
    assert before <= now <= before + timedelta(seconds=5)


def test_a_moved_clock_is_ahead_and_never_goes_back() -> None:
    clock = Clock()
    clock.move_to(86_400)
    clock.move_to(60)
    assert clock.offset_s == 86_400
    assert clock.now() - Clock().now() > timedelta(hours=23)


def test_who_waits_is_called_when_the_clock_leaps_and_not_when_it_stays() -> None:
    clock = Clock()
    calls = []
    clock.when_moved(lambda: calls.append(clock.offset_s))
    clock.move_to(10)
    clock.move_to(10)
    clock.move_to(5)
    clock.move_to(20)
    assert calls == [10, 20]


async def test_catching_up_moves_to_the_clock_that_is_followed() -> None:
    world, clock = World(), Clock()
    async with world.server as server:
        world.at(3600.5)
        await clock.catch_up(str(server.make_url("/clock")))
    assert clock.offset_s == 3600.5


async def test_catching_up_fails_when_there_is_no_good_answer() -> None:
    world, clock = World(), Clock()
    async with world.server as server:
        url = str(server.make_url("/clock"))
        world.at("soon")
        with pytest.raises(ValueError, match="tells no offset_s"):
            await clock.catch_up(url)
        world.answer = web.Response(status=500)
        with pytest.raises(ClientError):
            await clock.catch_up(url)


async def test_following_goes_on_through_silence_and_wakes_who_waits_at_each_leap() -> None:
    world, clock = World(), Clock()
    moved = asyncio.Event()
    clock.when_moved(moved.set)
    async with world.server as server, asyncio.timeout(5):
        following = asyncio.create_task(clock.follow(str(server.make_url("/clock"))))
        world.at(100)
        await moved.wait()
        assert clock.offset_s == 100

        world.answer = web.Response(body=b"not json")
        world.asked.clear()
        await world.asked.wait()
        moved.clear()
        world.at(200)
        await moved.wait()
        assert clock.offset_s == 200
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
