"""One process of the example service: `python -m tests.flow.feedback_process NAME PARTITIONS DATABASE_URL`."""

import asyncio
import signal
import sys

import uvloop

from shared import logs
from shared.clock import Clock
from shared.database import connect
from shared.messaging.run import Messaging
from shared.settings import KafkaSettings, read
from tests.example.handlers import handlers
from tests.example.messages import service


async def run(name: str, partitions: int, url: str) -> None:
    async def thank(_visit_id: str, _key: str) -> None:
        """Nobody is there to be thanked."""

    own = service(name, partitions)
    pool = await connect(url)
    running = asyncio.create_task(Messaging(handlers(own, thank), read(KafkaSettings), url, Clock(), pool).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    await asyncio.wait([running])
    await pool.close()


if __name__ == "__main__":
    logs.configure("feedback", level="WARNING")
    uvloop.run(run(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
