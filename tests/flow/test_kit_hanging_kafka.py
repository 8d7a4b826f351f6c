"""Kafka hangs: it keeps its connections and answers nothing. Operators see it, and can stop what waits for it."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from local.infrastructure import Endpoints
from local.ports import free_port
from local.processes import answers
from shared.database import CLOSE_S_MAX, connect
from shared.events.topics import SERVICES, TOPICS
from shared.messaging import consumer, outbox, topics
from shared.messaging.run import STOP_S_MAX
from shared.migrations import upgrade
from tests.flow.hanging_broker import hanging, own_broker
from tests.flow.kit import eventually, feedback, new_database, ready
from tests.flow.test_kit_start import REVISIONS, given, running


def silent_s() -> float:
    return REGISTRY.get_sample_value("messaging_broker_silent_seconds") or 0


async def test_a_process_that_hears_nothing_from_the_broker_is_not_ready_and_says_for_how_long(
    infrastructure: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "SILENT_S_MAX", 3)
    with own_broker(tmp_path) as (process, kafka):
        async with feedback(infrastructure, kafka=kafka) as world:
            service = await world.start()
            await eventually(lambda: ready(service), "it is ready")
            assert silent_s() < 3

            async def says_so() -> bool:
                checks = await service.readiness()
                return "nothing heard from the broker" in checks["consumer 0"].detail

            with hanging(process):
                await eventually(says_so, "it says that it hears nothing")
                assert silent_s() > 3
            await eventually(lambda: ready(service), "it is ready again")
            await eventually(lambda: silent_s() < 3, "it hears the broker again")


async def test_a_process_ends_in_the_time_that_it_is_given_though_kafka_hangs(
    infrastructure: Endpoints, tmp_path: Path
) -> None:
    log, port = tmp_path / "log", free_port()
    url = await new_database(infrastructure)
    await upgrade(url, REVISIONS)
    with own_broker(tmp_path) as (kafka, settings), log.open("wb") as stderr:
        await topics.create(settings.connection(), TOPICS)
        environment = {
            **given(infrastructure),
            "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "PAYMENTS_DATABASE_URL": url,
            "PAYMENTS_HTTP_PORT": str(port),
        }
        async with running(environment, stderr=stderr) as process:
            await eventually(lambda: answers(port, "/health/ready"), "it is ready")
            with hanging(kafka):
                # What cannot be told now is told by another process, later.
                pool = await connect(url)
                async with pool.acquire() as connection:
                    told = outbox.outgoing(SERVICES["payments"].events.name, b"ACC-1", b"{}")
                    await outbox.put(connection, [told])
                await pool.close()
                await eventually(lambda: "Marking the coordinator dead" in log.read_text(), "it misses Kafka")
                process.terminate()
                async with asyncio.timeout(STOP_S_MAX + 2 * CLOSE_S_MAX):
                    assert await process.wait() == 0
