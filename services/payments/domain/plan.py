"""Payment plans as payers and staff arrange them: start, change, pause, resume, cancel.

What is in a plan is paid by it alone; what its visits are charged later is not in it. The dates live as one timer
for each plan: `collecting` says what happens when an instalment falls due.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.allocation import payable_minor
from services.payments.domain.autopay import missing, same_method
from services.payments.domain.instalment_timer import instalment_timer, next_timer
from services.payments.domain.payer import may_ask, person_of
from services.payments.domain.payment import saved_method
from services.payments.domain.plan_end import ended
from services.payments.domain.plan_events import tell_schedule
from services.payments.domain.proofs import digest
from services.payments.domain.records import Plan, PlanInstalment
from services.payments.domain.refusal import refuse
from services.payments.domain.respreading import by_bank, dated_anew, moved, spread_anew, unpaid_minor, untried
from services.payments.domain.rules import Rules
from services.payments.domain.schedule import (
    banking_day,
    by_amount,
    by_months,
    moment,
    months_taken,
    schedule,
)
from shared.events.envelope import Message
from shared.events.payments import RefusalReason
from shared.events.plans import (
    CancelPlan,
    ChangePlan,
    PausePlan,
    PlanCancelled,
    PlanChanged,
    PlanCommand,
    PlanPaused,
    PlanResumed,
    PlanStarted,
    ResumePlan,
    StartPlan,
)
from shared.events.vocabulary import Method, MethodKind
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

_FIRST_FIELDS: Final = {
    *("plan_id", "account_number", "visit_account_numbers", "monthly_amount_minor", "currency", "day_of_month"),
    *("autopay", "method", "method_id", "authorization"),
}
"""What a plan was started with when its fingerprint had nulls."""


@dataclass(frozen=True)
class Terms:
    """What a plan would be: how much of which visits, in all and a month, and which instalments."""

    planned_minor: Mapping[str, int]
    total_minor: int
    monthly_amount_minor: int
    instalments: tuple[PlanInstalment, ...]


def arrange(
    account: GuarantorAccount, message: Message[PlanCommand], now: datetime, rules: Rules
) -> Decision[GuarantorAccount]:
    """Do what is asked about a plan, or refuse it."""
    command, actor = message.data, message.actor
    if not may_ask(account, actor):
        return refuse(account, command, "not_found")
    if isinstance(command, StartPlan):
        return _start(account, command, actor, now, rules)
    plan = account.plans.get(command.plan_id)
    if plan is None:
        return refuse(account, command, "not_found")
    if not plan.is_open and not (isinstance(command, CancelPlan) and plan.status == "cancelled"):
        return refuse(account, command, "plan_ended")
    match command:
        case ChangePlan():
            decided = _change(account, plan, command, actor, now, rules)
        case PausePlan():
            decided = _pause(account, plan, command)
        case ResumePlan():
            decided = _resume(account, plan, command, now)
        case CancelPlan():
            decided = _cancel(account, plan, command)
        case _:
            assert_never(command)
    return decided


def terms(
    account: GuarantorAccount,
    visits: tuple[str, ...] | None,
    monthly_amount_minor: int | None,
    months: int | None,
    day_of_month: int,
    kind: MethodKind | None,
    now: datetime,
    rules: Rules,
) -> Terms | RefusalReason:
    """Return what a plan would be, or why there can be none.

    Args:
        account: what is owed.
        visits: those that it shall pay; all that owe something and are in no plan if absent or empty.
        monthly_amount_minor: of each instalment; the last is what remains.
        months: how many there shall be, where no amount is given.
        day_of_month: the day that they fall due on.
        kind: what pays them by itself, if anything does.
        now: when the plan starts.
        rules: the limits.
    """
    chosen = _visits(account, visits)
    if isinstance(chosen, str):
        return chosen
    planned_minor = _planned(account, chosen)
    total_minor = sum(planned_minor.values())
    if total_minor <= 0:
        return "amount_exceeds_balance" if account.owed_minor(None) <= 0 else "payment_in_progress"
    monthly_minor = (
        monthly_amount_minor if monthly_amount_minor is not None else by_months(total_minor, months or 1)
    )
    misfit = _misfit(total_minor, monthly_minor, rules)
    if misfit:
        return misfit
    instalments = schedule(
        by_amount(total_minor, monthly_minor, rules.instalment_min_minor),
        now.date(),
        day_of_month,
        bank=kind == "bank_account",
    )
    return Terms(planned_minor, total_minor, monthly_minor, instalments)


def _visits(account: GuarantorAccount, named: tuple[str, ...] | None) -> tuple[str, ...] | RefusalReason:
    """Return the visits that a plan pays, the oldest first."""
    numbers = tuple(dict.fromkeys(named or ()))
    visits = [account.visit(number) for number in numbers] or [
        visit for visit in account.visits.values() if not visit.closed and visit.balance_minor > 0
    ]
    reason: RefusalReason | None = None
    if any(number not in account.visits for number in numbers):
        reason = "not_found"
    elif any(visit.closed for visit in visits):
        reason = "account_closed"
    free = [visit for visit in visits if visit.plan_id is None and visit.balance_minor > 0]
    if not reason and (len(free) < len(visits) if numbers else not free):
        reason = "plan_exists" if any(visit.plan_id for visit in visits) else "amount_exceeds_balance"
    reserved = account.reserved_minor()
    if not reason and any(visit.number in reserved for visit in free):
        reason = "payment_in_progress"
    return reason or tuple(visit.number for visit in sorted(free, key=lambda visit: visit.age))


def _planned(account: GuarantorAccount, visits: tuple[str, ...]) -> dict[str, int]:
    """Return by visit what a plan pays of it: no more in all than can be paid now, and the first ones whole.

    A visit that nothing is left for is not in the plan.
    """
    left_minor, planned_minor = max(payable_minor(account, None), 0), {}
    for number in visits:
        part_minor = min(account.visits[number].balance_minor, left_minor)
        if part_minor > 0:
            planned_minor[number] = part_minor
            left_minor -= part_minor
    return planned_minor


def _misfit(total_minor: int, monthly_minor: int, rules: Rules) -> RefusalReason | None:
    if monthly_minor <= 0:
        return "amount_not_positive"
    if min(monthly_minor, total_minor) < rules.instalment_min_minor:
        return "instalment_too_small"
    months = months_taken(total_minor, monthly_minor, rules.instalment_min_minor)
    return "plan_too_long" if months > rules.plan_months_max else None


def _start(
    account: GuarantorAccount, command: StartPlan, actor: str, now: datetime, rules: Rules
) -> Decision[GuarantorAccount]:
    fingerprint, with_nulls = _fingerprints(command)
    known = account.plans.get(command.plan_id)
    if known is not None and known.fingerprint in (fingerprint, with_nulls):
        return Decision(account, (tell_schedule(account, known, PlanStarted, "done"),))
    method = command.method or saved_method(account, command.method_id, person_of(account, actor))
    reason = _start_fault(account, command, known, method, now)
    found = reason or terms(
        account,
        command.visit_account_numbers,
        command.monthly_amount_minor,
        None,
        command.day_of_month,
        method.kind if method and command.autopay else None,
        now,
        rules,
    )
    if isinstance(found, str):
        return refuse(account, command, found)
    plan = Plan(
        plan_id=command.plan_id,
        visits=tuple(found.planned_minor),
        currency=command.currency,
        monthly_amount_minor=command.monthly_amount_minor,
        day_of_month=command.day_of_month,
        autopay=command.autopay,
        method=method if command.autopay else None,
        method_id=command.method_id if command.autopay else None,
        authorization=command.authorization,
        instalments=found.instalments,
        fingerprint=fingerprint,
        person_id=person_of(account, actor) or actor,
        started_at=now,
    )
    after = account.with_plan(plan)
    for number, planned_minor in found.planned_minor.items():
        planned = replace(account.visits[number], plan_id=plan.plan_id, planned_minor=planned_minor)
        after = after.with_visit(planned)
    return Decision(after, (tell_schedule(after, plan, PlanStarted, "done"),), next_timer(after, plan, now))


def _fingerprints(command: StartPlan) -> tuple[bytes, bytes]:
    """Return what tells one content from another, and what earlier releases kept of the same content.

    Only what is given counts, so that a field which is added later makes no repeat another command. Before, a null
    stood for each field that was not given.
    """
    # No visits named are none, whichever way that is said.
    asked = command.model_copy(update={"visit_account_numbers": command.visit_account_numbers or None})
    given, with_nulls = asked.model_dump_json(exclude_defaults=True), asked.model_dump_json(include=_FIRST_FIELDS)
    return digest(given), digest(with_nulls)


def _start_fault(
    account: GuarantorAccount, command: StartPlan, known: Plan | None, method: Method | None, now: datetime
) -> RefusalReason | None:
    """Return why a plan cannot start, whatever is owed."""
    if known is not None:
        return "idempotency_conflict"
    if account.opened is None or command.currency != account.opened.currency:
        return "currency_mismatch"
    return missing(method, command.method_id, command.authorization, now) if command.autopay else None


def _change(
    account: GuarantorAccount, plan: Plan, command: ChangePlan, actor: str, now: datetime, rules: Rules
) -> Decision[GuarantorAccount]:
    """Change what is given; what is paid or under way stays.

    The rest is spread and dated anew when the amount or the day is another: who only gives another card keeps the
    dates, and an instalment that failed, or waits to be paid by hand, is tried with it at once. Banks and cards
    have days of their own.
    """
    named = command.method or saved_method(account, command.method_id, person_of(account, actor))
    given = command.method is not None or command.method_id is not None
    autopay = plan.autopay if command.autopay is None else command.autopay
    method = (named if given else plan.method) if autopay else None
    monthly_minor = command.monthly_amount_minor
    changed = replace(
        plan,
        monthly_amount_minor=plan.monthly_amount_minor if monthly_minor is None else monthly_minor,
        day_of_month=command.day_of_month or plan.day_of_month,
        autopay=autopay,
        method=method,
        method_id=(command.method_id if given else plan.method_id) if autopay else None,
        authorization=command.authorization or plan.authorization,
        person_id=(person_of(account, actor) or actor) if given and autopay else plan.person_id,
    )
    terms_before = (plan.monthly_amount_minor, plan.day_of_month)
    redated = (changed.monthly_amount_minor, changed.day_of_month) != terms_before
    reason: RefusalReason | None = None
    if command.currency not in (None, plan.currency):
        reason = "currency_mismatch"
    elif autopay:
        reason = missing(method, command.method_id, changed.authorization, now)
    left_minor = unpaid_minor(plan.instalments)
    if redated and not reason:
        reason = _misfit(max(left_minor, rules.instalment_min_minor), changed.monthly_amount_minor, rules)
    if reason:
        return refuse(account, command, reason)
    instalments = spread_anew(plan, changed, left_minor, now, rules) if redated else moved(changed, now)
    if given and autopay and not (by_bank(changed) and same_method(method, plan.method)):
        instalments = untried(instalments)
    changed = replace(changed, instalments=instalments)
    unpaid = tuple(one for one in changed.instalments if one.status in ("due", "failed"))
    timers: tuple[Task, ...] = ()
    if instalments != plan.instalments or (unpaid and given and autopay):
        # The timers of the revision before do nothing any more, also those that would end the plan.
        changed = replace(changed, revision=plan.revision + 1)
        timers = _tried_at_once(account, changed, unpaid, now)
    after = account.with_plan(changed)
    return Decision(after, (tell_schedule(after, changed, PlanChanged, "done"),), timers)


def _tried_at_once(
    account: GuarantorAccount, plan: Plan, unpaid: tuple[PlanInstalment, ...], now: datetime
) -> tuple[Task, ...]:
    """Try what is unpaid again, at once; a bank waits for its next day, a paused plan for all."""
    if plan.status != "active":
        return ()
    day = banking_day(now.date()) if by_bank(plan) else now.date()
    at = now if day == now.date() else moment(day)
    again = (instalment_timer(account, plan, one, at) for one in unpaid)
    return (*again, *next_timer(account, plan, now))


def _pause(account: GuarantorAccount, plan: Plan, command: PausePlan) -> Decision[GuarantorAccount]:
    paused = plan
    if plan.status == "active":
        paused = replace(plan, status="paused", revision=plan.revision + 1, reason=command.reason)
    event = PlanPaused(plan_id=plan.plan_id, account_number=account.number, reason=paused.reason)
    return Decision(account.with_plan(paused), (Event(event, "done", account.number),))


def _resume(
    account: GuarantorAccount, plan: Plan, command: ResumePlan, now: datetime
) -> Decision[GuarantorAccount]:
    """Go on: what is not paid is dated anew, in the amounts that it had. Said again, it goes on as it does."""
    if plan.status == "active":
        if not plan.resumed:
            return refuse(account, command, "plan_not_paused")
        return Decision(account, (tell_schedule(account, plan, PlanResumed, "done"),))
    resumed = replace(
        plan,
        status="active",
        instalments=dated_anew(plan, now),
        revision=plan.revision + 1,
        reason=None,
        resumed=True,
    )
    after = account.with_plan(resumed)
    return Decision(
        after, (tell_schedule(account, resumed, PlanResumed, "done"),), next_timer(after, resumed, now)
    )


def _cancel(account: GuarantorAccount, plan: Plan, command: CancelPlan) -> Decision[GuarantorAccount]:
    """End a plan: what is left of it is owed like all else."""
    after, cancelled = account, plan
    if plan.is_open:
        cancelled = replace(plan, status="cancelled", reason=command.reason)
        after = ended(account, cancelled)
    event = PlanCancelled(plan_id=plan.plan_id, account_number=account.number, reason=cancelled.reason)
    return Decision(after, (Event(event, "done", account.number),))
