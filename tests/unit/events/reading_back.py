"""Events as their readers get them."""

from functools import cache
from typing import Any

from shared.events.envelope import Data, Message, Reader, write_event
from shared.events.publishing import MESSAGES
from shared.messaging.decision import Event


@cache
def _reader() -> Reader:
    return Reader(*MESSAGES.values())


def read_back(event: Event, cause: Message[Any]) -> Data:
    """Return what an event says to those who read it on its topic."""
    at = cause.time.isoformat()
    raw = write_event(
        "e",
        "service:test",
        at,
        event.key or cause.subject,
        cause,
        None,
        event.outcome,
        event.correlationid,
        event.data,
    )
    return _reader().read(raw).data
