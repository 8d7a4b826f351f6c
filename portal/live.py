"""Pages that follow what becomes of things: server-sent events that say only that something is new.

A template names what it shows (`data-live="{{ live("payments:" ~ account_number) }}"`); the address is signed, so
that only the server decides what a browser may follow, and good for this browser's session alone, until its end.
It starts where the page was rendered, so that nothing falls between the page and its news. What is new the page
asks for again (`hx-trigger="live from:body"`): it is rendered in one place.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sse_starlette import EventSourceResponse

from portal.amounts import whole
from portal.events import Events
from portal.guarding import csrf_token, not_found, page_router
from portal.sessions import Sessions

AGE_S_MAX: Final = 24 * 3600
PING_S: Final = 15

router = page_router()


def channel(request: Request, keys: tuple[str, ...]) -> str:
    """Return the address of the news about these keys, from now on."""
    events: Events = request.app.state.events
    return f"/live/{_signer(request).dumps([events.boot, events.number, list(keys)], salt=_salt(request))}"


@router.get("/live/{signed}")
async def live(signed: str, request: Request) -> Response:
    """Tell a page what is new: an event with the type of each message, numbered."""
    try:
        boot, number, keys = _signer(request).loads(signed, max_age=AGE_S_MAX, salt=_salt(request))
    except BadSignature:
        raise not_found() from None
    if _is_over(request):
        raise not_found()
    events: Events = request.app.state.events
    last_boot, _, last = request.headers.get("last-event-id", "").partition(":")
    if last_boot == events.boot and (seen := whole(last)) is not None:
        number, boot = seen, last_boot
    return EventSourceResponse(_news(events, boot, number, keys), ping=PING_S, headers={"x-accel-buffering": "no"})


async def _news(events: Events, boot: str, number: int, keys: list[str]) -> AsyncIterator[dict[str, Any]]:
    if boot != events.boot or not events.knows_since(number):
        # Another process rendered the page, or long ago: what happened since is not known here, so it shall look.
        number = events.number
        yield {"id": f"{events.boot}:{number}", "data": "again"}
    async for news in events.follow(keys, number):
        yield {"id": f"{events.boot}:{news.number}", "data": news.type}


def _is_over(request: Request) -> bool:
    """Return whether who signed in has signed out, though somebody kept the cookie."""
    sessions: Sessions = request.app.state.sessions
    whose = (request.session.get("person"), request.session.get("staff"))
    return any(told is not None and sessions.ended(told.get("session")) for told in whose)


def _salt(request: Request) -> str:
    """Return what only this browser's session has: the address is good for nobody else, and for no longer."""
    return f"live:{csrf_token(request)}"


def _signer(request: Request) -> URLSafeTimedSerializer:
    signer: URLSafeTimedSerializer = request.app.state.signer
    return signer
