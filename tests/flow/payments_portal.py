"""A running process of payments beside the sandbox's processor, and what a gateway and a host do with it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from local.infrastructure import Endpoints
from sandbox.webhooks import sign
from services.payments.app import APPLICATION, handlers
from shared.clock import Clock
from shared.database import Pool, connect
from shared.events.envelope import Data, Message, write
from shared.events.topics import HOST_BILLING, PAYMENTS_COMMANDS, PAYMENTS_EVENTS, SERVICES
from shared.messaging import topics
from shared.messaging.run import Messaging
from shared.migrations import upgrade
from shared.settings import KafkaSettings
from tests.flow.kit import eventually, move
from tests.flow.payments_api import Api, serve, settings_of
from tests.flow.payments_batches import about, numbers
from tests.unit.payments.story import GUARANTOR, charge, opened, visit
from tests.unit.sandbox.world import SECRET, World, served

Json = dict[str, Any]


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
        self.api: Api

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

    async def command(
        self, number: str, data: Data, repeats: int = 0, actor: str = GUARANTOR, **envelope: str
    ) -> Message[Data]:
        """Publish a command about an account."""
        (message,) = about(number, data)
        message = message.model_copy(update={"actor": actor, **envelope})
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

    async def said_of(self, number: str, kind: str, /, **content: object) -> Json:
        """Return the event of a kind about an account that says this, once there is one."""

        def found() -> Json | None:
            of_kind = (one for one in self.heard if (one.get("subject"), one.get("type")) == (number, kind))
            return next((one for one in of_kind if content.items() <= one["data"].items()), None)

        event: Json = await eventually(found, f"{kind} about {number} with {content}")
        return event

    async def webhook(self, kind: str, payment_id: str, copies: int = 1) -> Json:
        """Pass the processor's next event of a kind about a payment on to payments, signed by the clock."""
        while True:
            event = await self.world.receiver.event(within_s=30)
            event.pop("answered")
            if (event["type"], event["payment_id"]) != (kind, payment_id):
                continue
            for _ in range(copies):
                assert await self.send_webhook(event) == 204
            return event

    async def send_webhook(self, event: Json, secret: str = SECRET) -> int:
        """Send an event the way the processor does; return the status of the answer."""
        body = json.dumps(event).encode()
        headers = {"Processor-Signature": sign(secret, self._clock.now(), body)}
        async with self.api.client.post("/v1/processor/webhooks", data=body, headers=headers) as answer:
            return answer.status

    async def advance(self, ahead: timedelta) -> None:
        """Move the world's clock and the service's ahead."""
        await self.world.advance(ahead.total_seconds())
        move(self._clock, ahead)


@asynccontextmanager
async def running_payments(infrastructure: Endpoints, folder: Path, timeout_s: float) -> AsyncIterator[Portal]:
    """Run a process of payments with its API beside the sandbox, until the context ends."""
    url = infrastructure.databases["payments"]
    kafka = KafkaSettings(bootstrap_servers=infrastructure.kafka)
    service = SERVICES["payments"]
    await upgrade(url, APPLICATION.revisions)
    every = [*(heard.topic for heard in service.reads), service.events, service.dead_letters]
    await topics.create(kafka.connection(), every)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(served(folder))
        async with world.client.get("/") as answer:
            processor_url = str(answer.url.with_path("/processor"))
        own = settings_of(url, processor_url, processor_timeout_s=timeout_s)
        pool = await connect(url)
        stack.push_async_callback(pool.close)
        clock = Clock()
        messaging = Messaging(await handlers(own, clock, stack), kafka, url, clock, pool)
        portal = Portal(world, pool, clock, infrastructure.kafka)
        await portal.start(stack)
        portal.api = await stack.enter_async_context(serve(own, pool, clock, messaging.handling))
        running = [asyncio.create_task(messaging.run()), asyncio.create_task(portal.run())]
        yield portal
        for task in running:
            task.cancel()
        await asyncio.wait(running)
