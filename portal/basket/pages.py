"""Looking at the in basket: lists, an open item and its news, files, and the live stream."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Annotated, Final

import aiohttp
from fastapi import Query, Request
from fastapi.responses import Response, StreamingResponse

from portal.basket.panes import (
    ROWS,
    Where,
    common,
    gone,
    item_of,
    moved,
    page_of,
    pane,
    pools_of,
    show_item,
    show_news,
    show_page,
)
from portal.calls import ServiceProblem
from portal.guarding import page_router
from portal.messages.answers import MESSAGES, MESSAGES_MAX
from portal.messages.pages import passed_on
from portal.rendering import render
from portal.visitors import Staff
from shared.paths import segment

router = page_router("/basket")

ROWS_MAX: Final = 200
"""As long as a list can be that is renewed, and as much as the inbox gives at once; a longer one shrinks to it."""


@router.get("")
async def lists(request: Request, staff: Staff, after: str = "", limit: int = ROWS) -> Response:
    """Show a list; a script may ask for the pools with their counts, or for rows."""
    where = Where.of(request)
    match pane(request):
        case "pools":
            return render(
                request, "basket/pools.html", pools=await pools_of(staff), where=where, **common(request, staff)
            )
        case "items" | "more":
            page = await page_of(staff, where, after, min(max(limit, 1), ROWS_MAX))
            return render(request, "basket/rows.html", where=where, page=page, item=None, **common(request, staff))
        case _:
            return await show_page(request, staff, where, after=after)


@router.get("/items/{item_id}")
async def item(item_id: str, request: Request, staff: Staff, before: str = "") -> Response:
    """Open an item; of messages `before`, a script gets the next part alone, others as many as fit at once."""
    where = Where.of(request)
    alone = pane(request) == "earlier"
    try:
        if alone:
            earlier = await item_of(staff, item_id, before)
            return render(request, "basket/entries.html", item=earlier, where=where, alone=True)
        opened = await item_of(staff, item_id, shown=MESSAGES_MAX if before else MESSAGES)
    except ServiceProblem as problem:
        if pane(request) is None:
            raise
        return moved(request, problem) if alone else gone(request, problem, where)
    return await show_item(request, staff, where, opened)


@router.get("/items/{item_id}/news")
async def news(
    item_id: str, request: Request, staff: Staff, seen: str = "", limit: Annotated[int, Query(ge=1)] = MESSAGES
) -> Response:
    """Renew what is shown of an open item, as many messages as that is, and nothing of what is being typed.

    A reply keeps the version that its writer has seen while somebody else has written: sending it then asks first.
    """
    try:
        opened = await item_of(staff, item_id, shown=limit)
    except ServiceProblem as problem:
        return moved(request, problem)
    last = opened.messages[-1] if opened.messages else None
    newer = last if last is not None and last.message_id != seen else None
    return await show_news(request, staff, Where.of(request), opened, newer)


@router.get("/stream")
async def stream(request: Request, staff: Staff) -> Response:
    """Pass the inbox's news on as they come; the browser says where it was, so that nothing is missed."""
    headers = {"accept": "text/event-stream"}
    if last := request.headers.get("last-event-id"):
        headers["last-event-id"] = last
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(staff.stream("inbox", "/v1/stream", headers))
        opened = stack.pop_all()

    async def told() -> AsyncIterator[bytes]:
        async with opened:
            # However it ends, the browser comes back and says where it was.
            with suppress(aiohttp.ClientError, TimeoutError):
                async for chunk in source.content.iter_any():
                    yield chunk

    return StreamingResponse(told(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


@router.get("/attachments/{attachment_id}")
async def attachment(attachment_id: str, staff: Staff) -> Response:
    """Download a file that a patient sent."""
    return await passed_on(staff, f"/v1/attachments/{segment(attachment_id)}")


@router.get("/attachments/{attachment_id}/preview")
async def preview(attachment_id: str, staff: Staff) -> Response:
    """Show the picture that the inbox made of a file."""
    return await passed_on(staff, f"/v1/attachments/{segment(attachment_id)}/preview")
