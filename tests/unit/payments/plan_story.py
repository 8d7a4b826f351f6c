"""Payment plans as the tests of them begin: started, due, declined, and what is read of them."""

from datetime import date, datetime
from typing import Any

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.records import Plan
from shared.events.envelope import Data
from shared.events.plans import Authorization
from shared.events.vocabulary import Method
from shared.messaging.decision import Decision
from tests.unit.payments.story import (
    NOW,
    NUMBER,
    answer,
    outcome,
    owing,
    start_plan,
    submit,
    when,
)

BANK = Method(kind="bank_account", token="tok_bank_ok", last4="6789")
BY_BANK: dict[str, Any] = {"method": BANK, "authorization": Authorization(text_version="v1", accepted_at=NOW)}
"""A bank account, and the consent to being debited from it."""

PLAN: dict[str, Any] = {"plan_id": "plan-1", "account_number": NUMBER}


def started(owed_minor: int = 13_000, monthly_minor: int = 5_000, **changes: Any) -> GuarantorAccount:
    return when(owing(V1=owed_minor), start_plan(monthly_minor, **changes)).state


def plan_of(account: GuarantorAccount) -> Plan:
    return account.plans["plan-1"]


def timers(decision: Decision[GuarantorAccount]) -> list[tuple[Data, datetime | None]]:
    return [
        (task.data, task.due_at) for task in decision.tasks if isinstance(task.data, InstalmentTimer | GraceTimer)
    ]


def due(account: GuarantorAccount, number: int = 1, at: datetime | None = None) -> Decision[GuarantorAccount]:
    """Let an instalment fall due on its day."""
    plan = plan_of(account)
    timer = InstalmentTimer(**PLAN, number=number, revision=plan.revision)
    day = plan.instalment(number).due_on
    return when(account, timer, at=at or NOW.replace(year=day.year, month=day.month, day=day.day))


def paid_by(account: GuarantorAccount, number: int = 1) -> str:
    payment_id = plan_of(account).instalment(number).payment_id
    assert payment_id is not None
    return payment_id


def failed_three_times(account: GuarantorAccount) -> Decision[GuarantorAccount]:
    for _ in range(3):
        fell_due = due(account).state
        decision = when(fell_due, answer("declined", payment_id=paid_by(fell_due), reason="insufficient_funds"))
        account = decision.state
    return decision


def host(account: GuarantorAccount, *told: Data) -> GuarantorAccount:
    for data in told:
        account = when(account, data, actor="host:billing").state
    return account


def pay(
    account: GuarantorAccount, amount_minor: int, payment_id: str, *, at: datetime = NOW, **asked: Any
) -> GuarantorAccount:
    paying = when(account, submit(amount_minor, payment_id, **asked), at=at)
    assert outcome(paying) == ("done", None)
    return when(paying.state, answer("succeeded", payment_id=payment_id), at=at).state


def declined(account: GuarantorAccount, reason: str) -> Decision[GuarantorAccount]:
    fell_due = due(account).state
    return when(fell_due, answer("declined", payment_id=paid_by(fell_due), reason=reason))


def returned(account: GuarantorAccount, reason: str) -> Decision[GuarantorAccount]:
    fell_due = due(account).state
    payment_id = paid_by(fell_due)
    taken = when(fell_due, answer("succeeded", payment_id=payment_id)).state
    return when(taken, answer("succeeded", payment_id=payment_id, query=None, stands="returned", reason=reason))


def due_on(account: GuarantorAccount) -> list[date]:
    return [one.due_on for one in plan_of(account).instalments]
