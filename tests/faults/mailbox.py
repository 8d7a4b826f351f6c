"""People who read their codes, bring them back, and then hear of their statements."""

import asyncio
import itertools
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from urllib.parse import quote

from tests.faults.group import POLL_S
from tests.faults.intents.making import Intent
from tests.faults.intents.notifications import Contact, NotificationsPart
from tests.faults.system import StuckError, System

_CODE: Final = re.compile(r"\b\d{6}\b")
_BEHAVIOURS: Final = {
    "email": ("bounce", "refuse", "delay", "complain", "double-receipt"),
    "text": ("bounce", "refuse", "delay", "double-receipt"),
}
"""Every third address gives trouble, from the time on when its owner is enrolled."""

_LOOKS_MAX: Final = 5
_ENROLLED: Final = "select account_number from enrolment where ended_at is null"


class Mailbox:
    """Looks for codes in what the sandbox received, and publishes what those do who got them."""

    def __init__(
        self, system: System, people: NotificationsPart, publish: Callable[[Iterable[Intent]], Awaitable[None]]
    ) -> None:
        self._system = system
        self._people = people
        self._publish = publish
        self._enrolling: list[Contact] = []
        self._troubles = {
            channel: itertools.cycle([one for behaviour in behaviours for one in (None, None, behaviour)])
            for channel, behaviours in _BEHAVIOURS.items()
        }

    async def run(self) -> None:
        """Read codes until cancelled."""
        while True:
            await self.read()
            await asyncio.sleep(POLL_S)

    async def read(self) -> None:
        """Look once, at what some of them wait for."""
        for _ in range(min(len(self._people.waiting), _LOOKS_MAX)):
            contact = self._people.waiting.popleft()
            code = await self._code(contact)
            if code is None:
                self._people.waiting.append(contact)
            else:
                await self._publish(self._people.confirm(contact, code))
                self._enrolling.append(contact)
        if self._enrolling:
            await self._hear_of_enrolments()

    async def all_read(self, within_s: float) -> None:
        """Wait until nobody waits for anything.

        Raises:
            StuckError: somebody still does then.
        """
        until = time.monotonic() + within_s
        while self._people.waiting or self._enrolling:
            if time.monotonic() > until:
                waiting = f"{len(self._people.waiting)} have no code, {len(self._enrolling)} are not enrolled"
                raise StuckError(f"after {within_s:.0f} s {waiting}")
            await self.read()
            await asyncio.sleep(POLL_S)

    async def _code(self, contact: Contact) -> str | None:
        channel = {"email": "mail", "text": "sms"}[contact.channel]
        arrived: list[dict[str, Any]] = await self._system.sandbox_says(
            f"/{channel}/messages?to={quote(contact.address)}"
        )
        codes = [found[0] for one in arrived if (found := _CODE.search(one["text"]))]
        return codes[-1] if codes else None

    async def _hear_of_enrolments(self) -> None:
        rows = await self._system.groups["notifications"].rows(_ENROLLED)
        enrolled = {row["account_number"] for row in rows}
        for contact in [one for one in self._enrolling if one.number in enrolled]:
            await self._trouble(contact)
            self._enrolling.remove(contact)
            self._people.enrolled(contact)

    async def _trouble(self, contact: Contact) -> None:
        """Let an address behave as addresses do; before that, its owner would not have got the code."""
        behaviour = next(self._troubles[contact.channel])
        if behaviour is not None:
            channel = {"email": "mail", "text": "sms"}[contact.channel]
            told = {"address": contact.address, "behaviour": behaviour}
            await self._system.sandbox_says(f"/{channel}/behaviour", told)
