"""Payment plans as payers and staff arrange them: start, change, pause, resume, cancel.

What is in a plan is paid by it alone; what its visits are charged later is not in it. The dates live as one timer
for each plan: `collecting` says what happens when an instalment falls due.
"""

from datetime import datetime
from typing import Final, assert_never

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.autopay import missing, same_method
from services.payments.domain.instalment_timer import instalment_timer, next_timer
from services.payments.domain.payer import may_ask, person_of
from services.payments.domain.payment import saved_method
from services.payments.domain.plan_end import ended
from services.payments.domain.plan_events import tell_schedule
from services.payments.domain.records import Plan, PlanInstalment
from services.payments.domain.refusal import refuse
from services.payments.domain.respreading import by_bank, dated_anew, untried
from services.payments.domain.rules import Rules
from services.payments.domain.schedule import banking_day, moment
from services.payments.domain.terms import changed_terms, starting_terms, to_plan
from shared.digests import digest
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
from shared.events.vocabulary import Method
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

_FIRST_FIELDS: Final = {
    *("plan_id", "account_number", "visit_account_numbers", "monthly_amount_minor", "currency", "day_of_month"),
    *("autopay", "method", "method_id", "authorization"),
}
"""What a plan was started with when its fingerprint had nulls."""


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


def _start(
    account: GuarantorAccount, command: StartPlan, actor: str, now: datetime, rules: Rules
) -> Decision[GuarantorAccount]:
    fingerprint, with_nulls = _fingerprints(command)
    known = account.plans.get(command.plan_id)
    if known is not None and known.fingerprint in (fingerprint, with_nulls):
        return Decision(account, (tell_schedule(account, known, PlanStarted, "done"),))
    method = command.method or saved_method(account, command.method_id, person_of(account, actor))
    reason = _start_fault(account, command, known, method, now)
    planned_minor = reason or to_plan(account, command.visit_account_numbers)
    if isinstance(planned_minor, str):
        return refuse(account, command, planned_minor)
    found = starting_terms(
        planned_minor,
        command.monthly_amount_minor,
        command.day_of_month,
        method.kind if method and command.autopay else None,
        now,
        rules,
    )
    if isinstance(found, str):
        return refuse(account, command, found)
    plan = Plan(
        plan_id=command.plan_id,
        visits=tuple(planned_minor),
        currency=command.currency,
        monthly_amount_minor=command.monthly_amount_minor,
        day_of_month=command.day_of_month,
        autopay=command.autopay,
        method=method if command.autopay else None,
        method_id=command.method_id if command.autopay and command.method is None else None,
        authorization=command.authorization,
        instalments=found.instalments,
        fingerprint=fingerprint,
        person_id=person_of(account, actor) or actor,
        started_at=now,
    )
    after = account.with_plan(plan)
    for number, amount_minor in planned_minor.items():
        planned = replace(account.visits[number], plan_id=plan.plan_id, planned_minor=amount_minor)
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
    method_id = None if command.method else command.method_id or plan.method_id
    autopay = plan.autopay if command.autopay is None else command.autopay
    method = (named if given else plan.method) if autopay else None
    payer = person_of(account, actor) or actor
    # A consent is a person's, to being debited from what was named with it, and no longer once that was revoked.
    stays = not given or (same_method(named, plan.method) and payer == plan.person_id)
    authorization = command.authorization or (plan.authorization if stays else None)
    reason: RefusalReason | None = None
    if command.currency not in (None, plan.currency):
        reason = "currency_mismatch"
    elif autopay:
        reason = missing(method, command.method_id, authorization, now)
    day_of_month = command.day_of_month or plan.day_of_month
    found = reason or changed_terms(
        account,
        plan,
        command.monthly_amount_minor,
        day_of_month,
        method.kind if method else None,
        now,
        rules,
    )
    if isinstance(found, str):
        return refuse(account, command, found)
    changed = replace(
        plan,
        monthly_amount_minor=found.monthly_amount_minor,
        day_of_month=day_of_month,
        autopay=autopay,
        method=method,
        method_id=method_id if autopay else None,
        authorization=authorization,
        person_id=payer if given and autopay else plan.person_id,
        instalments=found.instalments,
    )
    if given and autopay and not (by_bank(changed) and same_method(method, plan.method)):
        changed = replace(changed, instalments=untried(changed.instalments))
    unpaid = tuple(one for one in changed.instalments if one.status in ("due", "failed"))
    timers: tuple[Task, ...] = ()
    if changed.instalments != plan.instalments or (unpaid and given and autopay):
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
