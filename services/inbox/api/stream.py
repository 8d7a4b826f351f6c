"""Server-sent events: what happens in the caller's pools, or to the threads of those for whom a person acts.

Each event has an id. Who comes back with the last one they saw (`Last-Event-ID`) is told all that they missed; if
that cannot be told any more, `resync` says to look at everything again.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final, Protocol

from fastapi import APIRouter, Depends, Header
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.datastructures import State

from services.inbox.domain.item import What
from services.inbox.domain.routing import ROLES
from services.inbox.feed import Feed, Happened, Lost, Position, position
from services.inbox.persons import patients_of
from services.inbox.reads import all_pools, may_work, rules_in_force
from shared.auth import Caller, person_or_staff
from shared.clock import Clock
from shared.database import Pool
from shared.routes import TheClock, ThePool, one_of_process

router = APIRouter(prefix="/v1", tags=["stream"])

_STREAM_S_MAX: Final = 600
"""Then the caller comes back, and is asked anew who they are."""

_SCOPE_S_MAX: Final = 30
_PING_S: Final = 15
_TOLD_TO_PATIENTS: Final = frozenset[What](
    {"new", "message", "replied", "done", "reopened", "file-cleared", "file-refused"}
)


class Scope(Protocol):
    """Whose changes a caller is told, and how."""

    async def event(self, change: Happened) -> tuple[str, dict[str, Any]] | None:
        """Return an event's name and data, or nothing if the change is not the caller's business."""


class StaffScope:
    """The pools that a person of the staff works."""

    def __init__(self, pool: Pool, clock: Clock, roles: frozenset[str]) -> None:
        self._pool, self._clock, self._roles = pool, clock, roles
        self._every: frozenset[str] = frozenset()
        self._own: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    async def event(self, change: Happened) -> tuple[str, dict[str, Any]] | None:
        """Tell of an item in one of the pools."""
        if change.pool not in self._every or time.monotonic() - self._read_at > _SCOPE_S_MAX:
            every = await all_pools(self._pool, await rules_in_force(self._pool, self._clock.now()))
            self._every = frozenset(every)
            self._own = frozenset(one.pool for one in every.values() if may_work(one, self._roles))
            self._read_at = time.monotonic()
        if change.pool not in self._own:
            return None
        return "item", {
            "item_id": change.item_id,
            "pool": change.pool,
            "what": change.what,
            "version": change.version,
            "at": _text(change.at),
        }


class PersonScope:
    """The threads of the patients for whom a person acts."""

    def __init__(self, pool: Pool, person_id: str) -> None:
        self._pool, self._person_id = pool, person_id
        self._own: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    async def event(self, change: Happened) -> tuple[str, dict[str, Any]] | None:
        """Tell of a thread of one of the patients."""
        if change.thread_id is None or change.what not in _TOLD_TO_PATIENTS:
            return None
        if time.monotonic() - self._read_at > _SCOPE_S_MAX:
            self._own = frozenset(one.patient_id for one in await patients_of(self._pool, self._person_id))
            self._read_at = time.monotonic()
        if change.patient_id not in self._own:
            return None
        return "thread", {
            "thread_id": change.thread_id,
            "patient_id": change.patient_id,
            "what": change.what,
            "at": _text(change.at),
        }


def _feed(state: State) -> Feed:
    return Feed(state.pool)


@router.get("/stream", response_class=EventSourceResponse, responses={200: {"content": {"text/event-stream": {}}}})
async def stream(
    caller: Annotated[Caller, Depends(person_or_staff(*ROLES))],
    feed: Annotated[Feed, Depends(one_of_process(_feed))],
    pool: ThePool,
    clock: TheClock,
    last_event_id: Annotated[
        str | None, Header(max_length=64, description="of the last event that was seen")
    ] = None,
) -> EventSourceResponse:
    """Tell what happens from now on, after all that happened since the last event that the caller saw."""
    scope: Scope
    if caller.on_behalf_of is not None:
        scope = PersonScope(pool, caller.on_behalf_of)
    else:
        scope = StaffScope(pool, clock, caller.roles)
    return EventSourceResponse(_events(feed, scope, last_event_id), ping=_PING_S)


async def _events(feed: Feed, scope: Scope, last_event_id: str | None) -> AsyncIterator[ServerSentEvent]:
    ends_at = time.monotonic() + _STREAM_S_MAX
    async with feed.reader() as reader:
        try:
            missed = await _missed(feed, last_event_id, reader.start)
        except Lost:
            missed = []
            yield _resync(reader.start)
        for change in missed:
            if (told := await scope.event(change)) is not None:
                yield _event(change, *told)
        # So that the caller has an id to come back with, even if nothing happens.
        yield ServerSentEvent(event="ready", data="{}", id=str(reader.start))
        while (left_s := ends_at - time.monotonic()) > 0:
            try:
                change = await asyncio.wait_for(reader.next(), left_s)
            except Lost:
                yield ServerSentEvent(event="resync", data="{}")
            except TimeoutError:
                return
            else:
                if (told := await scope.event(change)) is not None:
                    yield _event(change, *told)


async def _missed(feed: Feed, last_event_id: str | None, until: Position) -> list[Happened]:
    if last_event_id is None:
        return []
    seen = position(last_event_id)
    if seen is None:
        raise Lost
    return await feed.between(seen, until)


def _event(change: Happened, name: str, data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(event=name, data=json.dumps(data), id=str(change.position))


def _resync(at: Position) -> ServerSentEvent:
    return ServerSentEvent(event="resync", data="{}", id=str(at))


def _text(moment: datetime) -> str:
    return moment.isoformat()
