"""The clock of the made-up world, which everything that runs against the sandbox may follow.

Moving it forward lets what happens days later be seen at once: returns, disputes, keys that expire.
"""

import asyncio
import sqlite3
import time
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, Field

from shared.clock import POLL_S, Clock
from shared.problems import Problem

OFFSET_S_MAX = 100 * 366 * 86_400
FOLLOWING_S = 5 * POLL_S
"""Whoever has read the clock in this time follows it, and is waited for as long."""


class WorldClock(Clock):
    """A clock that is moved by hand, for good: its offset survives a restart."""

    def __init__(self, db: sqlite3.Connection) -> None:
        super().__init__()
        db.execute(
            "create table if not exists clock"
            " (id integer primary key check (id = 1), offset_s real not null) strict"
        )
        db.execute("insert or ignore into clock values (1, 0)")
        self._db = db
        self._read_at: dict[str, float] = {}
        self.move_to(db.execute("select offset_s from clock").fetchone()["offset_s"])

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`.

        Raises:
            ValueError: the clock would go backwards, or more than a century ahead.
        """
        if seconds < 0:
            raise ValueError("The clock never goes backwards.")
        if self.offset_s + seconds > OFFSET_S_MAX:
            raise ValueError("The clock goes at most a century ahead.")
        self._db.execute("update clock set offset_s = ?", (self.offset_s + seconds,))
        self.move_to(self.offset_s + seconds)

    def read_by(self, reader: str) -> None:
        """Note that `reader`, who is told apart by their connection, reads the clock now."""
        self._read_at[reader] = time.monotonic()

    async def followed(self, mover: str) -> None:
        """Wait, for a second at most, until all who follow the clock, except `mover`, have read it anew."""
        moved_at = time.monotonic()
        self._read_at = {who: at for who, at in self._read_at.items() if at > moved_at - FOLLOWING_S}
        behind = self._read_at.keys() - {mover}
        while behind and time.monotonic() < moved_at + FOLLOWING_S:
            await asyncio.sleep(0.01)
            behind = {who for who in behind if self._read_at.get(who, moved_at) < moved_at}


class Reading(BaseModel):
    """What the clock shows: `now` in UTC, and how many seconds it is ahead of real time."""

    now: AwareDatetime
    offset_s: float


class Advance(BaseModel):
    """How many seconds to move forward."""

    advance_s: Annotated[float, Field(strict=True, allow_inf_nan=False)]


async def _clock(request: Request) -> WorldClock:
    clock: WorldClock = request.app.state.clock
    return clock


async def _caller(request: Request) -> str:
    return str(request.client)


TheClock = Annotated[WorldClock, Depends(_clock)]
Caller = Annotated[str, Depends(_caller)]

router = APIRouter(prefix="/clock", tags=["clock"])


@router.get("")
async def read_clock(clock: TheClock, caller: Caller) -> Reading:
    """Tell the time of the made-up world."""
    clock.read_by(caller)
    return Reading(now=clock.now(), offset_s=clock.offset_s)


@router.post("")
async def advance_clock(step: Advance, clock: TheClock, caller: Caller) -> Reading:
    """Move the made-up world forward by `advance_s` seconds, never backwards; answer when all who follow know."""
    try:
        clock.advance(step.advance_s)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    await clock.followed(caller)
    return Reading(now=clock.now(), offset_s=clock.offset_s)
