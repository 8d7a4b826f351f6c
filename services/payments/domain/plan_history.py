"""What is kept for good of a plan: each way in which it stood, since when, and who brought it about."""

from datetime import datetime

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.records import Plan, PlanEntry
from shared.events.payments import MethodShown
from shared.frozen import replace
from shared.messaging.decision import Decision


def note_plans(
    before: GuarantorAccount, decided: Decision[GuarantorAccount], actor: str, now: datetime
) -> Decision[GuarantorAccount]:
    """Return a decision that also notes which plans stand otherwise than before, whatever did it."""
    account = decided.state
    noted = tuple(
        entry
        for plan in account.plans.values()
        if (known := before.plans.get(plan.plan_id)) is not plan
        and (
            (entry := _entry(plan, actor, now)) != (known and _entry(known, actor, now))
            # Another account may look the same.
            or plan.method != (known and known.method)
        )
    )
    if not noted:
        return decided
    return decided._replace(state=replace(account, plan_history=(*account.plan_history, *noted)))


def _entry(plan: Plan, actor: str, now: datetime) -> PlanEntry:
    method = plan.method
    return PlanEntry(
        plan_id=plan.plan_id,
        at=now,
        actor=actor,
        status=plan.status,
        monthly_amount_minor=plan.monthly_amount_minor,
        day_of_month=plan.day_of_month,
        autopay=plan.autopay,
        method=MethodShown(kind=method.kind, last4=method.last4, brand=method.brand) if method else None,
        authorization=plan.authorization,
        reason=plan.reason,
        person_id=plan.person_id,
    )
