"""Who is logged in, until when, and that the services hear of it.

The browser holds a signed cookie with who it is; this process remembers when each session was last used, and says
on `portal.sessions.v1` that it started and ended. A browser stays with one process of the portal (sticky
sessions); after a restart a session goes on with its next click.
"""

import asyncio
import time
from typing import Final, Literal

import structlog

from portal.commands import Commands, MaybeSentError
from shared.events.portal import SessionEnded, SessionStarted

SWEEP_S: Final = 1.0
ENDED_MAX: Final = 100_000

log = structlog.get_logger(__name__)


class Sessions:
    """Persons' sessions by id."""

    def __init__(self, commands: Commands, idle_s: int) -> None:
        self._commands = commands
        self._idle_s = idle_s
        self._used_at: dict[str, tuple[str, float]] = {}
        self._ended: dict[str, None] = {}

    async def start(self, session_id: str, person_id: str) -> None:
        """Say that a person logged in.

        Raises:
            MaybeSentError: Kafka did not say that it took it, so the login must not go on.
        """
        fact = SessionStarted(session_id=session_id, person_id=person_id)
        await self._commands.tell(fact, subject=person_id, actor=f"patient:{person_id}")
        self.used(session_id, person_id)

    def used(self, session_id: str, person_id: str) -> bool:
        """Note a click; return whether the session is still good."""
        if session_id in self._ended:
            return False
        self._used_at[session_id] = (person_id, time.monotonic())
        return True

    async def end(self, session_id: str, person_id: str, reason: Literal["logout", "timeout"]) -> None:
        """End a session and say so; once, whoever kept its cookie.

        Raises:
            MaybeSentError: Kafka did not say that it took it; the session can be ended again.
        """
        if session_id in self._ended:
            return
        fact = SessionEnded(session_id=session_id, person_id=person_id, reason=reason)
        await self._commands.tell(fact, subject=person_id, actor=f"patient:{person_id}")
        self._used_at.pop(session_id, None)
        self._ended[session_id] = None
        if len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]

    async def run(self) -> None:
        """End the sessions that nobody uses any more, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            before = time.monotonic() - self._idle_s
            over = [(session_id, who) for session_id, (who, at) in self._used_at.items() if at < before]
            for session_id, person_id in over:
                try:
                    await self.end(session_id, person_id, "timeout")
                except MaybeSentError:
                    log.warning("a session's end could not be told; trying again")
