"""What the portal hears though it was not there when it was told: who has signed out, and what it missed."""

import asyncio
import json
from collections.abc import Callable
from secrets import token_hex

import pytest_asyncio

from local.infrastructure import Endpoints
from portal.commands import Commands, new_producer
from portal.events import Events, key
from shared.clock import Clock
from shared.events.portal import SessionEnded
from shared.events.topics import PORTAL_SESSIONS, SERVICES
from shared.messaging import topics
from shared.settings import KafkaSettings
from tests.flow.kit import eventually


@pytest_asyncio.fixture
async def settings(infrastructure: Endpoints) -> KafkaSettings:
    """How Kafka is reached; what the portal hears is there."""
    settings = KafkaSettings(bootstrap_servers=infrastructure.kafka)
    events = [service.events for service in SERVICES.values()]
    await topics.create(settings.connection(), [PORTAL_SESSIONS, *events])
    return settings


async def until_heard(events: Events, holds: Callable[[], bool]) -> None:
    """Let it hear until something holds, and interrupt it then."""
    hearing = asyncio.create_task(events.run())
    await eventually(lambda: events.hearing and holds(), "the events are heard")
    hearing.cancel()
    await asyncio.wait([hearing])


async def test_what_was_told_while_it_could_not_hear_is_heard_then(settings: KafkaSettings) -> None:
    events, subject = Events(settings, 900), f"account-{token_hex(4)}"
    await until_heard(events, lambda: True)
    told = {"id": "e-1", "type": "payments.balance-changed.v1", "subject": subject, "data": {}}
    producer = new_producer(settings)
    await producer.start()
    try:
        await producer.send_and_wait(SERVICES["payments"].events.name, json.dumps(told).encode())
    finally:
        await producer.stop()
    news = events.follow([key("payments", subject)], 0)
    first = asyncio.ensure_future(anext(news))
    await until_heard(events, first.done)
    assert first.result().type == told["type"]


async def test_a_process_that_begins_later_knows_who_has_signed_out(settings: KafkaSettings) -> None:
    session = f"session-{token_hex(4)}"
    producer = new_producer(settings)
    await producer.start()
    try:
        fact = SessionEnded(session_id=session, person_id="person-1", reason="logout")
        told = Commands(producer, Events(settings, 900), Clock(), wait_s=1)
        await told.tell(fact, subject="person-1", actor="patient:person-1")
    finally:
        await producer.stop()

    begun, heard = Events(settings, 900), set[str]()
    known_when_heard: list[bool] = []

    def over(session_id: str) -> None:
        heard.add(session_id)
        known_when_heard.append(begun.hearing)

    begun.on_sign_out = over
    await until_heard(begun, lambda: True)
    assert session in heard
    assert not any(known_when_heard), "it is ready once it knows who has signed out"
