"""What happens to the instalments of a plan: they fall due, are charged or asked for, paid, fail, or come back.

A failure is tried again by the rules of its code; then the payer has some days to pay by hand; then the plan ends.
"""

from datetime import datetime
from typing import Final

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.allocation import allocate
from services.payments.domain.autopay import by_hand, made_with_its_method, may_go_on
from services.payments.domain.instalment_timer import (
    UNPAID,
    GraceTimer,
    InstalmentTimer,
    ended,
    grace_timer,
    instalment_timer,
    next_timer,
    plan_changed,
)
from services.payments.domain.payment import PLAN_ITSELF, accepted, begin, charge
from services.payments.domain.proofs import digest
from services.payments.domain.records import InstalmentStatus, Payment, Plan, PlanInstalment
from services.payments.domain.schedule import ATTEMPTS_MAX, NOTICE, RETRY_AFTER, banking_day, moment
from services.payments.domain.work import raise_work
from shared.events.envelope import Message
from shared.events.payments import Allocation
from shared.events.plans import (
    InstalmentDue,
    InstalmentFailed,
    InstalmentPaid,
    PlanCompleted,
    PlanDefaulted,
)
from shared.events.vocabulary import About
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

TRIED_AGAIN: Final = frozenset(
    {"R01", "R09", "insufficient_funds", "card_declined", "processing_error", "issuer_unavailable", "not_received"}
)
"""After these a later attempt may succeed; after all others the payer has to do something."""

REVOKING: Final = frozenset({"R02", "R03", "R04", "R05", "R07", "R10", "R11", "R29"})
"""The account is wrong, or its holder has not authorized the debit: nothing is taken from it again."""

DISPUTE_LOST: Final = "dispute_lost"
"""The card holder got the money back: nothing is taken from the card again."""

Step = tuple[GuarantorAccount, tuple[Event, ...], tuple[Task, ...]]


def fall_due(
    account: GuarantorAccount, message: Message[InstalmentTimer], now: datetime
) -> Decision[GuarantorAccount]:
    """Charge an instalment, or ask the payer for it; one that needs neither any more is passed over."""
    timer = message.data
    plan = _current(account, timer)
    if plan is None:
        return Decision(account)
    one = plan.instalment(timer.number)
    again = one.status in UNPAID if timer.again is None else timer.again
    if one.status not in (UNPAID if again else ("scheduled",)):
        return Decision(account, tasks=() if again else next_timer(account, plan, now))
    if _is_over(account, plan):
        after, events = _complete(account, plan)
        return Decision(after, events)
    owed_minor = account.owed_minor(plan.plan_id)
    if owed_minor <= 0:
        return Decision(account, tasks=(instalment_timer(account, plan, one, _next_day(now)),))
    # What the insurance has paid meanwhile, or a credit covers, is not asked for.
    one = replace(one, amount_minor=one.paid_minor + min(one.left_minor, owed_minor))
    # A bank that was asked as often as its rules allow is asked no more, though the plan went on since.
    by_itself = plan.autopay and plan.method is not None and one.attempts < ATTEMPTS_MAX
    # A part may have been paid before its day.
    said = {"amount_minor": one.left_minor, "payment_id": None, "autopay": by_itself}
    due = () if again else (_told(account, plan, one, InstalmentDue, **said),)
    if by_itself:
        return _charge(account, plan, one, due, message.correlation, now)
    after = _with(account, plan, replace(one, status="due"))
    return Decision(after, due, (grace_timer(after, plan, one, now + NOTICE), *_following(after, plan, one, now)))


def out_of_grace(account: GuarantorAccount, timer: GraceTimer, now: datetime) -> Decision[GuarantorAccount]:
    """End a plan of which an instalment stayed unpaid; while a payment of it is under way, not yet."""
    plan = _current(account, timer)
    one = plan.instalment(timer.number) if plan else None
    if plan is None or one is None or one.status not in UNPAID or timer.attempts not in (None, one.attempts):
        return Decision(account)
    if _is_over(account, plan):
        after, events = _complete(account, plan)
        return Decision(after, events)
    if _under_way(account, plan):
        return Decision(account, tasks=(grace_timer(account, plan, one, _next_day(now)),))
    reason = f"Instalment {timer.number} was not paid."
    defaulted = ended(account, replace(plan, status="defaulted", reason=reason))
    told = PlanDefaulted(plan_id=plan.plan_id, account_number=account.number, reason=reason)
    about = About(account_number=account.number, plan_id=plan.plan_id)
    after, work = raise_work(defaulted, "plan-defaulted", about, now, (("Reason", reason),))
    return Decision(after, (Event(told, key=account.number), work))


