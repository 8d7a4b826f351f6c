"""The made-up world that the stories are set in: a hospital of their own, its people, and all they talk to."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import aiohttp

from local.demo.story import Disappointment
from local.demo.visitor import Arrival, Visitor
from local.demo.wire import Json, Wire

T = TypeVar("T")

_HOUSEHOLDS = 16
_DEADLINE_S, _POLL_S = 45, 0.1


@dataclass(frozen=True)
class Household:
    """A guarantor with an account, and the patients that the guarantor acts for: first themself."""

    account: Json
    patients: list[Json]

    @property
    def number(self) -> str:
        """The guarantor account's number."""
        return str(self.account["account_number"])

    @property
    def username(self) -> str:
        """The guarantor's login."""
        return self.number.removeprefix("SBX-").lower()

    @property
    def person_id(self) -> str:
        """The guarantor's person."""
        return str(self.account["guarantor_person_id"])

    @property
    def owed(self) -> int:
        """What the hospital says is owed, in minor units."""
        return int(self.account["balance_minor"])


class World:
    """Where everything is, and what people and programs do there."""

    def __init__(self, endpoints: Json, http: aiohttp.ClientSession, wire: Wire, visitor: Arrival) -> None:
        self.endpoints = endpoints
        self.wire = wire
        self.visitor = visitor
        self.told: Json = {}
        self._http = http
        self._households: list[Household] = []

    async def open_hospital(self) -> None:
        """Have the hosts tell a hospital that nobody has heard of, and the people whom the login page lists."""
        await self.sandbox("POST", "/host/scenarios/small")
        seed = uuid.uuid4().int % 10**4  # noqa: TID251  # people of their own for each time
        path = f"/host/scenarios/hospital?accounts={_HOUSEHOLDS}&seed={seed}"
        self.told = await self.sandbox("POST", path)
        for account in self.told["accounts"]:
            who = account["guarantor_person_id"]
            patients = [one for one in self.told["patients"] if who in (one["person_id"], *one["proxies"])]
            self._households.append(Household(account, patients))

    @property
    def prefix(self) -> str:
        """How the numbers of the hospital's accounts begin."""
        return str(self.told["accounts"][0]["account_number"]).rpartition("-")[0] + "-"

    def household(self, owing: int = 0) -> Household:
        """Return people to whom nothing has happened yet, and who owe at least so much, in minor units."""
        found = next(home for home in reversed(self._households) if home.owed >= owing)
        self._households.remove(found)
        return found

    def first_household(self) -> Household:
        """Return people to whom nothing has happened yet, and whom a statement run bills first."""
        return self._households.pop(0)

    @asynccontextmanager
    async def logged_in(self, username: str) -> AsyncIterator[Visitor]:
        """Somebody at the portal who has logged in."""
        async with self.visitor() as somebody:
            await somebody.log_in(username)
            yield somebody

    async def sandbox(self, method: str, path: str, body: Json | None = None) -> Any:
        """Ask the outside world, or tell it something."""
        async with self._http.request(method, self.endpoints["sandbox"] + path, json=body) as response:
            if not response.ok:
                raise Disappointment(f"{method} {response.url.path} is answered with {response.status}")
            return await response.json()

    async def charges(self, account_number: str) -> list[Json]:
        """Return what the processor really charged to an account."""
        found: list[Json] = await self.sandbox("GET", f"/processor/charges?account_number={account_number}")
        return found

    async def now(self) -> datetime:
        """Return the time of the made-up world."""
        return datetime.fromisoformat((await self.sandbox("GET", "/clock"))["now"])

    async def later(self, by: timedelta) -> datetime:
        """Move the made-up world forward, and return its time."""
        told = await self.sandbox("POST", "/clock", {"advance_s": by.total_seconds()})
        return datetime.fromisoformat(told["now"])

    async def until(self, what: str, look: Callable[[], Awaitable[T | None]]) -> T:
        """Look until there is something, and return it.

        Raises:
            Disappointment: there was nothing in time.
        """
        deadline = asyncio.get_running_loop().time() + _DEADLINE_S
        while (found := await look()) is None:
            if asyncio.get_running_loop().time() > deadline:
                raise Disappointment(f"{what} did not come within {_DEADLINE_S} s")
            await asyncio.sleep(_POLL_S)
        return found
