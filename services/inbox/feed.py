"""What happens to items, for those who look on: read once in a process, however many readers there are.

`NOTIFY` wakes it, and the table tells what happened; so nothing is missed while a connection is lost. Changes come
in the order of `(tx, seq)`, and only those below the oldest transaction still under way, because another might yet
commit a change before them.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import structlog

from services.inbox.domain.item import What
from services.inbox.telling import CHANNEL
from shared.database import AWAY, Connection, Pool

_PAGE: Final = 500
_REPLAYED_MAX: Final = 5_000
_WAITING_MAX: Final = 2_000
_IDLE_S: Final = 1.0
_UNSETTLED_S: Final = 0.01

_NEXT: Final = f"""
    select tx, seq, item_id, pool, thread_id, patient_id, what, version, at,
        tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint as settled
    from item_change where (tx, seq) > ($1, $2) order by tx, seq limit {_PAGE}
"""
_LAST: Final = """
    select tx, seq from item_change where tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    order by tx desc, seq desc limit 1
"""
_KNOWN: Final = "select exists (select from item_change where tx = $1 and seq = $2)"
_POSITION: Final = re.compile(r"(\d{1,18})-(\d{1,18})")

log = structlog.get_logger(__name__)


class Position(NamedTuple):
    """A place in the order of changes."""

    tx: int
    seq: int

    def __str__(self) -> str:
        return f"{self.tx}-{self.seq}"


START: Final = Position(0, 0)


@dataclass(frozen=True, slots=True)
class Happened:
    """A change of an item, as it is told."""

    position: Position
    item_id: str
    pool: str
    thread_id: str | None
    patient_id: str | None
    what: What
    version: int
    at: datetime


class Lost(Exception):  # noqa: N818  # a signal to the reader, not an error
    """What a reader has missed cannot be told any more: they have to look at everything again."""


def position(event_id: str | None) -> Position | None:
    """Read an event's id; nothing if it is none of ours."""
    found = _POSITION.fullmatch(event_id or "")
    return Position(int(found.group(1)), int(found.group(2))) if found else None


class Reader:
    """One who looks on: all that happens from `start` on, until they are too slow."""

    def __init__(self, start: Position) -> None:
        self.start = start
        self._waiting: asyncio.Queue[Happened | None] = asyncio.Queue()

    def tell(self, changes: Sequence[Happened]) -> None:
        """Queue changes; too many that wait are dropped, and the reader is told that they are lost."""
        if self._waiting.qsize() > _WAITING_MAX:
            while not self._waiting.empty():
                self._waiting.get_nowait()
            self._waiting.put_nowait(None)
        for change in changes:
            self._waiting.put_nowait(change)

    async def next(self) -> Happened:
        """Wait for what happens next.

        Raises:
            Lost: the reader was too slow.
        """
        change = await self._waiting.get()
        if change is None:
            raise Lost
        return change


class Feed:
    """Follows the changes while anybody looks on."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._readers: set[Reader] = set()
        self._following: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._woken = asyncio.Event()
        self._position = START

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """Offer a reader, from now on."""
        async with self._starting:
            if self._following is None:
                self._position = await self._last()
                self._following = asyncio.create_task(self._follow())
        reader = Reader(self._position)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            if not self._readers and self._following is not None:
                self._following.cancel()
                self._following = None

    async def between(self, after: Position, until: Position) -> list[Happened]:
        """Return what happened after one place, up to another.

        Raises:
            Lost: it is not known any more, or is too much.
        """
        if not await self._pool.fetchval(_KNOWN, *after):
            raise Lost
        found: list[Happened] = []
        while after < until:
            changes, _ = await self._next(self._pool, after)
            found += [change for change in changes if change.position <= until]
            if len(found) > _REPLAYED_MAX:
                raise Lost
            if not changes:
                break
            after = changes[-1].position
        return found

    async def _last(self) -> Position:
        row = await self._pool.fetchrow(_LAST)
        return Position(*row) if row else START

    async def _follow(self) -> None:
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._listen(connection)
            except AWAY as error:
                log.warning("database away", error_type=type(error).__name__)
                await asyncio.sleep(_IDLE_S)
            except Exception:
                # Readers would wait for ever for one that ended.
                log.exception("feed failed")
                await asyncio.sleep(_IDLE_S)

    async def _listen(self, connection: Connection) -> None:
        def wake(*_: object) -> None:
            self._woken.set()

        await connection.add_listener(CHANNEL, wake)
        try:
            while True:
                self._woken.clear()
                await self._tell_all(connection)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_IDLE_S):
                        await self._woken.wait()
        finally:
            with suppress(*AWAY):
                await connection.remove_listener(CHANNEL, wake)

    async def _tell_all(self, connection: Connection) -> None:
        """Tell all readers what there is, and wait for what is about to be settled."""
        while True:
            changes, more = await self._next(connection, self._position)
            if changes:
                self._position = changes[-1].position
                for reader in self._readers:
                    reader.tell(changes)
            if not more:
                return
            if not changes:
                await asyncio.sleep(_UNSETTLED_S)

    async def _next(self, connection: "Connection | Pool", after: Position) -> tuple[list[Happened], bool]:
        """Return the next settled changes, and whether there are more, settled or not."""
        rows = await connection.fetch(_NEXT, *after)
        settled = [row for row in rows if row["settled"]]
        changes = [Happened(Position(row["tx"], row["seq"]), *row[2:9]) for row in settled]
        return changes, len(settled) < len(rows) or len(rows) == _PAGE
