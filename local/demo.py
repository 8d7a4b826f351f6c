"""The demo: a payment all the way, told step by step, by a client that knows only the contract.

It publishes what a gateway publishes, waits for outcomes by the commands' ids, and asks the ledger and the
processor what really happened.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

Json = dict[str, Any]

_DEADLINE_S = 30
_LINES = (
    "select unnest(accounts) as account, unnest(amounts) as amount from posting where account_number = any($1)"
)
_COMMANDS, _EVENTS, _DEAD = "payments.commands.v1", "payments.events.v1", "payments.dead-letters.v1"


class Gateway:
    """A client of the contract: publishes commands, hears events, calls the HTTP API."""

    def __init__(self, endpoints: Json, http: aiohttp.ClientSession) -> None:
        self.endpoints = endpoints
        self.http = http
        self.heard: list[Json] = []
        self.dead: list[Json] = []
        self.sent = 0
        self._changed = asyncio.Condition()
        self._producer = AIOKafkaProducer(
            bootstrap_servers=endpoints["kafka"], acks="all", enable_idempotence=True
        )
        self._consumer = AIOKafkaConsumer(_EVENTS, _DEAD, bootstrap_servers=endpoints["kafka"])

    async def start(self) -> None:
        """Connect, and hear what is said from now on."""
        await self._producer.start()
        await self._consumer.start()
        await self._consumer.seek_to_end()

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()
        await self._producer.stop()

    async def hear(self) -> None:
        """Collect what is said until cancelled."""
        async for record in self._consumer:
            async with self._changed:
                (self.dead if record.topic == _DEAD else self.heard).append(json.loads(record.value or b"{}"))
                self._changed.notify_all()

    async def publish(self, key: str, value: bytes) -> None:
        """Put bytes on the topic of commands."""
        self.sent += 1
        await self._producer.send_and_wait(_COMMANDS, value, key=key.encode())

    async def pay(self, account: Json, amount_minor: int, token: str, **changes: Any) -> Json:
        """Submit a payment as the account's guarantor; return the message."""
        data = {
            "payment_id": f"pay-{uuid.uuid4()}",  # noqa: TID251  # a gateway invents the ids of its commands
            "account_number": account["account_number"],
            "amount_minor": amount_minor,
            "currency": account["currency"],
            "method": {"kind": "card", "token": token, "last4": "4242", "brand": "visa"},
        }
        message = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),  # noqa: TID251  # as above
            "source": "gateway:demo",
            "type": "payments.submit-payment.v1",
            "time": datetime.now(UTC).isoformat(),  # noqa: TID251  # the gateway's own clock
            "subject": account["account_number"],
            "actor": f"patient:{account['guarantor_person_id']}",
            "data": data,
            **changes,
        }
        await self.publish(message["subject"], json.dumps(message).encode())
        return message

    async def event(self, kind: str, **wanted: Any) -> Json:
        """Wait for an event of a type with these attributes or data."""

        def found() -> list[Json]:
            return [
                event
                for event in self.heard
                if event["type"] == kind
                and all((event["data"] | event).get(name) == value for name, value in wanted.items())
            ]

        async with asyncio.timeout(_DEADLINE_S), self._changed:
            await self._changed.wait_for(found)
            return found()[0]

    async def outcome(self, command: Json) -> Json:
        """Wait for the one event that ends a command."""
        async with asyncio.timeout(_DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: self.outcomes(command))
            return self.outcomes(command)[0]

    def outcomes(self, command: Json) -> list[Json]:
        """Return the events that ended a command; there must never be two."""
        return [event for event in self.heard if event.get("causationid") == command["id"] and "outcome" in event]

    async def letter(self) -> Json:
        """Wait for a dead letter."""
        async with asyncio.timeout(_DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: self.dead)
            return self.dead[-1]

    async def get(self, service: str, path: str, **headers: str) -> Any:
        """Ask over HTTP."""
        async with self.http.get(f"{self.endpoints[service]}{path}", headers=headers) as response:
            response.raise_for_status()
            return await response.json()

    async def post(self, service: str, path: str, body: Json | None = None) -> Any:
        """Tell over HTTP."""
        async with self.http.post(f"{self.endpoints[service]}{path}", json=body) as response:
            response.raise_for_status()
            return await response.json()

    async def charges(self, account: Json) -> list[Json]:
        """Return what the processor really charged to an account."""
        found: list[Json] = await self.get(
            "sandbox", f"/processor/charges?account_number={account['account_number']}"
        )
        return found


