"""The panes of the in basket: what they need of the services, and how they are put together.

A browser that asks for an address gets the whole page; a script that asks (htmx) gets the one pane.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from portal.basket.answers import STATES, Item, Page, Pool, Pools, Work, short
from portal.calls import ServiceAwayError, ServiceProblem
from portal.insurance.answers import Payer, Payers
from portal.language import _
from portal.messages.answers import MESSAGES, MESSAGES_MAX
from portal.notices import notice
from portal.rendering import render
from portal.visitors import StaffAtPage
from shared.paths import segment

ROWS: Final = 50
HOURS: Final = (1, 4, 24, 72, 168)
"""For how long an item can be put off."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which list is beside an item: a pool's items in one state, or what was searched for."""

    pool: str = ""
    state: str = "open"
    q: str = ""

    @classmethod
    def of(cls, request: Request) -> "Where":
        """Read an address."""
        told = request.query_params
        state = told.get("state", "open")
        return cls(told.get("pool", ""), state if state in STATES else "open", told.get("q", "").strip()[:200])

    def __bool__(self) -> bool:
        return bool(self.pool or self.q)

    def list(self, **changed: str) -> str:
        """Return the address of this list, or of another with `pool`, `state`, `q`, `after`."""
        return f"/basket?{self._query(changed)}"

    def item(self, item_id: str, step: str = "", **more: str) -> str:
        """Return the address of an item beside this list, or of something done to it, or of messages `before`."""
        return f"/basket/items/{segment(item_id)}{step}?{self._query(more)}"

    def _query(self, changed: dict[str, str]) -> str:
        told = {"q": self.q} if self.q else {"pool": self.pool, "state": self.state}
        return urlencode({name: value for name, value in (told | changed).items() if value})


def pane(request: Request) -> str | None:
    """Return the id of the pane that a script asks for, or nothing when a browser asks for a page."""
    if "hx-request" not in request.headers or "hx-history-restore-request" in request.headers:
        return None
    return request.headers.get("hx-target", "")


async def pools_of(staff: StaffAtPage) -> list[Pool]:
    """Return the pools that the reader may see."""
    return Pools.validate_python(await staff.get("inbox", "/v1/pools"))


async def page_of(staff: StaffAtPage, where: Where, after: str = "", rows: int = ROWS) -> Page:
    """Return a part of a list."""
    if not where:
        return Page(items=())
    path = "/v1/search" if where.q else f"/v1/pools/{segment(where.pool)}/items"
    asked = {"q": where.q} if where.q else {"state": where.state}
    cursor = {"after": after} if after else {}
    try:
        return Page.model_validate(await staff.get("inbox", path, limit=rows, **asked, **cursor))
    except ServiceProblem as problem:
        if problem.status != HTTPStatus.BAD_REQUEST:
            raise
        return Page(items=(), understood=False)


async def item_of(staff: StaffAtPage, item_id: str, before: str = "", shown: int = MESSAGES) -> Item:
    """Return an item with the newest messages of its thread, as many as are shown, or with those before some."""
    part = {"before": before} if before else {}
    limit = min(max(shown, MESSAGES), MESSAGES_MAX)
    return Item.model_validate(await staff.get("inbox", f"/v1/items/{segment(item_id)}", limit=limit, **part))


def gone(request: Request, problem: ServiceProblem, where: Where) -> Response:
    """Say above the list that an item is in a pool of others now, and empty its pane.

    Raises:
        ServiceProblem: it is another problem.
    """
    if problem.status != HTTPStatus.NOT_FOUND:
        raise problem
    notice(request, _("It is in a pool now that is not yours to see."))
    if pane(request) is None:
        return RedirectResponse(where.list(), HTTPStatus.SEE_OTHER)
    left = render(request, "basket/left.html")
    left.headers["hx-push-url"] = where.list()
    return left


def moved(request: Request, problem: ServiceProblem) -> Response:
    """Say at an open item that it is in a pool of others now; what is typed there stays to be read.

    Raises:
        ServiceProblem: it is another problem, or a browser without scripts asks, whose page shows what was typed.
    """
    if problem.status != HTTPStatus.NOT_FOUND or pane(request) is None:
        raise problem
    status = HTTPStatus.OK if request.method == "GET" else HTTPStatus.UNPROCESSABLE_ENTITY
    said = render(request, "basket/moved.html", status)
    said.headers["hx-reswap"] = "none"
    return said


async def show_item(request: Request, staff: StaffAtPage, where: Where, item: Item, **more: Any) -> Response:
    """Return the pane of an item, or the whole page around it; `more` is what an action adds to it."""
    if pane(request) is None:
        return await show_page(request, staff, where, item, **more)
    pools, (work, payers) = await asyncio.gather(pools_of(staff), _owned(staff, item))
    shown = _item(request, staff, item, work, payers)
    return render(request, "basket/item.html", _status(more), where=where, pools=pools, **shown | more)


async def show_news(request: Request, staff: StaffAtPage, where: Where, item: Item, newer: Any) -> Response:
    """Return what is new of an open item: without the work behind it, whose owner notes who looks at it."""
    if pane(request) is None:
        return await show_page(request, staff, where, item, newer=newer)
    pools, shown = await pools_of(staff), _item(request, staff, item, None, [])
    return render(request, "basket/news.html", where=where, pools=pools, **shown | {"newer": newer})


async def show_page(
    request: Request, staff: StaffAtPage, where: Where, item: Item | None = None, after: str = "", **more: Any
) -> Response:
    """Return the page with its three panes; without a list in its address, the first where something waits."""
    pools = await pools_of(staff)
    if not where and pools:
        first = next((pool for pool in pools if pool.open), pools[0])
        where = Where(item.pool if item else first.pool)
    page = await page_of(staff, where, after)
    shown = (
        _item(request, staff, item, *await _owned(staff, item))
        if item
        else common(request, staff) | {"item": None}
    )
    values = {"where": where, "after": after, "page": page, "pools": pools}
    return render(request, "basket/page.html", _status(more), **values | shown | more)


def common(request: Request, staff: StaffAtPage) -> dict[str, Any]:
    """Return what every pane knows: who reads, the time, and what can be chosen."""
    chosen = {"states": STATES, "hours": HOURS}
    return {"me": staff, "now": request.app.state.clock.now(), "short": short, **chosen}


def _status(more: dict[str, Any]) -> HTTPStatus:
    return HTTPStatus.UNPROCESSABLE_ENTITY if more.get("problem") else HTTPStatus.OK


def _item(
    request: Request, staff: StaffAtPage, item: Item, work: Work | None, payers: list[Payer]
) -> dict[str, Any]:
    """Return what the pane of an item shows."""
    return {
        **common(request, staff),
        "item": item,
        "mine": item.holder == f"staff:{staff.id}",
        "work": work,
        "payers": payers,
        "draft": {},
        "problem": None,
        "newer": None,
        "conflict": None,
    }


async def _owned(staff: StaffAtPage, item: Item) -> tuple[Work | None, list[Payer]]:
    """Return the work as its owner tells it, and the payers where one is to be chosen.

    The item can be read while its owner does not answer.
    """
    if item.owner is None or item.work_id is None:
        return None, []
    try:
        work = Work.model_validate(await staff.get(item.owner, f"/v1/work/{segment(item.work_id)}"))
        asked = work.offers("choose-payer")
        return work, Payers.validate_python(await staff.get("insurance", "/v1/payers")) if asked else []
    except (ServiceProblem, ServiceAwayError):
        return None, []
