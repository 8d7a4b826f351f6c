"""Kafka hangs: it keeps its connections and answers nothing. Operators see it, and can stop what waits for it.

The service is a process of its own: what aiokafka leaves behind while Kafka hangs is nobody else's.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from local.infrastructure import Endpoints
from local.ports import free_port
from local.processes import Process, answers
from shared.database import CLOSE_S_MAX, connect
from shared.events.topics import SERVICES, TOPICS
from shared.messaging import outbox, topics
from shared.messaging.broker import SILENT_S_MAX
from shared.messaging.run import STOP_S_MAX
from shared.migrations import upgrade
from tests.flow.hanging_broker import hanging, own_broker
from tests.flow.kit import eventually, new_database
from tests.flow.test_kit_start import REVISIONS, given, running

_SILENT = re.compile(r"^messaging_broker_silent_seconds (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Payments:
    """Payments in a process of its own, on a Kafka of its own."""

    process: asyncio.subprocess.Process
    kafka: Process
    database: str
    port: int
    log: Path

    def is_ready(self) -> bool:
        return answers(self.port, "/health/ready")

    async def get(self, path: str) -> str:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{self.port}{path}") as response:
            return await response.text()

    async def silent_s(self) -> float:
        found = _SILENT.search(await self.get("/metrics"))
        assert found
        return float(found[1])


@asynccontextmanager
async def payments(infrastructure: Endpoints, directory: Path) -> AsyncIterator[Payments]:
    log, port = directory / "log", free_port()
    url = await new_database(infrastructure)
    await upgrade(url, REVISIONS)
    with own_broker(directory) as (kafka, settings), log.open("wb") as stderr:
        await topics.create(settings.connection(), TOPICS)
        environment = {
            **given(infrastructure),
            "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "PAYMENTS_DATABASE_URL": url,
            "PAYMENTS_HTTP_PORT": str(port),
        }
        async with running(environment, stderr=stderr) as process:
            service = Payments(process, kafka, url, port, log)
            await eventually(service.is_ready, "it is ready")
            yield service


async def test_a_process_that_hears_nothing_from_the_broker_is_not_ready_and_says_for_how_long(
    infrastructure: Endpoints, tmp_path: Path
) -> None:
    async with payments(infrastructure, tmp_path) as service:
        assert await service.silent_s() < SILENT_S_MAX

        async def says_so() -> bool:
            return "nothing heard from the broker" in await service.get("/health/ready")

        with hanging(service.kafka):
            await eventually(says_so, "it says that it hears nothing", 2 * SILENT_S_MAX)
            assert await service.silent_s() > SILENT_S_MAX
            assert not service.is_ready()
        await eventually(service.is_ready, "it is ready again", 60)


async def test_a_process_ends_in_the_time_that_it_is_given_though_kafka_hangs(
    infrastructure: Endpoints, tmp_path: Path
) -> None:
    async with payments(infrastructure, tmp_path) as service:
        with hanging(service.kafka):
            # What cannot be told now is told by another process, later.
            pool = await connect(service.database)
            async with pool.acquire() as connection:
                told = outbox.outgoing(SERVICES["payments"].events.name, b"ACC-1", b"{}")
                await outbox.put(connection, [told])
            await pool.close()
            await eventually(lambda: "Marking the coordinator dead" in service.log.read_text(), "it misses Kafka")
            service.process.terminate()
            async with asyncio.timeout(STOP_S_MAX + 2 * CLOSE_S_MAX):
                assert await service.process.wait() == 0
