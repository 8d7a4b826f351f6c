"""What happens when an instalment falls due: it is charged or asked for, and a plan that stays unpaid ends."""

from datetime import datetime, timedelta

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.allocation import allocate
from services.payments.domain.instalment_timer import (
    UNPAID,
    GraceTimer,
    InstalmentTimer,
    grace_timer,
    instalment_timer,
    next_timer,
)
from services.payments.domain.payment import PLAN_ITSELF, accepted, begin, charge
from services.payments.domain.plan_end import complete, ended, is_over, under_way
from services.payments.domain.plan_events import instalment_told
from services.payments.domain.records import Plan, PlanInstalment
from services.payments.domain.respreading import by_bank
from services.payments.domain.schedule import ATTEMPTS_MAX, NOTICE, banking_day, moment
from services.payments.domain.work import raise_work
from shared.digests import digest
from shared.events.envelope import Message
from shared.events.plans import InstalmentDue, PlanDefaulted
from shared.events.vocabulary import About
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task


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
    if is_over(account, plan):
        return complete(account, plan)
    owed_minor = account.owed_minor(plan.plan_id)
    if owed_minor <= 0 or _bank_rests(plan, now):
        return Decision(account, tasks=(instalment_timer(account, plan, one, _next_day(now)),))
    # What the insurance has paid meanwhile, or a credit covers, is not asked for.
    one = replace(one, amount_minor=one.paid_minor + min(one.left_minor, owed_minor))
    # A bank that was asked as often as its rules allow is asked no more, though the plan went on since.
    by_itself = plan.autopay and plan.method is not None and one.attempts < ATTEMPTS_MAX
    decided = Decision(account)
    if not again:
        # A part may have been paid before its day.
        due = InstalmentDue(**instalment_told(account, plan, one), amount_minor=one.left_minor, autopay=by_itself)
        decided = Decision(account, (Event(due, key=account.number),))
    if by_itself:
        return decided.then(_charge(account, plan, one, message.correlation, now))
    after = account.with_plan(plan.with_instalment(replace(one, status="due")))
    timers = (grace_timer(after, plan, one, now + NOTICE), *_following(after, plan, one, now))
    return decided.then(Decision(after, tasks=timers))


def out_of_grace(account: GuarantorAccount, timer: GraceTimer, now: datetime) -> Decision[GuarantorAccount]:
    """End a plan of which an instalment stayed unpaid; while a payment of it is under way, not yet."""
    plan = _current(account, timer)
    one = plan.instalment(timer.number) if plan else None
    if plan is None or one is None or one.status not in UNPAID or timer.attempts not in (None, one.attempts):
        return Decision(account)
    if is_over(account, plan):
        return complete(account, plan)
    if under_way(account, plan):
        return Decision(account, tasks=(grace_timer(account, plan, one, _next_day(now)),))
    reason = f"Instalment {timer.number} was not paid."
    defaulted = ended(account, replace(plan, status="defaulted", reason=reason))
    told = PlanDefaulted(plan_id=plan.plan_id, account_number=account.number, reason=reason)
    about = About(account_number=account.number, plan_id=plan.plan_id)
    after, work = raise_work(defaulted, "plan-defaulted", about, now, (("Reason", reason),))
    return Decision(after, (Event(told, key=account.number), work))


def _charge(
    account: GuarantorAccount, plan: Plan, one: PlanInstalment, correlationid: str, now: datetime
) -> Decision[GuarantorAccount]:
    """Have the plan's method charged, with a payment of its own."""
    assert plan.method is not None  # noqa: S101  # asked before
    allocation = allocate(account, one.left_minor, None, plan.plan_id)
    if isinstance(allocation, str):
        waiting = replace(one, status="due")
        after = account.with_plan(plan.with_instalment(waiting))
        again = instalment_timer(after, plan, waiting, _next_day(now))
        return Decision(after, tasks=(again, *_following(after, plan, one, now)))
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
    after = account.with_plan(plan.with_instalment(tried)).with_payment(payment)
    tasks = (charge(after, payment, plan.method.token, now), *_following(after, plan, one, now))
    return Decision(after, (accepted(after, payment),), tasks)


def _following(account: GuarantorAccount, plan: Plan, one: PlanInstalment, now: datetime) -> tuple[Task, ...]:
    """Return the timer of the instalment after this one, unless it was set when this one fell due before."""
    return next_timer(account, account.plans[plan.plan_id], now) if one.status == "scheduled" else ()


def _bank_rests(plan: Plan, now: datetime) -> bool:
    """Tell whether a bank would be debited on a day without banking, since something was waited for."""
    return by_bank(plan) and banking_day(now.date()) != now.date()


def _next_day(now: datetime) -> datetime:
    """Return when to look again for what waits for another payment: the next day it is known what is left."""
    return moment(now.date() + timedelta(days=1))


def _current(account: GuarantorAccount, timer: InstalmentTimer | GraceTimer) -> Plan | None:
    """Return the plan of a timer, if it is active and has not been changed since."""
    plan = account.plans.get(timer.plan_id)
    return plan if plan and plan.status == "active" and plan.revision == timer.revision else None
