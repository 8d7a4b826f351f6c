"""Notifications as the messaging kit sees it: what it hears, and how it loads, decides and saves."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from services.notifications.domain import State, decide, state_key
from services.notifications.domain.messages import (
    AccountLeft,
    ContactHarmed,
    HearCodeReceipt,
    HearReceipt,
    HearText,
    StartTexts,
    StopTexts,
    Unsubscribe,
)
from services.notifications.domain.terms import Terms
from services.notifications.store import load, save
from shared.events.notifications import CommandRefused
from shared.events.topics import SERVICES
from shared.messaging.handlers import Handlers


def handlers(terms: Terms, now: Callable[[], datetime]) -> Handlers[State]:
    """Return the service without what is done outside: see `tasks.performers`."""
    return Handlers(
        service=SERVICES["notifications"],
        load=partial(load, terms, now),
        decide=partial(decide, terms=terms),
        save=partial(save, terms),
        refusal=CommandRefused,
        timers=(AccountLeft, ContactHarmed, StopTexts, StartTexts),
        asked=(HearReceipt, HearCodeReceipt, HearText, Unsubscribe),
        key=state_key,
    )
