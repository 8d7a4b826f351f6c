"""What becomes of the instalments of a plan when a payment of it is made, fails, or comes back.

A failure is tried again by the rules of its code; then the payer has some days to pay by hand.
"""

from datetime import date, datetime
from typing import Final

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.autopay import by_hand, made_with_its_method, may_go_on
from services.payments.domain.instalment_timer import grace_timer, instalment_timer, next_timer
from services.payments.domain.plan_end import complete, is_over
from services.payments.domain.plan_events import instalment_told, tell_schedule
from services.payments.domain.records import InstalmentStatus, Payment, Plan, PlanInstalment
from services.payments.domain.schedule import ATTEMPTS_MAX, NOTICE, RETRY_AFTER, banking_day, moment
from shared.events.payments import Allocation
from shared.events.plans import InstalmentFailed, InstalmentPaid, PlanChanged
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

TRIED_AGAIN: Final = frozenset(
    {"R01", "R09", "insufficient_funds", "processing_error", "issuer_unavailable", "not_received"}
)
"""After these a later attempt may succeed; after all others the payer has to do something.

A card that was declined without a further reason is not asked again: that may be for good, and schemes fine it.
"""

REVOKING: Final = frozenset({"R02", "R03", "R04", "R05", "R07", "R10", "R11", "R29"})
"""The account is wrong, or its holder has not authorized the debit: nothing is taken from it again."""

DISPUTE_LOST: Final = "dispute_lost"
"""The card holder got the money back: nothing is taken from the card again."""


def paid(account: GuarantorAccount, payment: Payment, now: datetime) -> Decision[GuarantorAccount]:
    """Count a payment towards its plan, also one that ended meanwhile: its own instalment, then the oldest.

    Where a part of its own instalment came back while it was under way, that part is left to be paid by hand.
    """
    plan = account.plans.get(payment.plan_id or "")
    if plan is None:
        return Decision(account)
    left_minor, instalments = payment.amount_minor, {one.number: one for one in plan.instalments}
    events: list[Event] = []
    tasks: list[Task] = []
    for one in sorted(plan.instalments, key=lambda one: (one.payment_id != payment.payment_id, one.number)):
        ours = one.payment_id == payment.payment_id or one.status != "processing"
        part_minor = min(left_minor, one.left_minor) if ours else 0
        if part_minor <= 0:
            continue
        left_minor -= part_minor
        counted = replace(one, paid_minor=one.paid_minor + part_minor, payment_id=payment.payment_id)
        if not counted.left_minor:
            counted = replace(counted, status="paid")
            paid_one = InstalmentPaid(
                **instalment_told(account, plan, counted),
                amount_minor=counted.amount_minor,
                payment_id=counted.payment_id,
            )
            events.append(Event(paid_one, key=account.number))
        elif one.status == "processing":
            counted = replace(counted, status="failed")
            tasks.append(grace_timer(account, plan, counted, now + NOTICE))
        instalments[one.number] = counted
    plan = replace(plan, instalments=tuple(instalments[number] for number in sorted(instalments)))
    after = _counted(account.with_plan(plan), plan, payment.allocation, -1)
    decided = Decision(after, tuple(events), tuple(tasks) if plan.is_open else ())
    return decided.then(complete(after, plan)) if plan.is_open and is_over(after, plan) else decided


def failed(account: GuarantorAccount, payment: Payment, reason: str, now: datetime) -> Decision[GuarantorAccount]:
    """Go on after an instalment's own payment failed; one that somebody made by hand changes nothing."""
    plan = account.plans.get(payment.plan_id or "")
    one = _paid_by(plan, payment) if plan else None
    if plan is None or one is None or payment.instalment is None:
        return Decision(account)
    return _missed(account, plan, one, payment, reason, now)


