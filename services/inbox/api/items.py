"""The staff's in baskets: pools, pages of items, and what staff do with an item.

A change names the version that it is about (`If-Match`). It is decided by the same rules as any message; a refusal
is told with what the person needs to go on: who holds the item, or the reply that they had not seen.
"""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from services.inbox.api.callers import SeenVersion, Staff, not_found
from services.inbox.api.places import After, Limit, ThreadPart, before, cursor, newest_before, place
from services.inbox.api.views import ItemDetail, ItemView, item_detail, item_view
from services.inbox.domain.commands import (
    Assignee,
    ClaimItem,
    EscalateItem,
    FinishItem,
    ItemCommand,
    PostponeItem,
    ReassignItem,
    ReleaseItem,
    ReplyToItem,
)
from services.inbox.domain.item import Item, ItemState
from services.inbox.domain.routing import PoolEntry, RuleSet
from services.inbox.domain.visible import Visible
from services.inbox.reads import (
    SUPERVISOR,
    Place,
    ShownThread,
    all_pools,
    find_item,
    find_pool,
    may_work,
    page,
    rules_in_force,
    search,
    show_item,
    show_pools,
)
from shared.events.envelope import Id, Time
from shared.events.inbox import CommandRefused
from shared.events.vocabulary import Body, Line, Note
from shared.problems import Problem
from shared.routes import Now, TheAsk, ThePool

router = APIRouter(prefix="/v1", tags=["in basket"])

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_STATUS: Final = {
    "not_found": HTTPStatus.NOT_FOUND,
    "stale_version": HTTPStatus.PRECONDITION_FAILED,
    "taken": HTTPStatus.CONFLICT,
    "lease_expired": HTTPStatus.CONFLICT,
    "not_claimed": HTTPStatus.CONFLICT,
    "item_done": HTTPStatus.CONFLICT,
    "no_thread": HTTPStatus.CONFLICT,
}
"""Of refusals; those that are not here are about the request's content, and 422."""


class PoolView(PoolEntry):
    """A pool, with what is in it now."""

    open: int
    waiting: int
    postponed: int
    oldest_at: datetime | None = Field(description="since when the longest has waited for staff")
    oldest_age_s: int | None


class ItemPage(BaseModel):
    """Items in the order in which they are to be worked: urgent and escalated first, then the longest waiting."""

    items: list[ItemView]
    next: str | None = Field(description="for `after`; absent on the last page")


class Reply(BaseModel):
    """A reply to the patient."""

    body: Annotated[Body, Visible]
    attachment_ids: Annotated[tuple[Id, ...], Field(max_length=10)] = ()


class Done(BaseModel):
    """That nothing more is needed."""

    note: Annotated[Note, Visible] | None = None


class Reassignment(BaseModel):
    """Where an item goes, or who is to take it, and why."""

    pool: Id | None = None
    assignee: Assignee | None = None
    reason: Annotated[Line, Visible]


class Postponement(BaseModel):
    """When an item comes back."""

    until: Time


class Escalation(BaseModel):
    """Why a supervisor should look."""

    reason: Annotated[Line, Visible]


@router.get("/pools")
async def pools(caller: Staff, pool: ThePool, now: Now) -> list[PoolView]:
    """Show the pools that the caller works."""
    return [
        PoolView(
            **shown.entry.model_dump(),
            open=shown.counts.get("open", 0),
            waiting=shown.counts.get("waiting", 0),
            postponed=shown.counts.get("postponed", 0),
            oldest_at=shown.oldest_at,
            oldest_age_s=shown.age_s(now),
        )
        for shown in await show_pools(pool, caller.roles, now)
    ]


@router.get("/pools/{pool_id}/items")
async def items(
    pool_id: Id,
    caller: Staff,
    pool: ThePool,
    now: Now,
    state: Annotated[ItemState, Query(description="of the items to show")] = "open",
    limit: Limit = 50,
    after: After = None,
) -> ItemPage:
    """Show a page of a pool's items of one state."""
    rules = await rules_in_force(pool, now)
    entry = await find_pool(pool, pool_id, rules)
    if entry is None or not may_work(entry, caller.roles):
        raise not_found("pool")
    shown = await page(pool, pool_id, state, place(after), limit + 1)
    following = _cursor(shown[limit - 1].item) if len(shown) > limit else None
    return ItemPage(items=[item_view(one, now, rules.hours) for one in shown[:limit]], next=following)


@router.get("/search")
async def search_items(
    q: Annotated[str, Query(max_length=200, description='words; `or`, `-without`, `"in this order"`')],
    caller: Staff,
    pool: ThePool,
    now: Now,
    limit: Limit = 50,
    after: After = None,
) -> ItemPage:
    """Show items of the caller's pools, of any state, by words of their subjects and messages; newest first."""
    if not q.strip() or _CONTROL.search(q) or q.count('"') % 2:
        said = "A search has words without control characters, and quotation marks in pairs."
        raise Problem(HTTPStatus.BAD_REQUEST, said, reason="bad_query")
    rules = await rules_in_force(pool, now)
    own = [one.pool for one in (await all_pools(pool, rules)).values() if may_work(one, caller.roles)]
    shown = await search(pool, q, own, newest_before(after), limit + 1)
    views = [item_view(one, now, rules.hours) for one in shown[:limit]]
    last = shown[limit - 1].item if len(shown) > limit else None
    return ItemPage(items=views, next=before(last) if last else None)


