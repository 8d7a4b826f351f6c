"""Kafka hangs: what it may have is not told as lost, the rest never comes, and the portal is not ready."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import REGISTRY

from local.processes import Process
from portal import commands, events
from portal.commands import Commands, MaybeSentError, new_producer
from portal.events import Events
from shared.clock import Clock
from shared.events.portal import SessionStarted
from shared.events.topics import PORTAL_SESSIONS, SERVICES
from shared.messaging import topics
from shared.settings import KafkaSettings
from tests.flow.hanging_broker import hanging, own_broker
from tests.flow.kit import eventually

GIVEN_UP_WITHIN_S = 30


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[Process, KafkaSettings]]:
    with own_broker(tmp_path) as started:
        yield started


@asynccontextmanager
async def sessions_told(settings: KafkaSettings, told: list[str]) -> AsyncIterator[None]:
    """Add which sessions were told of within the block, as Kafka has them after it."""
    consumer = AIOKafkaConsumer(**settings.connection())
    await consumer.start()
    try:
        name = PORTAL_SESSIONS.name
        partitions = [TopicPartition(name, number) for number in range(PORTAL_SESSIONS.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_end()
        yield
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(one) < end for one, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=100)).values():
                told += [json.loads(record.value)["data"]["session_id"] for record in records]
    finally:
        await consumer.stop()


async def test_what_a_hanging_kafka_may_have_is_told_so_and_nothing_is_sent_once_it_was_given_up(
    broker: tuple[Process, KafkaSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "SEND_TIMEOUT_S", 5.0)
    monkeypatch.setattr(commands, "GIVE_UP_MS", 4_000)
    process, settings = broker
    await topics.create(settings.connection(), [PORTAL_SESSIONS])
    producer = new_producer(settings)
    await producer.start()
    publishing = Commands(producer, Events(settings, 900), Clock(), wait_s=1)

    async def tell(session: str) -> None:
        fact = SessionStarted(session_id=session, person_id="person-1")
        await publishing.tell(fact, subject="person-1", actor="patient:person-1")

    told: list[str] = []
    try:
        async with sessions_told(settings, told):
            await tell("before")
            with hanging(process):
                with pytest.raises(MaybeSentError):
                    await tell("on its way")
                with pytest.raises(MaybeSentError):
                    await tell("never begun")
                async with asyncio.timeout(GIVEN_UP_WITHIN_S):
                    await producer.flush()
            await tell("after")
    finally:
        await producer.stop()
    assert "never begun" not in told
    assert [one for one in told if one != "on its way"] == ["before", "after"]


async def test_a_portal_that_hears_nothing_of_a_hanging_kafka_is_not_ready_and_says_for_how_long(
    broker: tuple[Process, KafkaSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SILENT_S_MAX", 3)
    process, settings = broker
    await topics.create(settings.connection(), [PORTAL_SESSIONS, *(one.events for one in SERVICES.values())])
    heard = Events(settings, 900)
    hearing = asyncio.create_task(heard.run())
    try:
        await eventually(heard.ready, "it is ready")
        with hanging(process):
            await eventually(lambda: not heard.ready(), "it is not ready any more")
            assert (REGISTRY.get_sample_value("portal_broker_silent_seconds") or 0) > 3
        await eventually(heard.ready, "it is ready again")
    finally:
        hearing.cancel()
        await asyncio.wait([hearing])
