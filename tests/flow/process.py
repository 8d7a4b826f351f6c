"""A service as its process puts it together, running in the test's own, and those around it who talk to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from fastapi import FastAPI

from local.infrastructure import Endpoints
from shared.auth import AuthSettings
from shared.clock import Clock
from shared.database import Pool
from shared.events.envelope import Message
from shared.events.topics import Service
from shared.messaging import topics
from shared.messaging.handling import Handling
from shared.migrations import upgrade
from shared.process import Application, Own, assemble
from shared.settings import KafkaSettings
from tests.flow.kit import eventually

Json = dict[str, Any]


@dataclass(frozen=True)
class Running:
    """A service that runs: its parts, and the broker it runs on."""

    service: Service
    kafka: KafkaSettings
    app: FastAPI
    pool: Pool
    clock: Clock
    handling: Handling[Any]


@asynccontextmanager
async def running(
    application: Application[Own], settings: Own, infrastructure: Endpoints, believed: AuthSettings
) -> AsyncIterator[Running]:
    """Run a service, all but its HTTP server, on a database and topics that are made ready for it."""
    kafka, service = KafkaSettings(bootstrap_servers=infrastructure.kafka), application.service
    await upgrade(settings.database_url.get_secret_value(), application.revisions)
    every = [*(heard.topic for heard in service.reads), service.events, service.dead_letters]
    await topics.create(kafka.connection(), every)
    clock = Clock()
    async with AsyncExitStack() as stack:
        messaging, app = await assemble(application, settings, kafka, believed, clock, stack)
        moving = asyncio.create_task(messaging.run())
        try:
            yield Running(service, kafka, app, messaging.pool, clock, messaging.handling)
        finally:
            moving.cancel()
            await asyncio.wait([moving])


class Around:
    """Whoever is around a service: they publish to it, and hear all that it says.

    Attributes:
        pool, clock: the service's own, to look at and to move.
        routes_pool: the connections of its routes.
        heard: its events and dead letters so far, as they came.
    """

    def __init__(self, running: Running) -> None:
        self.pool, self.clock = running.pool, running.clock
        self.routes_pool: Pool = running.app.state.pool
        self.heard: list[Json] = []
        self._producer = AIOKafkaProducer(**running.kafka.connection())
        self._consumer = AIOKafkaConsumer(
            running.service.events.name,
            running.service.dead_letters.name,
            **running.kafka.connection(),
            auto_offset_reset="earliest",
        )

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[Self]:
        """Publish and hear for the length of the block."""
        async with self._producer, self._consumer:
            hearing = asyncio.create_task(self._hear())
            try:
                yield self
            finally:
                hearing.cancel()
                await asyncio.wait([hearing])

    async def _hear(self) -> None:
        async for record in self._consumer:
            assert record.value is not None
            self.heard.append(json.loads(record.value))

    async def publish(self, topic: str, key: str, *values: bytes) -> None:
        """Publish records under a key, in their order."""
        for value in values:
            await self._producer.send(topic, value, key=key.encode())
        await self._producer.flush()

    async def first(self, holds: Callable[[Json], object], what: str) -> Json:
        """Return the first message for which something holds, once there is one."""
        found: Json = await eventually(lambda: next((one for one in self.heard if holds(one)), None), what)
        return found

    async def outcome(self, command: Message[Any] | str) -> Json:
        """Return the event that ended a command; it may be named by its id."""
        wanted = command if isinstance(command, str) else command.id
        return await self.first(
            lambda one: one.get("causationid") == wanted and "outcome" in one, f"the outcome of {wanted}"
        )
