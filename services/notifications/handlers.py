"""Notifications as the messaging kit sees it: what it hears, and how it loads, decides and saves."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from services.notifications.domain import State, decide, state_key
from services.notifications.domain.internal import (
    AccountLeft,
    ContactHarmed,
    HearCodeReceipt,
    HearReceipt,
    HearText,
    StartTexts,
    StopTexts,
    Unsubscribe,
)
from services.notifications.domain.rules import Rules
from services.notifications.store import load, save
from shared.events.notifications import CommandRefused
from shared.events.topics import SERVICES
from shared.messaging.handlers import Handlers


def handlers(rules: Rules, now: Callable[[], datetime]) -> Handlers[State]:
    """Return the service without what is done outside: see `tasks.performers`."""
    return Handlers(
        service=SERVICES["notifications"],
        load=partial(load, rules, now),
        decide=partial(decide, rules=rules),
        save=partial(save, rules),
        refusal=CommandRefused,
        timers=(AccountLeft, ContactHarmed, StopTexts, StartTexts),
        asked=(HearReceipt, HearCodeReceipt, HearText, Unsubscribe),
        key=state_key,
    )