@router.get("/items/{item_id}")
async def item(
    item_id: Id, caller: Staff, pool: ThePool, now: Now, part: ThreadPart, response: Response
) -> ItemDetail:
    """Show an item with the newest messages of its thread, or those before a part of them.

    That it was read is noted for ever.
    """
    seen = await find_item(pool, item_id, caller.roles, now)
    if seen is None:
        raise not_found("item")
    return _shown(await show_item(pool, item_id, caller.staff_actor, now, part), seen.rules, now, response)


class Acting:
    """A person of the staff about to do something with an item that they see, as of a version."""

    def __init__(
        self,
        caller: Staff,
        version: SeenVersion,
        pool: ThePool,
        ask: TheAsk,
        now: Now,
        response: Response,
    ) -> None:
        self.version = version
        self.supervisor = SUPERVISOR in caller.roles
        self._caller, self._pool, self._ask, self._now, self._response = caller, pool, ask, now, response

    async def ask(self, command: ItemCommand) -> ItemDetail:
        """Have the rules decide, and show the item as it is then.

        Raises:
            Problem: there is no such item for this person, or the rules refuse.
        """
        seen = await find_item(self._pool, command.item_id, self._caller.roles, self._now)
        if seen is None:
            raise not_found("item")
        who = self._caller.staff_actor
        ended = await self._ask(command, seen.item.key, who)
        shown = await show_item(self._pool, command.item_id, who, self._now)
        if isinstance(ended, CommandRefused):
            raise _problem(ended, shown, command.version, self._now)
        return _shown(shown, seen.rules, self._now, self._response)


Act = Annotated[Acting, Depends()]


@router.post("/items/{item_id}/claim")
async def claim(item_id: Id, act: Act) -> ItemDetail:
    """Take an item for a quarter of an hour, or hold it longer."""
    return await act.ask(ClaimItem(item_id=item_id, version=act.version))


@router.post("/items/{item_id}/release")
async def release(item_id: Id, act: Act) -> ItemDetail:
    """Give an item back."""
    return await act.ask(ReleaseItem(item_id=item_id, version=act.version, supervisor=act.supervisor))


@router.post("/items/{item_id}/reply")
async def reply(item_id: Id, act: Act, body: Reply) -> ItemDetail:
    """Answer the patient; the item then waits for them."""
    return await act.ask(
        ReplyToItem(item_id=item_id, version=act.version, body=body.body, attachment_ids=body.attachment_ids)
    )


@router.post("/items/{item_id}/done")
async def done(item_id: Id, act: Act, body: Done | None = None) -> ItemDetail:
    """Say that an item needs nothing more."""
    return await act.ask(FinishItem(item_id=item_id, version=act.version, note=body.note if body else None))


@router.post("/items/{item_id}/reassign")
async def reassign(item_id: Id, act: Act, body: Reassignment) -> ItemDetail:
    """Move an item to another pool, or name who is to take it; anybody who works the pool still may claim it."""
    return await act.ask(
        ReassignItem(item_id=item_id, version=act.version, **body.model_dump(), supervisor=act.supervisor)
    )


@router.post("/items/{item_id}/postpone")
async def postpone(item_id: Id, act: Act, body: Postponement) -> ItemDetail:
    """Have an item come back at a time."""
    return await act.ask(PostponeItem(item_id=item_id, version=act.version, until=body.until))


@router.post("/items/{item_id}/escalate")
async def escalate(item_id: Id, act: Act, body: Escalation) -> ItemDetail:
    """Have a supervisor look at an item."""
    return await act.ask(EscalateItem(item_id=item_id, version=act.version, reason=body.reason))


def _shown(shown: ShownThread, rules: RuleSet, now: datetime, response: Response) -> ItemDetail:
    response.headers["etag"] = f'"{shown.item.version}"'
    return item_detail(shown, now, rules.hours)


def _problem(refused: CommandRefused, shown: ShownThread, version: int, now: datetime) -> Problem:
    """Return the refusal, with what the person needs to go on."""
    item = shown.item
    more: dict[str, Any] = {}
    if refused.reason in ("taken", "stale_version"):
        more = {"holder": item.holder(now), "lease_ends_at": item.lease_ends_at and item.lease_ends_at.isoformat()}
    if refused.reason == "stale_version":
        more |= {"version": item.version, "newer_reply": _newer_reply(shown, version)}
    status = _STATUS.get(refused.reason, HTTPStatus.UNPROCESSABLE_ENTITY)
    return Problem(status, refused.detail, reason=refused.reason, **more)


def _newer_reply(shown: ShownThread, version: int) -> dict[str, str] | None:
    """Return the newest reply if it was made after that version, and is among the newest messages."""
    newest = next((one for one in reversed(shown.messages) if one.author == "staff"), None)
    if newest is None or shown.item.replied_version <= version:
        return None
    return {
        "reply_id": newest.message_id,
        "author": newest.author_id,
        "body": newest.body,
        "at": newest.at.isoformat(),
    }


def _cursor(item: Item) -> str:
    return cursor(Place(item.priority, item.since, item.item_id))
