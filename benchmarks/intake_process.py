"""One process of the intake service on the kit, as a child of the benchmark: `kit`, or the `naive` way."""

import asyncio
import os
import signal
import sys

import uvloop

from benchmarks import naive
from benchmarks.intake import HANDLERS
from shared import logs
from shared.clock import Clock
from shared.database import connect
from shared.messaging.run import Messaging
from shared.process import spare_collections
from shared.settings import KafkaSettings


async def _kit(kafka: str, database_url: str) -> None:
    pool = await connect(database_url)
    settings = KafkaSettings(bootstrap_servers=kafka)
    messaging = Messaging(HANDLERS, settings, database_url, Clock(), pool)
    spare_collections()
    running = asyncio.create_task(messaging.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    await asyncio.wait([running])


if __name__ == "__main__":
    logs.configure("intake", level="WARNING")
    way = {"kit": _kit, "naive": naive.run}[sys.argv[1]]
    uvloop.run(way(os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["INTAKE_DATABASE_URL"]))