def returned(
    account: GuarantorAccount, payment: Payment, back: Allocation, reason: str, now: datetime
) -> Decision[GuarantorAccount]:
    """Reopen what a payment had paid, since its money went back; a plan that it completed goes on.

    It takes nothing by itself from somebody who left the account meanwhile, or removed what paid it.
    One whose visits are in another plan by now stays as it is: what came back is owed beside that one.
    """
    plan = account.plans.get(payment.plan_id or "")
    if plan is None or plan.status in ("cancelled", "defaulted"):
        return Decision(account)
    elsewhere = (account.visit(share.visit_account_number).plan_id not in (None, plan.plan_id) for share in back)
    if plan.status == "completed" and any(elsewhere):
        return Decision(account)
    reopened = _reopened(plan, payment, sum(share.amount_minor for share in back), now)
    if not reopened:
        return Decision(account)
    goes_on = plan.status == "completed"
    if goes_on:
        by_itself = may_go_on(account, plan) and not (_stops(reason) and made_with_its_method(plan, payment))
        plan = replace(plan if by_itself else by_hand(plan), status="active")
        for visit in (account.visit(number) for number in plan.visits):
            if visit.plan_id is None:
                account = account.with_visit(replace(visit, plan_id=plan.plan_id, planned_minor=0))
    plan = replace(plan, instalments=tuple(reopened.get(one.number, one) for one in plan.instalments))
    account = _counted(account.with_plan(plan), plan, back, 1)
    decided = Decision(account, (tell_schedule(account, plan, PlanChanged),) if goes_on else ())
    for _, one in sorted(reopened.items()):
        plan = decided.state.plans[plan.plan_id]
        if one.status != "scheduled":
            decided = decided.then(_missed(decided.state, plan, one, payment, reason, now))
    if goes_on:
        # The timers from before it was completed do nothing any more.
        timer = next_timer(decided.state, decided.state.plans[plan.plan_id], now)
        decided = decided.then(Decision(decided.state, tasks=timer))
    return decided


def _missed(
    account: GuarantorAccount, plan: Plan, one: PlanInstalment, payment: Payment, reason: str, now: datetime
) -> Decision[GuarantorAccount]:
    """Try again if the reason allows it, else leave some days to pay by hand; an ended plan does neither.

    While another payment of the instalment is under way, what becomes of it is known when that ends.
    """
    goes_on = one.status == "processing" and one.payment_id != payment.payment_id
    missed = one if goes_on else replace(one, status="failed")
    own = not goes_on and payment.instalment is not None and plan.autopay and plan.method is not None
    again = own and reason in TRIED_AGAIN and one.attempts < ATTEMPTS_MAX and plan.status == "active"
    retry_on: date | None = None
    if again:
        retry_on = (now + RETRY_AFTER).date()
        retry_on = banking_day(retry_on) if payment.method.kind == "bank_account" else retry_on
    after = account.with_plan(plan.with_instalment(missed))
    told = InstalmentFailed(
        **instalment_told(account, plan, missed),
        amount_minor=missed.amount_minor,
        payment_id=payment.payment_id,
        reason=reason,
        retry_on=retry_on,
    )
    timer: tuple[Task, ...] = ()
    if retry_on:
        timer = (instalment_timer(after, plan, missed, moment(retry_on)),)
    elif plan.is_open and not goes_on:
        timer = (grace_timer(after, plan, missed, now + NOTICE),)
    return Decision(after, (Event(told, key=account.number),), timer)


def _reopened(plan: Plan, payment: Payment, left_minor: int, now: datetime) -> dict[int, PlanInstalment]:
    """Return the instalments without what came back of a payment: its own first, then the newest.

    One that was paid ahead may still be to come, and one under way goes on; all others have failed.
    """
    reopened = {}
    for one in sorted(plan.instalments, key=lambda one: (one.payment_id != payment.payment_id, -one.number)):
        part_minor = min(left_minor, one.paid_minor)
        if part_minor > 0:
            left_minor -= part_minor
            to_come = _ahead(payment, one) and moment(one.due_on) > now
            status: InstalmentStatus = "scheduled" if to_come else "failed"
            if one.status in ("processing", "scheduled"):
                status = one.status
            reopened[one.number] = replace(one, paid_minor=one.paid_minor - part_minor, status=status)
    return reopened


def _stops(reason: str) -> bool:
    """Tell whether nothing is taken again from what a payment was made with that failed or came back."""
    return reason in REVOKING or reason == DISPUTE_LOST


def _ahead(payment: Payment, one: PlanInstalment) -> bool:
    """Tell whether a payment was made before an instalment fell due."""
    return payment.created_at < moment(one.due_on)


def _paid_by(plan: Plan, payment: Payment) -> PlanInstalment | None:
    """Return the first instalment that a payment pays."""
    return next((one for one in plan.instalments if one.payment_id == payment.payment_id), None)


def _counted(account: GuarantorAccount, plan: Plan, allocation: Allocation, sign: int) -> GuarantorAccount:
    """Return the account with less (-1) or again more (1) of its visits to be paid by a plan."""
    for share in allocation:
        visit = account.visit(share.visit_account_number)
        if visit.plan_id == plan.plan_id and visit.planned_minor is not None:
            planned_minor = visit.planned_minor + sign * share.amount_minor
            planned_minor = max(min(planned_minor, visit.balance_minor), 0)
            account = account.with_visit(replace(visit, planned_minor=planned_minor))
    return account
