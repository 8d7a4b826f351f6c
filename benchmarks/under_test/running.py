"""How a process under test runs: handlers on the kit, until a signal."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

import uvloop

from shared import logs
from shared.clock import Clock
from shared.database import connect
from shared.messaging.handlers import Handlers
from shared.messaging.run import Messaging, spare_collections
from shared.settings import KafkaSettings


async def on_the_kit(handlers: Handlers[Any]) -> None:
    """Run handlers on the kit until a signal."""
    database_url = os.environ["INTAKE_DATABASE_URL"]
    pool = await connect(database_url)
    settings = KafkaSettings(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
    messaging = Messaging(handlers, settings, database_url, Clock(), pool)
    spare_collections()
    running = asyncio.create_task(messaging.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    await asyncio.wait([running])


def main(way: Coroutine[Any, Any, None]) -> None:
    """Run a process under test."""
    logs.configure("benchmark", level="ERROR")
    uvloop.run(way)