class Story:
    """Prints what happens, and remembers what was not as it should be."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def begins(self, title: str) -> None:
        """Print a title."""
        print(f"\n{title}", flush=True)

    def step(self, what: str, came: str, *, proves: bool = True) -> None:
        """Print a step and what came of it."""
        print(f"  {'✓' if proves else '✗'} {what:<58} {came}", flush=True)
        if not proves:
            self.faults.append(what)


async def play(endpoints: Json) -> bool:
    """Play all stories where `endpoints` says; return whether each ended as it should."""
    story = Story()
    async with _gateway(endpoints) as gateway:
        seed = uuid.uuid4().int % 10**4  # noqa: TID251  # accounts of their own for each time
        told = await gateway.post("sandbox", f"/host/scenarios/hospital?accounts=8&seed={seed}")
        accounts = [account for account in told["accounts"] if account["balance_minor"] > 0]
        try:
            await _charges_posted(gateway, story, told, accounts[0])
            await _pay_and_click_twice(gateway, story, accounts[0])
            await _unknown_then_found(gateway, story, accounts[1])
            await _refusals(gateway, story, accounts[2])
            await _poison(gateway, story, accounts[2])
        except TimeoutError:
            story.step("an answer within half a minute", "none came", proves=False)
        await _sum_up(gateway, story, told["accounts"])
    return not story.faults


@asynccontextmanager
async def _gateway(endpoints: Json) -> AsyncIterator[Gateway]:
    async with aiohttp.ClientSession() as http:
        gateway = Gateway(endpoints, http)
        await gateway.start()
        hearing = asyncio.create_task(gateway.hear())
        try:
            yield gateway
        finally:
            hearing.cancel()
            await gateway.stop()


async def _headers(gateway: Gateway, person_id: str) -> dict[str, str]:
    token = await gateway.post("sandbox", "/identity/token", {"sub": "gateway:demo", "roles": ["gateway"]})
    return {"authorization": f"Bearer {token['access_token']}", "on-behalf-of": person_id}


async def _balance(gateway: Gateway, account: Json) -> int:
    headers = await _headers(gateway, account["guarantor_person_id"])
    summary = await gateway.get("payments", "/v1/billing-summary", **headers)
    (found,) = (one for one in summary["accounts"] if one["account_number"] == account["account_number"])
    return int(found["balance_minor"])


async def _charges_posted(gateway: Gateway, story: Story, told: Json, account: Json) -> None:
    story.begins("The billing host posts charges")
    story.step("published on host.billing.v1", f"{told['messages']} facts, {len(told['accounts'])} accounts")
    owed = account["balance_minor"]
    event = await gateway.event(
        "payments.balance-changed.v1", account_number=account["account_number"], balance_minor=owed
    )
    story.step(
        "payments says on payments.events.v1",
        f"balance-changed, {money(owed)}, version {event['data']['version']}",
    )
    shown = await _balance(gateway, account)
    story.step("GET /v1/billing-summary shows the guarantor", money(shown), proves=shown == owed)


async def _pay_and_click_twice(gateway: Gateway, story: Story, account: Json) -> None:
    story.begins("The guarantor pays by card, and clicks twice")
    amount = account["balance_minor"] // 2
    command = await gateway.pay(account, amount, "tok_ok")
    story.step("gateway publishes payments.submit-payment.v1", f"{money(amount)}, key {command['subject']}")
    accepted = await gateway.outcome(command)
    story.step("one outcome names the command", f"{accepted['type'].split('.')[1]} ({accepted['outcome']})")
    again = await gateway.pay(account, amount, "tok_ok", data=command["data"])
    await gateway.publish(command["subject"], json.dumps(command).encode())
    twice = await gateway.outcome(again)
    same = twice["outcome"] == "done" and twice["data"]["payment_id"] == command["data"]["payment_id"]
    story.step(
        "the second click, a new message with the same payment_id", "done again: the same payment", proves=same
    )
    done = await gateway.event("payments.payment-succeeded.v1", payment_id=command["data"]["payment_id"])
    story.step(
        "the processor answered; payments says", f"payment-succeeded, {money(done['data']['amount_minor'])}"
    )
    left = account["balance_minor"] - amount
    await gateway.event(
        "payments.balance-changed.v1", account_number=account["account_number"], balance_minor=left
    )
    shown = await _balance(gateway, account)
    story.step("GET /v1/billing-summary now shows", money(shown), proves=shown == left)
    charges = await gateway.charges(account)
    truth = [charge["amount_minor"] for charge in charges] == [amount]
    story.step("the processor's truth", f"{len(charges)} charge of {money(amount)}", proves=truth)
    story.step(
        "outcomes of the first command",
        str(len(gateway.outcomes(command))),
        proves=len(gateway.outcomes(command)) == 1,
    )


async def _unknown_then_found(gateway: Gateway, story: Story, account: Json) -> None:
    story.begins("The processor charges and never answers")
    amount = account["balance_minor"]
    command = await gateway.pay(account, amount, "tok_timeout_done")
    payment_id = command["data"]["payment_id"]
    await gateway.event("payments.payment-unknown.v1", payment_id=payment_id)
    story.step("nobody can know, and payments says so", "payment-unknown")
    second = await gateway.pay(account, amount, "tok_ok")
    refused = await gateway.outcome(second)
    reason = refused["data"].get("reason")
    story.step("paying again meanwhile is refused", str(reason), proves=reason == "payment_in_progress")
    await gateway.post("sandbox", "/clock", {"advance_s": 15})
    await gateway.event("payments.payment-succeeded.v1", payment_id=payment_id)
    charges = await gateway.charges(account)
    story.step("15 s later it asks by key, and finds the charge", "payment-succeeded")
    story.step("the processor's truth", f"{len(charges)} charge of {money(amount)}", proves=len(charges) == 1)


async def _refusals(gateway: Gateway, story: Story, account: Json) -> None:
    story.begins("What is refused, each with its reason")
    owed = account["balance_minor"]
    wrong = {"actor": "patient:somebody-else"}
    for what, amount, token, reason, changes in (
        ("more than is owed", owed + 1, "tok_ok", "amount_exceeds_balance", {}),
        ("nothing", 0, "tok_ok", "amount_not_positive", {}),
        ("somebody else's bill", owed, "tok_ok", "not_found", wrong),
        ("a card number where a token belongs", owed, "4242 4242 4242 4242", "card_number_refused", {}),
    ):
        refused = await gateway.outcome(await gateway.pay(account, amount, token, **changes))
        came = refused["data"].get("reason", refused["type"])
        story.step(what, came, proves=came == reason)
    declined = await gateway.pay(account, owed, "tok_declined")
    failed = await gateway.event("payments.payment-failed.v1", payment_id=declined["data"]["payment_id"])
    story.step("the bank says no: accepted, then", f"payment-failed ({failed['data']['reason']})")


async def _poison(gateway: Gateway, story: Story, account: Json) -> None:
    story.begins("Bytes that are no message")
    await gateway.publish(account["account_number"], b"\xff not a message")
    letter = await gateway.letter()
    place = f"{letter['topic']}, partition {letter['partition']}, offset {letter['offset']}"
    story.step("kept whole as a dead letter", f"{letter['reason']}: {place}")
    command = await gateway.pay(account, account["balance_minor"], "tok_ok")
    done = await gateway.outcome(command)
    story.step("the message behind it is done", done["type"].split(".")[1], proves=done["outcome"] == "done")
    await gateway.event("payments.payment-succeeded.v1", payment_id=command["data"]["payment_id"])


async def _sum_up(gateway: Gateway, story: Story, accounts: list[Json]) -> None:
    story.begins("In the end")
    charged = sum([sum(charge["amount_minor"] for charge in await gateway.charges(one)) for one in accounts])
    numbers = [account["account_number"] for account in accounts]
    connection = await asyncpg.connect(gateway.endpoints["databases"]["payments"])
    lines = await connection.fetch(_LINES, numbers)
    await connection.close()
    clearing = sum(int(line["amount"]) for line in lines if line["account"] == "processor:clearing")
    total = sum(int(line["amount"]) for line in lines)
    ended = {event["causationid"] for event in gateway.heard if "outcome" in event}
    refused = [event for event in gateway.heard if event.get("outcome") == "refused"]
    story.step(
        "charged at the processor, and in the ledger",
        f"{money(charged)}, {money(clearing)}",
        proves=charged == clearing,
    )
    story.step("all lines of the ledger sum to", money(total), proves=total == 0)
    # The first click was published twice as the same message: one outcome for both.
    ends = f"{len(ended)} outcomes ({len(refused)} refused) + 1 repeat + {len(gateway.dead)} dead"
    balanced = gateway.sent == len(ended) + 1 + len(gateway.dead)
    story.step("every record came to one end", f"{gateway.sent} records = {ends}", proves=balanced)


def money(amount_minor: int) -> str:
    """Return an amount as people read it."""
    return f"{amount_minor / 100:,.2f} USD"
