"""Payments as the messaging kit sees it: what it hears, and how it loads, decides and saves."""

from typing import Any, Final

from services.payments.domain import decide
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.card_digits import holds_card_number
from services.payments.store import load, save
from shared.events.envelope import Message
from shared.events.payments import CommandRefused
from shared.events.topics import SERVICES
from shared.messaging.handlers import Handlers
from shared.messaging.records import Fault


def account_number(message: Message[Any]) -> str:
    """Return the account that a message is about; its subject may be another, as a guest's is."""
    number: str = message.data.account_number
    return number


def screen(command: bytes) -> Fault | None:
    """Refuse a command that holds what looks like a card number."""
    if holds_card_number(command):
        return Fault("card_number_refused", "a field holds digits that look like a card number", refusable=True)
    return None


PAYMENTS: Final[Handlers[GuarantorAccount]] = Handlers(
    service=SERVICES["payments"],
    load=load,
    decide=decide,
    save=save,
    refusal=CommandRefused,
    key=account_number,
    screen=screen,
)
"""Without what is done outside, which needs settings: see `tasks.performers`."""
