"""However many follow news and load files, pages have connections of their own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from portal import calls
from portal.calls import TIMEOUT_S, connections
from tests.unit.portal.basket import given
from tests.unit.portal.world import World, portal

CALL_S = 1.0
PLACES = {"/basket/stream": "/v1/stream", "/basket/attachments/a-1": "/v1/attachments/a-1"}


@pytest_asyncio.fixture
async def narrow(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A portal with connections for one stream and one file."""
    monkeypatch.setattr(calls, "STREAMS_MAX", 1)
    monkeypatch.setattr(calls, "FILES_MAX", 1)
    async with portal(CALL_S) as world:
        yield world


@pytest.mark.parametrize("path", PLACES)
async def test_one_stream_or_file_too_many_is_told_to_come_again_and_pages_and_the_others_are_shown(
    narrow: World, path: str
) -> None:
    begun, over = asyncio.Event(), asyncio.Event()

    async def lasting(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        begun.set()
        while not over.is_set():
            await answer.write(b".")
            await asyncio.wait([waiting], timeout=CALL_S / 10)
        return answer

    async def brief(_request: web.Request) -> web.StreamResponse:
        return web.Response()

    given(narrow)
    for asked in PLACES.values():
        narrow.services.answer("GET", asked, lasting if asked == PLACES[path] else brief)
    async with narrow.staff() as browser:
        waiting = asyncio.create_task(over.wait())
        first = asyncio.create_task(browser.get(path))
        await begun.wait()
        too_many, page = await asyncio.gather(browser.get(path), browser.get("/basket"))
        others = [(await browser.get(other)).status_code for other in PLACES if other != path]
        over.set()
        assert (await first).status_code == 200
        assert (await browser.get(path)).status_code == 200
    assert (too_many.status_code, page.status_code, others) == (503, 200, [200])
    assert int(too_many.headers["retry-after"]) > 0


async def test_streams_and_files_wait_for_a_connection_as_long_as_a_call_and_may_last_longer() -> None:
    async with connections() as out:
        assert out.calls.timeout.total == TIMEOUT_S
        for lasting in (out.streams, out.files):
            assert lasting.timeout.total is None
            assert (lasting.timeout.connect, lasting.timeout.sock_connect) == (TIMEOUT_S, TIMEOUT_S)
        assert (out.streams.timeout.sock_read, out.files.timeout.sock_read) == (calls.QUIET_S, calls.QUIET_S)
