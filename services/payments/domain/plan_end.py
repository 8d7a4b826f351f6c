"""How a plan ends: once it has nothing more to collect, or before; its visits are then paid like all others."""

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.plan_events import instalment_told
from services.payments.domain.records import Plan
from shared.events.plans import InstalmentPaid, PlanCompleted
from shared.frozen import replace
from shared.messaging.decision import Decision, Event


def ended(account: GuarantorAccount, plan: Plan) -> GuarantorAccount:
    """Return the account with a plan that has ended: its visits can be paid like all others again."""
    visits = {
        number: replace(visit, plan_id=None, planned_minor=None) if visit.plan_id == plan.plan_id else visit
        for number, visit in account.visits.items()
    }
    return replace(account, visits=visits).with_plan(replace(plan, revision=plan.revision + 1))


def complete(account: GuarantorAccount, plan: Plan) -> Decision[GuarantorAccount]:
    """End a plan as paid: what nobody owes any more is no part of it."""
    events, instalments = [], []
    for one in plan.instalments:
        paid_minor = one.paid_minor
        if paid_minor:
            instalments.append(replace(one, amount_minor=paid_minor, status="paid"))
        if paid_minor and one.status != "paid":
            told = instalment_told(account, plan, one)
            events.append(InstalmentPaid(**told, amount_minor=paid_minor, payment_id=one.payment_id))
    plan = replace(plan, status="completed", instalments=tuple(instalments))
    completed = PlanCompleted(plan_id=plan.plan_id, account_number=account.number)
    return Decision(ended(account, plan), tuple(Event(data, key=account.number) for data in (*events, completed)))


def complete_settled(account: GuarantorAccount) -> Decision[GuarantorAccount]:
    """End the plans whose visits owe nothing any more, or were closed: there is nothing to wait for.

    A credit elsewhere may be on its way to where it belongs, so it ends a plan only when an instalment falls due.
    """
    decided = Decision(account)
    for plan in account.plans.values():
        owed_minor = sum(decided.state.due_minor(plan.plan_id).values())
        if plan.is_open and owed_minor <= 0 and not under_way(decided.state, plan):
            decided = decided.then(complete(decided.state, plan))
    return decided


def is_over(account: GuarantorAccount, plan: Plan) -> bool:
    """Tell whether a plan has nothing more to collect; a payment under way has still to count."""
    return plan.left_minor <= 0 or (account.owed_minor(plan.plan_id) <= 0 and not under_way(account, plan))


def under_way(account: GuarantorAccount, plan: Plan) -> bool:
    """Tell whether a payment of a plan has not ended, whoever made it."""
    return any(payment.is_open and payment.plan_id == plan.plan_id for payment in account.payments.values())
