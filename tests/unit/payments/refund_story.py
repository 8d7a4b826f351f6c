"""Refunds as the tests of them begin: a payment that was taken, and what is asked of it."""

from typing import Any

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.refund import RefundAnswered
from shared.events.envelope import Data
from shared.events.payments import (
    RequestRefund,
)
from shared.messaging.decision import Decision
from tests.unit.payments.story import (
    NUMBER,
    answer,
    events,
    owing,
    submit,
    when,
)

ANN, BOB = "staff:ann", "staff:bob"
NAMED: dict[str, Any] = {"refund_id": "r-1", "account_number": NUMBER}


def paid(amount_minor: int = 80_000) -> GuarantorAccount:
    account = when(owing(V1=60_000, V2=60_000), submit(amount_minor)).state
    return when(account, answer("succeeded", charge_id="ch-1")).state


def request(amount_minor: int, refund_id: str = "r-1", **changes: Any) -> RequestRefund:
    asked: dict[str, Any] = {
        "refund_id": refund_id,
        "account_number": NUMBER,
        "payment_id": "pay-1",
        "amount_minor": amount_minor,
        "currency": "USD",
        "reason": "Charged twice",
    }
    return RequestRefund(**asked | changes)


def told(result: Any, query: int | None = 0, **said: Any) -> RefundAnswered:
    return RefundAnswered(**NAMED | said, query=query, result=result)


def kinds(decision: Decision[GuarantorAccount]) -> list[type[Data]]:
    return [type(event) for event in events(decision)]
