"""The made-up world that the stories are set in: a hospital of their own, its people, and all they talk to."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp

from local.demo.pages import Browser, browser
from local.demo.story import Disappointment
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

    def __init__(self, endpoints: Json, http: aiohttp.ClientSession, wire: Wire) -> None:
        self.endpoints = endpoints
        self.wire = wire
        self.told: Json = {}
        self._http = http
        self._households: list[Household] = []
        self._tokens: dict[str, str] = {}

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

    def browser(self) -> AbstractAsyncContextManager[Browser]:
        """Give somebody a browser."""
        return browser(self.endpoints["portal"])

    @asynccontextmanager
    async def logged_in(self, username: str) -> AsyncIterator[Browser]:
        """Give somebody a browser, and log them in."""
        async with self.browser() as own:
            await own.log_in(username)
            yield own

    async def sandbox(self, method: str, path: str, body: Json | None = None) -> Any:
        """Ask the outside world, or tell it something."""
        return await self._call(method, self.endpoints["sandbox"] + path, {}, json=body)

    async def person(self, person_id: str, method: str, service: str, path: str, **options: Any) -> Any:
        """Call a service as a gateway does on a person's behalf."""
        headers = await self._bearer("gateway:demo", "gateway") | {"on-behalf-of": person_id}
        return await self._call(method, self.endpoints[service] + path, headers, **options)

    async def gateway(self, method: str, service: str, path: str, **options: Any) -> Any:
        """Call a service as a gateway does for a guest."""
        headers = await self._bearer("gateway:demo", "gateway")
        return await self._call(method, self.endpoints[service] + path, headers, **options)

    async def staff(self, who: str, role: str, method: str, service: str, path: str, **options: Any) -> Any:
        """Call a service as a member of staff does."""
        headers = await self._bearer(f"staff:{who}", role) | options.pop("headers", {})
        return await self._call(method, self.endpoints[service] + path, headers, **options)

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

    async def balance(self, household: Household) -> int:
        """Return what the guarantor is told to owe, in minor units."""
        summary = await self.person(household.person_id, "GET", "payments", "/v1/billing-summary")
        for account in summary["accounts"]:
            if account["account_number"] == household.number:
                return int(account["balance_minor"])
        raise Disappointment(f"{household.number} is not in the billing summary")

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

    async def _bearer(self, subject: str, role: str) -> dict[str, str]:
        if subject not in self._tokens:
            told = await self.sandbox("POST", "/identity/token", {"sub": subject, "roles": [role]})
            self._tokens[subject] = told["access_token"]
        return {"authorization": f"Bearer {self._tokens[subject]}"}

    async def _call(self, method: str, url: str, headers: dict[str, str], **options: Any) -> Any:
        """Return the body; a refusal's problem document has its `status`."""
        async with self._http.request(method, url, headers=headers, **options) as response:
            if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise Disappointment(f"{method} {response.url.path} is answered with {response.status}")
            if "json" in response.content_type:
                return await response.json()
            return await response.read()
