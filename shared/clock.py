"""The time, as the business sees it: the system's clock, and ahead of it where a made-up world runs faster.

In production it is the system's clock and nothing else. Locally and in tests, `follow` keeps it as far ahead
as the clock it is told to follow, so that what is due in days can be seen at once.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import structlog

POLL_S = 0.2
ANSWER_TIMEOUT_S = 2.0

log = structlog.get_logger(__name__)


class Clock:
    """Tells the time; `offset_s` is how many seconds it is ahead of the system's clock, and never shrinks."""

    def __init__(self) -> None:
        self.offset_s = 0.0
        self._when_moved: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """Return the present time, in UTC."""
        system = datetime.now(UTC)  # noqa: TID251  # the one place that asks the system; all others ask here
        return system + timedelta(seconds=self.offset_s)

    def when_moved(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever the clock leaps ahead, to wake whoever sleeps until a time."""
        self._when_moved.append(callback)

    def move_to(self, offset_s: float) -> None:
        """Be `offset_s` seconds ahead of the system's clock; going back is not done."""
        if offset_s > self.offset_s:
            self.offset_s = offset_s
            for callback in self._when_moved:
                callback()

    async def catch_up(self, url: str) -> None:
        """Move to where the clock at `url` is: `GET` gives `{"now", "offset_s"}`.

        A service does so before it starts to work, or what it wrote before a restart would lie ahead of it.

        Raises:
            aiohttp.ClientError: there was no answer, or not a good one.
            TimeoutError: the answer took too long.
            ValueError: the answer holds no offset.
        """
        async with _session() as session:
            await self._read(session, url)

    async def follow(self, url: str) -> None:
        """Keep up with the clock at `url` until cancelled; while it does not answer, the offset stays."""
        answered = True
        async with _session() as session:
            while True:
                try:
                    await self._read(session, url)
                    answered = True
                except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                    if answered:
                        log.warning("the clock to follow does not answer", error_type=type(error).__name__)
                    answered = False
                await asyncio.sleep(POLL_S)

    async def _read(self, session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as response:
            told = await response.json()
        match told:
            case {"offset_s": int() | float() as offset_s}:
                self.move_to(offset_s)
            case _:
                raise ValueError("the clock to follow tells no offset_s")


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S), raise_for_status=True)
