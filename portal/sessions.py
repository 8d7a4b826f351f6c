"""Who is logged in, until when, and that the services hear of it.

The browser holds a signed cookie with who it is; this process remembers when each session was last used, and says
on `portal.sessions.v1` that it started and ended. A browser stays with one process of the portal (sticky
sessions); after a restart a session goes on with its next click. All processes hear who has signed out
(`portal.events`), so that a cookie that somebody kept is good nowhere; of staff only the process where they did.
"""

import asyncio
import time
from collections import deque
from typing import Final, Literal

import structlog

from portal.commands import Commands, MaybeSentError
from shared.events.portal import SessionEnded, SessionStarted

SWEEP_S = 1.0
ENDED_MAX: Final = 100_000

log = structlog.get_logger(__name__)


class Sessions:
    """Persons' sessions by id."""

    def __init__(self, commands: Commands, idle_s: int) -> None:
        self._commands = commands
        self._idle_s = idle_s
        self._used_at: dict[str, tuple[str, float]] = {}
        self._ended: dict[str, None] = {}
        self._untold: deque[SessionEnded] = deque()

    async def start(self, session_id: str, person_id: str) -> None:
        """Say that a person logged in.

        Raises:
            MaybeSentError: Kafka did not say that it took it, so the login must not go on.
        """
        await self._tell(SessionStarted(session_id=session_id, person_id=person_id))
        self.used(session_id, person_id)

    def used(self, session_id: str, person_id: str) -> None:
        """Note a click."""
        self._used_at[session_id] = (person_id, time.monotonic())

    def ended(self, session_id: str | None) -> bool:
        """Return whether a session is over, whoever kept its cookie; one that a cookie does not name is."""
        return session_id is None or session_id in self._ended

    def end(self, session_id: str, person_id: str, reason: Literal["logout", "timeout"]) -> None:
        """End a session at once; `tell_ends` says so, whether or not Kafka is there now."""
        if session_id in self._ended:
            return
        self.over(session_id)
        self._untold.append(SessionEnded(session_id=session_id, person_id=person_id, reason=reason))

    def over(self, session_id: str) -> None:
        """Note that a session has ended, of which nobody has to be told: staff's, or as another process told."""
        self._used_at.pop(session_id, None)
        self._ended[session_id] = None
        if len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]

    async def tell_ends(self) -> None:
        """Say which sessions have ended; where Kafka does not answer, the rest is left for the next time."""
        while self._untold:
            try:
                await self._tell(self._untold[0])
            except MaybeSentError:
                log.warning("the ends of sessions could not be told; trying again", count=len(self._untold))
                return
            self._untold.popleft()

    async def run(self) -> None:
        """End the sessions that nobody uses any more, and tell of all that have ended, until cancelled."""
        while True:
            before = time.monotonic() - self._idle_s
            over = [(session_id, who) for session_id, (who, at) in self._used_at.items() if at < before]
            for session_id, person_id in over:
                self.end(session_id, person_id, "timeout")
            await self.tell_ends()
            await asyncio.sleep(SWEEP_S)

    async def _tell(self, fact: SessionStarted | SessionEnded) -> None:
        await self._commands.tell(fact, subject=fact.person_id, actor=f"patient:{fact.person_id}")
