"""Made-up messages about one guarantor account, and what payments makes of them in their order."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.payments.domain import decide
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.charging import ChargeAnswered, ChargeMethod, QueryCharge
from services.payments.domain.proofs import Proofs
from services.payments.domain.rules import Rules
from shared.events.billing import (
    AdjustmentPosted,
    ChargePosted,
    Guarantor,
    GuarantorAccountOpened,
    StatementIssued,
    VisitAccountClosed,
    VisitAccountOpened,
)
from shared.events.envelope import Data, Message, message_of
from shared.events.payments import CommandRefused, Share, SubmitPayment
from shared.events.plans import Authorization, StartPlan
from shared.events.vocabulary import Method
from shared.messaging.decision import Decision

NUMBER = "G-1"
GUARANTOR = "patient:P-1"
NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CARD = Method(kind="card", token="tok_ok", last4="4242", brand="visa")
RULES = Rules(Proofs("a secret of the tests"))


def message(data: Data, *, at: datetime = NOW, actor: str = "host:billing") -> Message[Data]:
    return message_of(
        data,
        id=f"{data.TYPE}@{at.isoformat()}",
        source="test",
        time=at,
        subject=NUMBER,
        actor=actor,
    )


def when(
    account: GuarantorAccount | None, data: Data, *, at: datetime = NOW, actor: str = GUARANTOR
) -> Decision[GuarantorAccount]:
    """Decide about one message that is heard at the moment it was sent."""
    decided = decide(account, message(data, at=at, actor=actor), at, RULES)
    assert isinstance(decided.state, GuarantorAccount)
    return Decision(decided.state, decided.events, decided.tasks)


def given(*told: Data) -> GuarantorAccount:
    """Return the account after all this was told, a second apart and long ago."""
    return given_at(enumerate(told))


def given_at(told: Iterable[tuple[int, Data]]) -> GuarantorAccount:
    """Return the account after this was heard in this order, each told at its second."""
    account: GuarantorAccount | None = None
    for second, data in told:
        account = when(account, data, at=NOW - timedelta(days=30) + second * SECOND).state
    assert account is not None
    return account


def events(decision: Decision[GuarantorAccount]) -> list[Data]:
    return [event.data for event in decision.events]


def outcome(decision: Decision[GuarantorAccount]) -> tuple[str | None, str | None]:
    """Return how a command ended: `done` or `refused`, and the reason."""
    (ended,) = (event for event in decision.events if event.outcome)
    return ended.outcome, ended.data.reason if isinstance(ended.data, CommandRefused) else None


def opened(**changes: Any) -> GuarantorAccountOpened:
    told: dict[str, Any] = {
        "account_number": NUMBER,
        "guarantor": Guarantor(person_id="P-1", first_name="Ada", last_name="Reyes"),
        "viewers": ("P-2",),
        "affiliate": "north",
        "currency": "USD",
    }
    return GuarantorAccountOpened(**told | changes)


def visit(number: str = "V-1", day: date = date(2025, 1, 10), **changes: Any) -> VisitAccountOpened:
    told: dict[str, Any] = {
        "account_number": NUMBER,
        "visit_account_number": number,
        "patient_id": "M-1",
        "visit_date": day,
        "description": "Office visit",
    }
    return VisitAccountOpened(**told | changes)


def charge(amount_minor: int, number: str = "V-1", charge_id: str | None = None) -> ChargePosted:
    return ChargePosted(
        account_number=NUMBER,
        visit_account_number=number,
        charge_id=charge_id or f"C-{number}",
        service_date=date(2025, 1, 10),
        description="Examination",
        amount_minor=amount_minor,
    )


def adjustment(
    amount_minor: int, number: str = "V-1", adjustment_id: str = "A-1", kind: Any = "insurance-payment"
) -> AdjustmentPosted:
    return AdjustmentPosted(
        account_number=NUMBER,
        visit_account_number=number,
        adjustment_id=adjustment_id,
        kind=kind,
        amount_minor=amount_minor,
    )


def closed(number: str = "V-1") -> VisitAccountClosed:
    return VisitAccountClosed(account_number=NUMBER, visit_account_number=number)


def statement(statement_id: str = "S-1") -> StatementIssued:
    return StatementIssued(
        account_number=NUMBER,
        statement_id=statement_id,
        issued_on=date(2025, 2, 1),
        due_on=date(2025, 3, 1),
        period_from=date(2025, 1, 1),
        period_to=date(2025, 1, 31),
        amount_due_minor=10_000,
        currency="USD",
    )


def submit(amount_minor: int = 10_000, payment_id: str = "pay-1", **changes: Any) -> SubmitPayment:
    asked: dict[str, Any] = {
        "payment_id": payment_id,
        "account_number": NUMBER,
        "amount_minor": amount_minor,
        "currency": "USD",
        "method": CARD,
    }
    return SubmitPayment(**asked | changes)


def shares(**amounts: int) -> tuple[Share, ...]:
    """Return an allocation: `V1=500` is 500 for the visit `V-1`."""
    return tuple(
        Share(visit_account_number=name.replace("V", "V-"), amount_minor=amount)
        for name, amount in amounts.items()
    )


def start_plan(monthly_minor: int = 5_000, plan_id: str = "plan-1", **changes: Any) -> StartPlan:
    asked: dict[str, Any] = {
        "plan_id": plan_id,
        "account_number": NUMBER,
        "monthly_amount_minor": monthly_minor,
        "currency": "USD",
        "day_of_month": 31,
        "autopay": True,
        "method": CARD,
        "authorization": Authorization(text_version="v1", accepted_at=NOW),
    }
    return StartPlan(**asked | changes)


def answer(result: Any, *, query: int | None = 0, payment_id: str = "pay-1", **said: Any) -> ChargeAnswered:
    return ChargeAnswered(payment_id=payment_id, account_number=NUMBER, query=query, result=result, **said)


def charge_tasks(decision: Decision[GuarantorAccount]) -> list[ChargeMethod]:
    return [task.data for task in decision.tasks if isinstance(task.data, ChargeMethod)]


def query_tasks(decision: Decision[GuarantorAccount]) -> list[tuple[QueryCharge, datetime]]:
    return [
        (task.data, task.due_at) for task in decision.tasks if isinstance(task.data, QueryCharge) and task.due_at
    ]


def owing(**amounts: int) -> GuarantorAccount:
    """Return an open account with a visit for each: `V1=500` owes 500 for `V-1`, the first the oldest."""
    told: list[Data] = [opened()]
    for days, (name, amount) in enumerate(amounts.items()):
        number = name.replace("V", "V-")
        told += [visit(number, date(2025, 1, 1) + timedelta(days=days)), charge(amount, number)]
    return given(*told)
