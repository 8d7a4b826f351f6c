"""Who may send how much, how much is here at once, and what becomes of bodies that do not come."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Message
from structlog.testing import capture_logs

from portal import bodies
from portal.guarding import FILES_BYTES_MAX
from shared.http import BODY_BYTES_MAX
from tests.unit.portal.world import CSRF, World

BEGIN = b'--b\r\nContent-Disposition: form-data; name="files"; filename="f"\r\n\r\n'
PARTS = {"content-type": "multipart/form-data; boundary=b"}
OVER = {"id": "person-1", "name": "Maria Sandoval", "session": "session-over"}


class Body:
    """A body of which the first part comes, and the rest when somebody lets it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.end = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.begun.set()
        yield BEGIN
        await self.end.wait()
        yield b"\r\n--b--\r\n"


@pytest.mark.parametrize("size", [None, BODY_BYTES_MAX + 1])
@pytest.mark.parametrize("proof", [{}, {"x-csrf-token": CSRF}])
@pytest.mark.parametrize("cookie", [{}, {"person": OVER}, {"person": OVER | {"session": "long-ago"}, "began": 0}])
async def test_of_who_is_not_signed_in_nothing_long_is_read(
    world: World, size: int | None, proof: dict[str, str], cookie: dict[str, Any]
) -> None:
    world.app.state.sessions.end("session-over", "person-1", "logout")
    body = Body()
    length = {} if size is None else {"content-length": str(size)}
    async with world.visitor(cookie=cookie) as browser:
        answer = await browser.post("/messages/new", content=aiter(body), headers=PARTS | proof | length)
    assert (answer.status_code, body.begun.is_set()) == (401, False)
    assert "Please sign in again" in answer.text


@pytest.mark.parametrize("cookie", [{}, {"person": OVER}])
@pytest.mark.parametrize("charset", ["undefined", "unicode_escape"])
async def test_a_form_is_read_in_utf_8_alone(world: World, cookie: dict[str, Any], charset: str) -> None:
    fields = {"csrf": CSRF, "captcha": "\\ud800", "account_number": "\\ud800", "last_name": "\\ud800"}
    parts = [
        f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{one}\r\n' for name, one in fields.items()
    ]
    content = "".join([*parts, "--b--\r\n"]).encode()
    headers = {"content-type": f"multipart/form-data; boundary=b; charset={charset}"}
    async with world.visitor(cookie=cookie) as browser:
        answer = await browser.post("/pay-my-bill", content=content, headers=headers)
    assert answer.status_code == 415
    assert "That did not work" in answer.text


async def test_no_more_is_read_at_once_than_there_is_room_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "HERE_BYTES_MAX", 2 * FILES_BYTES_MAX)
    first, second, third = Body(), Body(), Body()

    async def send(body: Body, session: str) -> httpx.Response:
        async with world.visitor(cookie={"person": OVER | {"session": session}}) as browser:
            return await browser.post("/messages/new", content=aiter(body), headers=PARTS)

    async with asyncio.TaskGroup() as group:
        under_way = [group.create_task(send(first, "session-a"))]
        await first.begun.wait()
        of_one_session = await send(second, "session-a")
        assert (of_one_session.status_code, second.begun.is_set()) == (503, False)
        under_way.append(group.create_task(send(second, "session-b")))
        await second.begun.wait()
        refused = await send(third, "session-c")
        assert (refused.status_code, third.begun.is_set()) == (503, False)
        assert refused.headers["retry-after"] == "60"
        assert "This was not sent" in refused.text
        async with world.person() as browser:
            assert (await browser.post("/preferences", data={"csrf": CSRF})).status_code == 303
        first.end.set()
        await under_way[0]
        third.end.set()
        assert (await send(third, "session-c")).status_code == 403
        second.end.set()


@pytest.mark.parametrize("limit", ["PART_S", "WHOLE_S"])
@pytest.mark.parametrize("path", ["/messages/new", "/preferences"])
async def test_a_body_that_does_not_come_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: str, path: str
) -> None:
    monkeypatch.setattr(bodies, limit, 0.01)
    async with world.person() as browser:
        answer = await browser.post(path, content=aiter(Body()), headers=PARTS)
    assert answer.status_code == 408
    assert "it took too long to reach us" in answer.text


@pytest.mark.parametrize("proof", [{}, {"x-csrf-token": CSRF}])
async def test_who_goes_away_while_sending_is_no_error_of_ours(world: World, proof: dict[str, str]) -> None:
    told: list[Message] = [
        {"type": "http.request", "body": BEGIN, "more_body": True},
        {"type": "http.disconnect"},
    ]
    headers = PARTS | proof | {"content-length": "1000", "cookie": f"session={world.visitor().cookies['session']}"}

    async def receive() -> Message:
        return told.pop(0) if len(told) > 1 else told[0]

    async def send(_message: Message) -> None:
        pass

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/messages/new",
        "raw_path": b"/messages/new",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("portal", 80),
        "client": ("127.0.0.1", 1),
    }
    with capture_logs() as logged:
        await world.app(scope, receive, send)
    assert logged == []
