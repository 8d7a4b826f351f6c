"""One process of a service: from its settings to everything running, and from a signal to everything ended."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import structlog
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY

from shared import auth, database, http, migrations, routes, telemetry
from shared.clock import Clock
from shared.events.asyncapi import asyncapi
from shared.events.topics import Service
from shared.messaging import broker
from shared.messaging.handlers import Handlers
from shared.messaging.run import Messaging, spare_collections
from shared.settings import ClockSettings, KafkaSettings, ServiceSettings, read, unknown
from shared.waiting import when_there

Own = TypeVar("Own", bound=ServiceSettings)

_ROUTES_CONNECTIONS_MAX: Final = 6

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Application(Generic[Own]):
    """What makes a process of one service.

    Attributes:
        service: its name and topics.
        description: one paragraph for its documentation.
        settings: the class of its own settings.
        handlers: makes its handlers; what has to be closed in the end goes on the stack.
        routers: its HTTP routes; what they find in the process is in `shared.routes`.
        revisions: the folder of its Alembic revisions.
    """

    service: Service
    description: str
    settings: type[Own]
    handlers: Callable[[Own, Clock, AsyncExitStack], Coroutine[Any, Any, Handlers[Any]]]
    routers: Sequence[APIRouter]
    revisions: Path

    async def run(self) -> None:
        """Run the process until it is cancelled; settings and servers that cannot be used end it with a line."""
        settings = read(self.settings)
        kafka, believed, made_up = read(KafkaSettings), read(auth.AuthSettings), read(ClockSettings)
        telemetry.configure(self.service.name)
        for name in (*unknown(KafkaSettings), *unknown(auth.AuthSettings), *unknown(ClockSettings)):
            log.warning("a variable of the environment is no setting", kind=name)
        url = settings.database_url.get_secret_value()
        async with AsyncExitStack() as stack:
            await when_there("database", lambda: migrations.check(url, self.revisions))
            try:
                await when_there("Kafka", lambda: broker.reach(kafka))
            except broker.RefusedError as error:
                sys.exit(f"{self.service.name} does not start: {error}")
            clock = Clock()
            messaging, api = await assemble(self, settings, kafka, believed, clock, stack)
            spare_collections()
            listener = http.listen(self.service.name, settings.http_host, settings.http_port)
            async with asyncio.TaskGroup() as group:
                if made_up.url is not None:
                    await when_there("clock", partial(clock.catch_up, made_up.url))
                    group.create_task(clock.follow(made_up.url))
                group.create_task(messaging.run())
                group.create_task(http.serve(api, listener))
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    log.info("draining")
                    raise


async def assemble(
    application: Application[Own],
    settings: Own,
    kafka: KafkaSettings,
    believed: auth.AuthSettings,
    clock: Clock,
    stack: AsyncExitStack,
) -> tuple[Messaging, FastAPI]:
    """Put a service together, ready to run; what has to be closed in the end goes on the stack."""
    name, url = application.service.name, settings.database_url.get_secret_value()
    pool = await when_there("database", lambda: database.connect(url))
    stack.push_async_callback(database.close, pool)
    handlers = await application.handlers(settings, clock, stack)
    messaging = Messaging(handlers, kafka, url, clock, pool)
    api = http.api(
        name,
        application.description,
        routers=application.routers,
        verifier=auth.TokenVerifier(believed),
        readiness=messaging.readiness,
        registry=REGISTRY,
        asyncapi=asyncapi(name),
    )
    # Reads have connections of their own: however slow they are, messages are handled.
    of_routes = await when_there(
        "database", lambda: database.connect(url, connections_max=_ROUTES_CONNECTIONS_MAX)
    )
    stack.push_async_callback(database.close, of_routes)
    routes.furnish(api, pool=of_routes, clock=clock, ask=messaging.handling.ask, settings=settings, stack=stack)
    return messaging, api
