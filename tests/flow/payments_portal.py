"""A running process of payments beside the sandbox's processor, and what a gateway and a host do with it."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from local.infrastructure import Endpoints
from services.payments.app import APPLICATION
from shared.events.envelope import Data, Message, write
from shared.events.topics import HOST_BILLING, PAYMENTS_COMMANDS
from shared.signatures import sign
from tests.flow.kit import eventually, move
from tests.flow.payments_api import Api, settings_of
from tests.flow.payments_batches import about, numbers
from tests.flow.process import Around, Running, running
from tests.outside.sandbox.world import SECRET, World
from tests.outside.sandbox.world import served as served_sandbox
from tests.unit.payments.story import GUARANTOR, charge, opened, visit
from tests.unit.shared.servers import identity, served

Json = dict[str, Any]


class Portal(Around):
    """A gateway and a billing host: what they publish, and what payments tells them."""

    def __init__(self, running: Running, world: World, api: Api) -> None:
        super().__init__(running)
        self.world = world
        self.api = api

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

    def kinds(self, number: str) -> list[str]:
        """Return the kinds of all events about an account, as they came."""
        kinds = (event["type"] for event in self.heard if event.get("subject") == number)
        return [kind.removeprefix("payments.").removesuffix(".v1") for kind in kinds]

    async def said_of(self, number: str, kind: str, /, **content: object) -> Json:
        """Return the event of a kind about an account that says this, once there is one."""
        return await self.first(
            lambda one: (
                (one.get("subject"), one.get("type")) == (number, kind) and content.items() <= one["data"].items()
            ),
            f"{kind} about {number} with {content}",
        )

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
        headers = {"Processor-Signature": sign(secret, self.clock.now(), body)}
        async with self.api.client.post("/v1/processor/webhooks", data=body, headers=headers) as answer:
            return answer.status

    async def advance(self, ahead: timedelta) -> None:
        """Move the world's clock and the service's ahead."""
        await self.world.advance(ahead.total_seconds())
        move(self.clock, ahead)


@asynccontextmanager
async def running_payments(infrastructure: Endpoints, folder: Path, timeout_s: float) -> AsyncIterator[Portal]:
    """Run a process of payments with its API beside the sandbox, until the context ends."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(served_sandbox(folder))
        async with world.client.get("/") as answer:
            processor_url = str(answer.url.with_path("/processor"))
        own = settings_of(infrastructure.databases["payments"], processor_url, processor_timeout_s=timeout_s)
        provider = await stack.enter_async_context(identity())
        process = await stack.enter_async_context(running(APPLICATION, own, infrastructure, provider.settings))
        client = await stack.enter_async_context(served(process.app))
        api = Api(client, provider, process.pool, process.clock, process.handling)
        yield await stack.enter_async_context(Portal(process, world, api).talking())
