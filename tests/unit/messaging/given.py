"""Records, arrivals and handlers of the example service, without a broker or a database."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiokafka import ConsumerRecord

from shared.messaging.deciding import Deciding, Effects
from shared.messaging.handlers import Handlers
from shared.messaging.records import Arrival, Reading, Record
from tests.example.domain import Visit
from tests.example.handlers import handlers
from tests.example.messages import service

SERVICE: Final = service()
COMMANDS, VISITS = (heard.topic.name for heard in SERVICE.reads)
NOW: Final = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


async def thank(_visit_id: str, _key: str) -> None:
    """Nobody is thanked where nothing is performed."""


def the_handlers(**changed: Any) -> Handlers[Visit]:
    """Return the example service's handlers, with some of them changed."""
    return replace(handlers(SERVICE, thank), **changed)


def record(value: bytes | None, topic: str = COMMANDS, offset: int = 0, **changed: Any) -> Record:
    """Return a record as it comes from Kafka."""
    plain = ConsumerRecord(
        topic=topic,
        partition=0,
        offset=offset,
        timestamp=1,
        timestamp_type=0,
        key=b"visit-1",
        value=value,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=(),
    )
    return replace(plain, **changed)


def message(message_id: str, kind: str, visit: str, data: dict[str, Any]) -> bytes:
    """Return a message's bytes."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": message_id,
            "source": "test",
            "type": kind,
            "time": (NOW - timedelta(seconds=2)).isoformat(),
            "subject": visit,
            "actor": "patient:p-1",
            "data": data,
        }
    ).encode()


def leave(message_id: str, visit: str = "visit-1", **data: Any) -> bytes:
    """Return a command to leave feedback, whose id is the message's unless another is given."""
    said = {"feedback_id": message_id, "visit_id": visit, "stars": 5, **data}
    return message(message_id, "feedback.leave-feedback.v1", visit, said)


def ended(message_id: str, visit: str = "visit-1", **data: Any) -> bytes:
    """Return the fact that a visit ended."""
    return message(message_id, "visits.visit-ended.v1", visit, {"visit_id": visit, **data})


def arrivals(*values: bytes, topic: str = COMMANDS, made: Handlers[Visit] | None = None) -> list[Arrival]:
    """Read the values as records of a topic, in their order."""
    reading = Reading(SERVICE, (made or the_handlers()).screen)
    return [reading.read(record(value, topic, offset)) for offset, value in enumerate(values)]


def decided(
    batch: Sequence[Arrival],
    before: Iterable[Visit] = (),
    waiting: Iterable[str] = (),
    made: Handlers[Visit] | None = None,
) -> Effects[Visit]:
    """Return what a batch comes to, none of which was handled before."""
    effects = Effects({visit.visit_id: visit for visit in before}, NOW)
    fresh = {arrival.identity for arrival in batch if arrival.identity is not None}
    Deciding(made or the_handlers()).decide(effects, batch, fresh, set(waiting))
    return effects


def told(effects: Effects[Visit]) -> list[dict[str, Any]]:
    """Return the events of a batch."""
    return [json.loads(value) for _, _, _, value in effects.rows]
