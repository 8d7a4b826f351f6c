"""Who has signed out is heard by processes of the portal that were not there when it was told."""

import asyncio
from secrets import token_hex

from local.infrastructure import Endpoints
from portal.commands import Commands, new_producer
from portal.events import Events
from shared.clock import Clock
from shared.events.portal import SessionEnded
from shared.events.topics import PORTAL_SESSIONS, SERVICES
from shared.messaging import topics
from shared.settings import KafkaSettings
from tests.flow.kit import eventually


async def test_a_process_that_begins_later_knows_who_has_signed_out(infrastructure: Endpoints) -> None:
    settings = KafkaSettings(bootstrap_servers=infrastructure.kafka)
    events = [service.events for service in SERVICES.values()]
    await topics.create(settings.connection(), [PORTAL_SESSIONS, *events])
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
    hearing = asyncio.create_task(begun.run())
    await eventually(lambda: begun.hearing, "the events are heard")
    hearing.cancel()
    assert session in heard
    assert not any(known_when_heard), "it is ready once it knows who has signed out"
