"""Payments from the topic to the processor and back, on real Kafka and PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic import AnyHttpUrl, SecretStr

from local.infrastructure import Endpoints
from services.payments.app import APPLICATION, Settings, handlers
from shared.clock import Clock
from shared.database import Pool, connect
from shared.events.envelope import Data, Message, write
from shared.events.topics import HOST_BILLING, PAYMENTS_COMMANDS, PAYMENTS_EVENTS, SERVICES
from shared.messaging import topics
from shared.messaging.run import Messaging
from shared.migrations import upgrade
from shared.settings import KafkaSettings
from tests.flow.kit import eventually, move
from tests.flow.payments_batches import about, numbers
from tests.unit.payments.story import charge, opened, submit, visit
from tests.unit.sandbox.world import SECRET, World, served

Json = dict[str, Any]

TIMEOUT_S = 1.0


class Portal:
    """A gateway and a billing host: what they publish, and what payments tells them."""

    def __init__(self, world: World, pool: Pool, clock: Clock, kafka: str) -> None:
        self.world = world
        self.pool = pool
        self._clock = clock
        self._producer = AIOKafkaProducer(bootstrap_servers=kafka)
        self._consumer = AIOKafkaConsumer(
            PAYMENTS_EVENTS.name,
            SERVICES["payments"].dead_letters.name,
            bootstrap_servers=kafka,
            auto_offset_reset="earliest",
        )
        self.heard: list[Json] = []

    async def run(self) -> None:
        """Hear what payments says, until cancelled."""
        async for record in self._consumer:
            assert record.value is not None
            self.heard.append(json.loads(record.value))

    async def start(self, stack: AsyncExitStack) -> None:
        for client in (self._producer, self._consumer):
            await client.start()
            stack.push_async_callback(client.stop)

    async def publish(self, topic: str, number: str, *values: bytes) -> None:
        for value in values:
            await self._producer.send(topic, value, key=number.encode())
        await self._producer.flush()

    async def account(self, owed_minor: int) -> str:
        """Return an account that owes so much, once payments has said so."""
        number = next(numbers)
        facts = about(number, opened(), visit(), charge(owed_minor))
        await self.publish(HOST_BILLING.name, number, *map(write, facts))
        await self.said(number, "payments.balance-changed.v1")
        return number

    async def command(self, number: str, data: Data, repeats: int = 0) -> Message[Data]:
        """Publish a command about an account."""
        (message,) = about(number, data)
        await self.publish(PAYMENTS_COMMANDS.name, number, *[write(message)] * (1 + repeats))
        return message

    async def said(self, number: str, kind: str) -> Json:
        """Return the newest event of a kind about an account, once there is one."""

        def found() -> Json | None:
            of_account = (event for event in reversed(self.heard) if event.get("subject") == number)
            return next((event for event in of_account if event["type"] == kind), None)

        event: Json = await eventually(found, f"{kind} about {number}")
        return event

    async def outcome(self, command: Message[Data]) -> Json:
        """Return how a command ended."""

        def found() -> Json | None:
            return next((event for event in self.heard if event.get("causationid") == command.id), None)

        event: Json = await eventually(found, f"the outcome of {command.id}")
        return event

    def kinds(self, number: str) -> list[str]:
        """Return the kinds of all events about an account, as they came."""
        kinds = (event["type"] for event in self.heard if event.get("subject") == number)
        return [kind.removeprefix("payments.").removesuffix(".v1") for kind in kinds]

    async def advance(self, ahead: timedelta) -> None:
        """Move the world's clock and the service's ahead."""
        await self.world.advance(ahead.total_seconds())
        move(self._clock, ahead)


@pytest.fixture(scope="module", name="portal")
async def running_payments(
    infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Portal]:
    """A process of payments, beside the sandbox's processor."""
    folder: Path = tmp_path_factory.mktemp("sandbox")
    url = infrastructure.databases["payments"]
    kafka = KafkaSettings(bootstrap_servers=infrastructure.kafka)
    service = SERVICES["payments"]
    await upgrade(url, APPLICATION.revisions)
    every = [*(heard.topic for heard in service.reads), service.events, service.dead_letters]
    await topics.create(kafka.connection(), every)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(served(folder))
        async with world.client.get("/") as answer:
            processor_url = AnyHttpUrl(str(answer.url.with_path("/processor")))
        settings = Settings(
            database_url=SecretStr(url),
            processor_url=processor_url,
            processor_secret=SecretStr(SECRET),
            processor_timeout_s=TIMEOUT_S,
        )
        pool = await connect(url)
        stack.push_async_callback(pool.close)
        clock = Clock()
        messaging = Messaging(await handlers(settings, clock, stack), kafka, url, clock, pool)
        portal = Portal(world, pool, clock, infrastructure.kafka)
        await portal.start(stack)
        running = [asyncio.create_task(messaging.run()), asyncio.create_task(portal.run())]
        yield portal
        for task in running:
            task.cancel()
        await asyncio.wait(running)


