"""What browsers send: how much is taken from whom, how much is here at once, and how long it may take to come.

A form with files is kept in a temporary file while it is read, so who has not signed in sends no more than fits
into memory, and all together no more than there is room for. A route says besides how long its own body may be.
"""

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import Final

from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal import problems
from portal.guarding import FILES_BYTES_MAX, SAFE
from portal.visitors import signed_in
from shared import http

HERE_BYTES_MAX: Final = 3 * FILES_BYTES_MAX
"""How much of long bodies may be here at once, and a third of it of one session: a pod's /tmp has 256 MiB."""
PART_S: Final = 30.0
"""How long the next part of a body may be awaited."""
WHOLE_S: Final = 600.0
"""How long a body may take as a whole: the longest one on a slow line."""


class Bodies:
    """Around all routes: refuses bodies before they are read, and gives up on those that do not come."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._here_bytes: Counter[str] = Counter()
        """Of each session."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["method"] in SAFE:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        size = min(_size(request.headers), FILES_BYTES_MAX)
        if size <= http.BODY_BYTES_MAX:
            await self._pass_on(scope, receive, send)
        elif (session := signed_in(request)) is None:
            await (await problems.login_needed(request))(scope, receive, send)
        elif not self._has_room(session, size):
            await problems.no_room(request)(scope, receive, send)
        else:
            self._here_bytes[session] += size
            try:
                await self._pass_on(scope, receive, send)
            finally:
                self._here_bytes[session] -= size
                if not self._here_bytes[session]:
                    del self._here_bytes[session]

    def _has_room(self, session: str, size: int) -> bool:
        """Tell whether there is room for a body, beside those of others and of the same session."""
        own = self._here_bytes[session] + size <= FILES_BYTES_MAX
        return own and self._here_bytes.total() + size <= HERE_BYTES_MAX

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a page also what Starlette refuses by itself: a body that announces itself as too large."""
        replaced = False

        async def send_page(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and _is_plain_refusal(message):
                replaced = True
                await problems.too_large(Request(scope, receive))(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, _readable(Headers(scope=scope), _in_time(receive)), send_page)


def _size(headers: Headers) -> int:
    """Return how long a body says that it is; one that does not say so is as long as any may be."""
    if "transfer-encoding" in headers:
        return FILES_BYTES_MAX
    return int(headers.get("content-length", "0"))


def _readable(headers: Headers, receive: Receive) -> Receive:
    """Return what receives a body, and raises `HTTPException` where its text is in no charset that we read."""
    if not http.of_another_charset(headers):
        return receive

    async def receive_nothing() -> Message:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)

    return receive_nothing


def _in_time(receive: Receive) -> Receive:
    """Return what receives a body, and raises `HTTPException` when it does not come."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + WHOLE_S
    whole = False

    async def receive_in_time() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(min(ends_at, loop.time() + PART_S)):
                message = await receive()
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
        whole = not message.get("more_body", False)
        return message

    return receive_in_time


def _is_plain_refusal(start: Message) -> bool:
    content_type = Headers(scope=start).get("content-type", "")
    return start["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and content_type.startswith("text/plain")
