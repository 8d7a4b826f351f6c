"""Payments as the messaging kit sees it: what it hears, and how it loads, decides and saves."""

from functools import partial
from typing import Final

from services.payments.domain import State, decide, state_key
from services.payments.domain.card_digits import Found, card_number_in
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.rules import Rules
from services.payments.domain.settlement import CompareLines, ImportSettlement
from services.payments.domain.webhook import HearProcessor
from services.payments.domain.work import SettleWork
from services.payments.store import load, save
from shared.events.payments import CommandRefused
from shared.events.topics import SERVICES
from shared.messaging.handlers import Handlers
from shared.messaging.records import Fault

_CARD_NUMBER: Final = "a field holds digits that look like a card number"


def payments(rules: Rules) -> Handlers[State]:
    """Return payments under these rules, without what is done outside: see `tasks.performers`."""
    return Handlers(
        service=SERVICES["payments"],
        load=partial(load, rules=rules),
        decide=partial(decide, rules=rules),
        save=save,
        refusal=CommandRefused,
        timers=(InstalmentTimer, GraceTimer, CompareLines),
        after_hearing=(InstalmentTimer, GraceTimer),
        asked=(HearProcessor, SettleWork, ImportSettlement),
        key=partial(state_key, proofs=rules.proofs),
        screen=screen,
    )


def screen(command: bytes) -> Fault | None:
    """Refuse a command that holds what looks like a card number; where an answer would repeat it, bury it."""
    match card_number_in(command):
        case Found.NOWHERE:
            return None
        case Found.WHERE_ANSWERS_REPEAT_IT:
            return Fault("card_number_refused", _CARD_NUMBER)
        case Found.ELSEWHERE:
            return Fault("card_number_refused", _CARD_NUMBER, refusable=True)
