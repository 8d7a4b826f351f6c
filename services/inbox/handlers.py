"""The inbox as the messaging kit sees it: what it hears, and how it loads, decides and saves."""

from typing import Final

from services.inbox.domain import State, decide, state_key
from services.inbox.domain.attachment import AddAttachment
from services.inbox.domain.commands import ASKED, LeaseEnded, PostponementEnded
from services.inbox.domain.item import TimeLimit
from services.inbox.store import load, save
from shared.events.inbox import CommandRefused
from shared.events.topics import SERVICES
from shared.messaging.handlers import Handlers

INBOX: Final[Handlers[State]] = Handlers(
    service=SERVICES["inbox"],
    load=load,
    decide=decide,
    save=save,
    refusal=CommandRefused,
    timers=(LeaseEnded, PostponementEnded, TimeLimit),
    asked=(*ASKED, AddAttachment),
    key=state_key,
)
"""Without what is done outside, which needs settings: see `tasks.performers`."""