def paid(account: GuarantorAccount, payment: Payment, now: datetime) -> Step:
    """Count a payment towards its plan, also one that ended meanwhile: its own instalment, then the oldest.

    Where a part of its own instalment came back while it was under way, that part is left to be paid by hand.
    """
    plan = account.plans.get(payment.plan_id or "")
    if plan is None:
        return account, (), ()
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
            events.append(_told(account, plan, counted, InstalmentPaid))
        elif one.status == "processing":
            counted = replace(counted, status="failed")
            tasks.append(grace_timer(account, plan, counted, now + NOTICE))
        instalments[one.number] = counted
    plan = replace(plan, instalments=tuple(instalments[number] for number in sorted(instalments)))
    account = _counted(account.with_plan(plan), plan, payment.allocation, -1)
    if plan.is_open and _is_over(account, plan):
        account, completed = _complete(account, plan)
        events += completed
    return account, tuple(events), tuple(tasks) if plan.is_open else ()


def complete_settled(account: GuarantorAccount) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """End the plans whose visits owe nothing any more, or were closed: there is nothing to wait for.

    A credit elsewhere may be on its way to where it belongs, so it ends a plan only when an instalment falls due.
    """
    events: tuple[Event, ...] = ()
    for plan in account.plans.values():
        owed_minor = sum(account.due_minor(plan.plan_id).values())
        if plan.is_open and owed_minor <= 0 and not _under_way(account, plan):
            account, completed = _complete(account, plan)
            events = (*events, *completed)
    return account, events


def failed(account: GuarantorAccount, payment: Payment, reason: str, now: datetime) -> Step:
    """Go on after an instalment's own payment failed; one that somebody made by hand changes nothing."""
    plan = account.plans.get(payment.plan_id or "")
    one = _paid_by(plan, payment) if plan else None
    if plan is None or one is None or payment.instalment is None:
        return account, (), ()
    return _missed(account, plan, one, payment, reason, now)


def returned(account: GuarantorAccount, payment: Payment, back: Allocation, reason: str, now: datetime) -> Step:
    """Reopen what a payment had paid, since its money went back; a plan that it completed goes on.

    It takes nothing by itself from somebody who left the account meanwhile, or removed what paid it.
    One whose visits are in another plan by now stays as it is: what came back is owed beside that one.
    """
    plan = account.plans.get(payment.plan_id or "")
    if plan is None or plan.status in ("cancelled", "defaulted"):
        return account, (), ()
    elsewhere = (account.visit(share.visit_account_number).plan_id not in (None, plan.plan_id) for share in back)
    if plan.status == "completed" and any(elsewhere):
        return account, (), ()
    reopened = _reopened(plan, payment, sum(share.amount_minor for share in back), now)
    if not reopened:
        return account, (), ()
    goes_on = plan.status == "completed"
    if goes_on:
        plan = replace(plan if may_go_on(account, plan) else by_hand(plan), status="active")
        for visit in (account.visit(number) for number in plan.visits):
            if visit.plan_id is None:
                account = account.with_visit(replace(visit, plan_id=plan.plan_id, planned_minor=0))
    plan = replace(plan, instalments=tuple(reopened.get(one.number, one) for one in plan.instalments))
    account = _counted(account.with_plan(plan), plan, back, 1)
    events: tuple[Event, ...] = (plan_changed(account, plan),) if goes_on else ()
    tasks: tuple[Task, ...] = ()
    for _, one in sorted(reopened.items()):
        plan = account.plans[plan.plan_id]
        if one.status != "scheduled":
            account, told, timers = _missed(account, plan, one, payment, reason, now)
            events, tasks = (*events, *told), (*tasks, *timers)
    if goes_on:
        # The timers from before it was completed do nothing any more.
        tasks = (*tasks, *next_timer(account, account.plans[plan.plan_id], now))
    return account, events, tasks


def _charge(
    account: GuarantorAccount,
    plan: Plan,
    one: PlanInstalment,
    due: tuple[Event, ...],
    correlationid: str,
    now: datetime,
) -> Decision[GuarantorAccount]:
    """Have the plan's method charged, with a payment of its own."""
    assert plan.method is not None  # noqa: S101  # asked before
    allocation = allocate(account, one.left_minor, None, plan.plan_id)
    if isinstance(allocation, str):
        waiting = replace(one, status="due")
        after = _with(account, plan, waiting)
        again = instalment_timer(after, plan, waiting, _next_day(now))
        return Decision(after, due, (again, *_following(after, plan, one, now)))
    tried = replace(one, status="processing", attempts=one.attempts + 1)
    name = digest("instalment", account.number, plan.plan_id, plan.revision, one.number, tried.attempts).hex()
    tried = replace(tried, payment_id=name)
    payment = begin(
        account,
        name,
        allocation,
        plan.method,
        fingerprint=digest(name),
        actor=PLAN_ITSELF,
        now=now,
        plan_id=plan.plan_id,
        instalment=one.number,
        correlationid=correlationid,
    )
    after = _with(account, plan, tried).with_payment(payment)
    tasks = (charge(after, payment, plan.method.token, now), *_following(after, plan, one, now))
    return Decision(after, (*due, accepted(after, payment)), tasks)


def _next_day(now: datetime) -> datetime:
    """Return when to look again for what waits for another payment: the next day it is known what is left."""
    return moment(now.date()) + RETRY_AFTER / 3


