"""Payments as the messaging kit sees it: what it hears, and how it loads, decides and saves."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from services.payments.domain import State, decide
from services.payments.domain.card_digits import Found, card_number_in
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.proofs import GuestPass, Proofs
from services.payments.domain.rules import Rules
from services.payments.domain.settlement import KEY_MARK, CompareLines, ImportSettlement
from services.payments.domain.webhook import HearProcessor
from services.payments.domain.work import SettleWork
from services.payments.store import load, save
from shared.events.envelope import Message
from shared.events.payments import CommandRefused, SubmitPayment
from shared.events.topics import SERVICES
from shared.messaging.handlers import Handlers
from shared.messaging.records import Fault

_CARD_NUMBER: Final = "a field holds digits that look like a card number"


def payments(rules: Rules) -> Handlers[State]:
    """Return payments under these rules, without what is done outside: see `tasks.performers`."""
    key = state_key(rules.proofs)
    return Handlers(
        service=SERVICES["payments"],
        load=partial(load, key=key, proofs=rules.proofs),
        decide=partial(decide, rules=rules),
        save=save,
        refusal=CommandRefused,
        timers=(InstalmentTimer, GraceTimer, CompareLines),
        asked=(HearProcessor, SettleWork, ImportSettlement),
        key=key,
        screen=screen,
    )


def state_key(proofs: Proofs) -> Callable[[Message[Any]], str]:
    """Return what tells the account, or the settlement, that a message is about.

    Its subject may be another, as a guest's is, who may have typed the number of a visit: the account is in
    the guest's token.
    """

    def key(message: Message[Any]) -> str:
        data = message.data
        if isinstance(data, ImportSettlement):
            return KEY_MARK + data.settlement_id
        number: str = data.account_number
        if isinstance(data, SubmitPayment) and data.guest_token and message.actor == "guest":
            guest = proofs.read(GuestPass, data.guest_token)
            return guest.account_number if guest else number
        return number

    return key


def screen(command: bytes) -> Fault | None:
    """Refuse a command that holds what looks like a card number; where an answer would repeat it, bury it."""
    match card_number_in(command):
        case Found.NOWHERE:
            return None
        case Found.WHERE_ANSWERS_REPEAT_IT:
            return Fault("card_number_refused", _CARD_NUMBER)
        case Found.ELSEWHERE:
            return Fault("card_number_refused", _CARD_NUMBER, refusable=True)
