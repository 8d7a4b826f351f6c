"""What a plan would be once it is changed: quoted by the rules that decide about the change itself."""

from datetime import datetime
from typing import Final

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.plan import Terms, arrange
from services.payments.domain.respreading import unpaid_minor
from services.payments.domain.rules import Rules
from services.payments.domain.schedule import by_months
from shared.events.envelope import message_of
from shared.events.payments import CommandRefused, RefusalReason
from shared.events.plans import Authorization, ChangePlan
from shared.events.vocabulary import Method, MethodKind

_NOBODYS: Final = "quoted"
"""Stands for the token and the consent that the change will bring: dates depend on the kind of method alone."""


def changed_terms(
    account: GuarantorAccount,
    plan_id: str,
    monthly_amount_minor: int | None,
    months: int | None,
    day_of_month: int,
    kind: MethodKind | None,
    actor: str,
    now: datetime,
    rules: Rules,
) -> Terms | RefusalReason:
    """Return what a plan would be after a change, with what is paid or under way; or why it cannot be.

    Args:
        account: whose plan it is.
        plan_id: which of its plans.
        monthly_amount_minor: of each instalment that is still to come.
        months: in how many to pay the rest, where no amount is given.
        day_of_month: the day that they fall due on.
        kind: what would pay them by itself; without one, what does now.
        actor: who asks.
        now: when it is changed.
        rules: the limits.
    """
    plan = account.plans.get(plan_id)
    if plan is None:
        return "not_found"
    if monthly_amount_minor is None:
        monthly_amount_minor = by_months(unpaid_minor(plan.instalments), months or 1)
    command = ChangePlan(
        plan_id=plan_id,
        account_number=account.number,
        monthly_amount_minor=monthly_amount_minor,
        day_of_month=day_of_month,
        autopay=True if kind else None,
        method=Method(kind=kind, token=_NOBODYS, last4="0000") if kind else None,
        authorization=Authorization(text_version=_NOBODYS, accepted_at=now) if kind else None,
    )
    asked = message_of(command, id="quote", source="payments", time=now, subject=account.number, actor=actor)
    decided = arrange(account, asked, now, rules)
    for event in decided.events:
        if isinstance(event.data, CommandRefused):
            return event.data.reason
    changed, visits = decided.state.plans[plan_id], decided.state.visits
    planned_minor = {number: visits[number].due_minor(plan_id) for number in changed.visits}
    total_minor = sum(one.amount_minor for one in changed.instalments)
    return Terms(planned_minor, total_minor, changed.monthly_amount_minor, changed.instalments)