def _following(account: GuarantorAccount, plan: Plan, one: PlanInstalment, now: datetime) -> tuple[Task, ...]:
    """Return the timer of the instalment after this one, unless it was set when this one fell due before."""
    return next_timer(account, account.plans[plan.plan_id], now) if one.status == "scheduled" else ()


def _missed(
    account: GuarantorAccount, plan: Plan, one: PlanInstalment, payment: Payment, reason: str, now: datetime
) -> Step:
    """Try again if the reason allows it, else leave some days to pay by hand; an ended plan does neither.

    While another payment of the instalment is under way, what becomes of it is known when that ends.
    """
    if (reason in REVOKING or reason == DISPUTE_LOST) and made_with_its_method(plan, payment):
        plan = by_hand(plan)
    goes_on = one.status == "processing" and one.payment_id != payment.payment_id
    missed = one if goes_on else replace(one, status="failed")
    own = not goes_on and payment.instalment is not None and plan.autopay and plan.method is not None
    again = own and reason in TRIED_AGAIN and one.attempts < ATTEMPTS_MAX and plan.status == "active"
    retry_on = None
    if again:
        retry_on = (now + RETRY_AFTER).date()
        retry_on = banking_day(retry_on) if payment.method.kind == "bank_account" else retry_on
    after = _with(account, plan, missed)
    said = {"payment_id": payment.payment_id, "reason": reason, "retry_on": retry_on}
    told = _told(account, plan, missed, InstalmentFailed, **said)
    if not plan.is_open or goes_on:
        return after, (told,), ()
    timer = (
        instalment_timer(after, plan, missed, moment(retry_on))
        if retry_on
        else grace_timer(after, plan, missed, now + NOTICE)
    )
    return after, (told,), (timer,)


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


def _ahead(payment: Payment, one: PlanInstalment) -> bool:
    """Tell whether a payment was made before an instalment fell due."""
    return payment.created_at < moment(one.due_on)


def _paid_by(plan: Plan, payment: Payment) -> PlanInstalment | None:
    """Return the first instalment that a payment pays."""
    return next((one for one in plan.instalments if one.payment_id == payment.payment_id), None)


def _current(account: GuarantorAccount, timer: InstalmentTimer | GraceTimer) -> Plan | None:
    """Return the plan of a timer, if it is active and has not been changed since."""
    plan = account.plans.get(timer.plan_id)
    return plan if plan and plan.status == "active" and plan.revision == timer.revision else None


def _counted(account: GuarantorAccount, plan: Plan, allocation: Allocation, sign: int) -> GuarantorAccount:
    """Return the account with less (-1) or again more (1) of its visits to be paid by a plan."""
    for share in allocation:
        visit = account.visit(share.visit_account_number)
        if visit.plan_id == plan.plan_id and visit.planned_minor is not None:
            planned_minor = visit.planned_minor + sign * share.amount_minor
            planned_minor = max(min(planned_minor, visit.balance_minor), 0)
            account = account.with_visit(replace(visit, planned_minor=planned_minor))
    return account


def _with(account: GuarantorAccount, plan: Plan, one: PlanInstalment) -> GuarantorAccount:
    instalments = tuple(one if each.number == one.number else each for each in plan.instalments)
    return account.with_plan(replace(plan, instalments=instalments))


def _is_over(account: GuarantorAccount, plan: Plan) -> bool:
    """Tell whether a plan has nothing more to collect; a payment under way has still to count."""
    return plan.left_minor <= 0 or (account.owed_minor(plan.plan_id) <= 0 and not _under_way(account, plan))


def _under_way(account: GuarantorAccount, plan: Plan) -> bool:
    """Tell whether a payment of a plan has not ended, whoever made it."""
    return any(payment.is_open and payment.plan_id == plan.plan_id for payment in account.payments.values())


def _complete(account: GuarantorAccount, plan: Plan) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """End a plan as paid: what nobody owes any more is no part of it."""
    events, instalments = [], []
    for one in plan.instalments:
        paid_one = replace(one, amount_minor=one.paid_minor, status="paid")
        if one.paid_minor:
            instalments.append(paid_one)
        if one.paid_minor and one.status != "paid":
            events.append(_told(account, plan, paid_one, InstalmentPaid))
    plan = replace(plan, status="completed", instalments=tuple(instalments))
    told = PlanCompleted(plan_id=plan.plan_id, account_number=account.number)
    return ended(account, plan), (*events, Event(told, key=account.number))


def _told(
    account: GuarantorAccount,
    plan: Plan,
    one: PlanInstalment,
    cls: type[InstalmentDue] | type[InstalmentPaid] | type[InstalmentFailed],
    **said: object,
) -> Event:
    return Event(
        cls.model_validate(
            {
                "plan_id": plan.plan_id,
                "account_number": account.number,
                "number": one.number,
                "due_on": one.due_on,
                "amount_minor": one.amount_minor,
                "currency": plan.currency,
                "payment_id": one.payment_id,
                **said,
            }
        ),
        key=account.number,
    )
