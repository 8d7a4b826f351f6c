"""What is told of a plan: its instalments as they are now, and what becomes of each."""

from datetime import date
from typing import TypedDict

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.records import Plan, PlanInstalment
from shared.events.envelope import Outcome
from shared.events.plans import Instalment, PlanChanged, PlanResumed, PlanStarted
from shared.messaging.decision import Event


def tell_schedule(
    account: GuarantorAccount,
    plan: Plan,
    cls: type[PlanStarted] | type[PlanChanged] | type[PlanResumed],
    outcome: Outcome | None = None,
) -> Event:
    """Return the event that tells the instalments of a plan, with `outcome` where somebody asked for them."""
    instalments = tuple(
        Instalment(number=one.number, due_on=one.due_on, amount_minor=one.amount_minor) for one in plan.instalments
    )
    told = cls(
        plan_id=plan.plan_id, account_number=account.number, currency=plan.currency, instalments=instalments
    )
    return Event(told, outcome, account.number)


class InstalmentTold(TypedDict):
    """What every event about an instalment says."""

    plan_id: str
    account_number: str
    number: int
    due_on: date
    currency: str


def instalment_told(account: GuarantorAccount, plan: Plan, one: PlanInstalment) -> InstalmentTold:
    """Return what every event about an instalment says of this one."""
    return {
        "plan_id": plan.plan_id,
        "account_number": account.number,
        "number": one.number,
        "due_on": one.due_on,
        "currency": plan.currency,
    }
