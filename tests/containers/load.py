"""Many guarantors pay at once; what became of each is counted on Kafka and at the processor."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from local.demo.wire import Json, Wire

ACCOUNTS = 60
AMOUNT_MINOR = 100

_DEADLINE_S = 240
_POLL_S = 0.1


@dataclass
class Load:
    """What was asked and heard so far."""

    sandbox: str
    wire: Wire
    http: aiohttp.ClientSession
    accounts: list[Json] = field(default_factory=list)
    asked: list[Json] = field(default_factory=list)

    async def open_accounts(self) -> None:
        """Have the host tell of accounts, and wait until payments knows them all."""
        path = f"/host/scenarios/hospital?accounts={ACCOUNTS}&seed=4711"
        async with self.http.post(self.sandbox + path) as answer:
            answer.raise_for_status()
            self.accounts = (await answer.json())["accounts"]
        wanted = {account["account_number"] for account in self.accounts}

        async def known() -> bool:
            events = (event for event in self.wire.events if event["type"] == "payments.balance-changed.v1")
            return wanted <= {event["data"]["account_number"] for event in events}

        await self.until("every account is known", known)

    async def pay(self, turn: int) -> None:
        """Ask for one payment on each account."""
        for account in self.accounts:
            number = account["account_number"]
            data = {
                "payment_id": f"load-{number}-{turn}",
                "account_number": number,
                "amount_minor": AMOUNT_MINOR,
                "currency": account["currency"],
                "method": {"kind": "card", "token": "tok_ok", "last4": "4242"},
            }
            actor = f"patient:{account['guarantor_person_id']}"
            self.asked.append(await self.wire.ask("payments.submit-payment.v1", number, actor, data))

    async def all_have_outcomes(self) -> None:
        """Wait until every command has one."""

        async def answered() -> bool:
            return {command["id"] for command in self.asked} <= set(self.outcomes())

        await self.until("every command has its outcome", answered)

    def outcomes(self) -> dict[str, set[str]]:
        """Return by command the ids of the events that ended it; an event that was sent again counts once."""
        found: dict[str, set[str]] = {}
        for event in self.wire.events:
            if "outcome" in event:
                found.setdefault(event["causationid"], set()).add(event["id"])
        return found

    def accepted(self) -> set[str]:
        """Return the payments that were accepted."""
        return self._payments("payments.payment-accepted.v1")

    def succeeded(self) -> set[str]:
        """Return the payments that succeeded."""
        return self._payments("payments.payment-succeeded.v1")

    def _payments(self, kind: str) -> set[str]:
        events = (event for event in self.wire.events if event["type"] == kind)
        return {event["data"]["payment_id"] for event in events if event["data"]["payment_id"].startswith("load-")}

    async def charged(self) -> Counter[str]:
        """Return how often each payment was charged, by the processor's own word."""
        found: Counter[str] = Counter()
        for account in self.accounts:
            path = f"/processor/charges?account_number={account['account_number']}"
            async with self.http.get(self.sandbox + path) as answer:
                found.update(charge["payment_id"] for charge in await answer.json())
        return found

    async def until(self, what: str, holds: Callable[[], Awaitable[Any]]) -> None:
        """Look until something holds; fail with what it is when it does not in time."""
        deadline = asyncio.get_running_loop().time() + _DEADLINE_S
        while not await holds():
            assert asyncio.get_running_loop().time() < deadline, f"not within {_DEADLINE_S} s: {what}"
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def load(kafka: str, sandbox: str) -> AsyncIterator[Load]:
    """Hear all that is said, inside of the context."""
    wire = Wire(kafka)
    await wire.start()
    hearing = asyncio.create_task(wire.hear())
    try:
        async with aiohttp.ClientSession() as http:
            yield Load(sandbox, wire, http)
    finally:
        hearing.cancel()
        await wire.stop()