async def test_a_payment_is_accepted_charged_once_and_lowers_the_balance(portal: Portal) -> None:
    number = await portal.account(15_000)

    command = await portal.command(number, submit(10_000, f"{number}-pay"), repeats=2)

    accepted = await portal.outcome(command)
    assert (accepted["type"], accepted["outcome"]) == ("payments.payment-accepted.v1", "done")
    succeeded = await portal.said(number, "payments.payment-succeeded.v1")
    assert succeeded["correlationid"] == command.id
    assert "outcome" not in succeeded
    await eventually(lambda: len(portal.kinds(number)) == 4, "the last event")
    assert portal.kinds(number) == [
        "balance-changed",
        "payment-accepted",
        "payment-succeeded",
        "balance-changed",
    ]
    balance = await portal.said(number, "payments.balance-changed.v1")
    assert (balance["data"]["balance_minor"], balance["data"]["version"]) == (5_000, 2)
    (charged,) = await portal.world.happened(number)
    assert (charged["payment_id"], charged["amount_minor"]) == (f"{number}-pay", 10_000)


async def test_the_same_payment_in_another_message_is_charged_once(portal: Portal) -> None:
    number = await portal.account(15_000)
    first = await portal.command(number, submit(10_000, f"{number}-pay"))
    await portal.said(number, "payments.payment-succeeded.v1")

    again = await portal.command(number, submit(10_000, f"{number}-pay"))
    other = await portal.command(number, submit(9_000, f"{number}-pay"))

    assert (await portal.outcome(first))["data"] == (await portal.outcome(again))["data"]
    assert (await portal.outcome(other))["data"]["reason"] == "idempotency_conflict"
    assert len(await portal.world.happened(number)) == 1


async def test_a_decline_fails_the_payment_and_leaves_the_balance(portal: Portal) -> None:
    number = await portal.account(15_000)
    method = submit().method.model_copy(update={"token": "tok_declined"})

    await portal.command(number, submit(10_000, f"{number}-pay", method=method))

    failed = await portal.said(number, "payments.payment-failed.v1")
    assert failed["data"]["reason"] == "card_declined"
    assert portal.kinds(number) == ["balance-changed", "payment-accepted", "payment-failed"]


@pytest.mark.parametrize("does", ["tok_timeout_done", "tok_500_done"])
async def test_a_charge_without_an_answer_is_unknown_until_the_processor_is_asked(
    portal: Portal, does: str
) -> None:
    number = await portal.account(15_000)
    method = submit().method.model_copy(update={"token": does})

    await portal.command(number, submit(10_000, f"{number}-pay", method=method))
    await portal.said(number, "payments.payment-unknown.v1")
    second = await portal.command(number, submit(10_000, f"{number}-second"))
    assert (await portal.outcome(second))["data"]["reason"] == "payment_in_progress"
    await portal.advance(timedelta(seconds=10))

    await portal.said(number, "payments.payment-succeeded.v1")
    assert len(await portal.world.happened(number)) == 1


async def test_a_charge_that_got_lost_fails_once_its_key_is_forgotten(portal: Portal) -> None:
    number = await portal.account(15_000)
    method = submit().method.model_copy(update={"token": "tok_timeout_lost"})
    await portal.command(number, submit(10_000, f"{number}-pay", method=method))
    await portal.said(number, "payments.payment-unknown.v1")

    await portal.advance(timedelta(hours=25))

    failed = await portal.said(number, "payments.payment-failed.v1")
    assert failed["data"]["reason"] == "not_received"
    assert await portal.world.happened(number) == []


async def test_card_digits_are_refused_and_appear_nowhere(portal: Portal) -> None:
    card = "4111 1111 1111 1111"
    number = await portal.account(15_000)
    (message,) = about(number, submit(10_000, f"{number}-pay"))
    told = json.loads(write(message))
    told["data"]["note"] = f"my card is {card}"
    broken = json.dumps(told).encode()[:-1]
    await portal.publish(PAYMENTS_COMMANDS.name, number, json.dumps(told).encode(), broken)

    refused = await portal.said(number, "payments.command-refused.v1")
    dead = await eventually(
        lambda: [one for one in portal.heard if one.get("reason") == "card_number_refused"], "a dead letter"
    )

    assert (refused["data"]["reason"], refused["causationid"]) == ("card_number_refused", message.id)
    assert [letter["value_base64"] for letter in dead] == [None]
    assert card not in json.dumps(portal.heard)
    tables = await portal.pool.fetch("select tablename from pg_tables where schemaname = 'public'")
    for (name,) in tables:
        rows = await portal.pool.fetch(f'select t::text from "{name}" t')
        assert not any(card in row[0] or card.encode().hex() in row[0] for row in rows)
