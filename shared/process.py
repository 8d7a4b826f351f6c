"""One process of a service: from its settings to everything running, and from a signal to everything ended.

`python -m services.NAME` runs it; `python -m services.NAME migrate` brings its database up to date and ends.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import asyncpg
import structlog
import uvloop
from fastapi import APIRouter, FastAPI
from prometheus_client import REGISTRY

from shared import auth, database, http, logs, migrations, routes, telemetry
from shared.clock import Clock
from shared.database import AWAY
from shared.events.asyncapi import asyncapi
from shared.events.topics import Service
from shared.messaging import broker
from shared.messaging.handlers import Handlers
from shared.messaging.run import Messaging, spare_collections
from shared.settings import ClockSettings, DatabaseSettings, KafkaSettings, ServiceSettings, read

Own = TypeVar("Own", bound=ServiceSettings)

_AGAIN_S: Final = 0.5

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


def main(application: Application[Any]) -> None:
    """Run the command that the process was started with."""
    name = application.service.name
    match sys.argv[1:]:
        case []:
            step = _run
        case ["migrate"]:
            step = _migrate
        case _:
            sys.exit(f"usage: python -m services.{name} [migrate]")
    logs.configure(name)
    try:
        uvloop.run(_until_signal(step(application)))
    except (migrations.SchemaError, broker.RefusedError) as error:
        sys.exit(f"{name} does not start: {error}")
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        sys.exit(f"{name} does not start: the database does not let us in: {type(error).__name__}")


async def _migrate(application: Application[Any]) -> None:
    settings = read(DatabaseSettings, prefix=application.settings.model_config["env_prefix"])
    url = settings.database_url.get_secret_value()
    await _when_there("database", lambda: migrations.upgrade(url, application.revisions))


async def _run(application: Application[Any]) -> None:
    settings = read(application.settings)
    kafka, believed, made_up = read(KafkaSettings), read(auth.AuthSettings), read(ClockSettings)
    telemetry.configure(application.service.name)
    url = settings.database_url.get_secret_value()
    async with AsyncExitStack() as stack:
        await _when_there("database", lambda: migrations.check(url, application.revisions))
        await _when_there("Kafka", lambda: broker.reach(kafka))
        clock = Clock()
        messaging, api = await assemble(application, settings, kafka, believed, clock, stack)
        spare_collections()
        async with asyncio.TaskGroup() as group:
            if made_up.url is not None:
                await _when_there("clock", partial(clock.catch_up, made_up.url))
                group.create_task(clock.follow(made_up.url))
            group.create_task(messaging.run())
            group.create_task(http.serve(api, settings.http_host, settings.http_port))
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
    pool = await database.connect(url)
    stack.push_async_callback(_close, pool)
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
    routes.furnish(api, pool=pool, clock=clock, ask=messaging.handling.ask, settings=settings)
    return messaging, api


async def _until_signal(step: Coroutine[Any, Any, None]) -> None:
    """Do what a process is for until SIGTERM or SIGINT cancels it, be it still waiting or well under way."""
    doing = asyncio.create_task(step)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, doing.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await doing


async def _when_there(what: str, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do a step once what it needs is there; a service may be started before it."""
    while True:
        try:
            await step()
        except AWAY as error:
            log.warning("waiting for what is not there yet", kind=what, error_type=type(error).__name__)
            await asyncio.sleep(_AGAIN_S)
        else:
            return


async def _close(pool: database.Pool) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            await pool.close()
