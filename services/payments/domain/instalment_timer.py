"""The timers of a plan: one for its next instalment, and one for each that is tried again, or waits to be paid."""

from datetime import datetime
from itertools import islice
from typing import Annotated, ClassVar, Final

from pydantic import Field

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.records import Plan, PlanInstalment
from services.payments.domain.schedule import moment
from shared.events.envelope import Id, Internal
from shared.events.vocabulary import Position
from shared.messaging.decision import Task

UNPAID: Final = ("due", "failed")
"""An instalment that fell due and is neither paid nor being paid."""

Revision = Annotated[int, Field(ge=0)]


class InstalmentTimer(Internal):
    """An instalment falls due, or is tried `again`; of an earlier revision of the plan, it does nothing.

    The timer of a day sets that of the next one, whatever has become of its instalment: one waits at a time.
    Timers of earlier releases do not say which they are.
    """

    TYPE: ClassVar[str] = "payments.instalment-timer.v1"
    plan_id: Id
    account_number: Id
    number: Position
    revision: Revision
    again: bool | None = None


class GraceTimer(Internal):
    """The time is up for paying an instalment by hand; one that was tried since has another."""

    TYPE: ClassVar[str] = "payments.grace-timer.v1"
    plan_id: Id
    account_number: Id
    number: Position
    revision: Revision
    attempts: Annotated[int, Field(ge=0)] | None = None


def next_timer(account: GuarantorAccount, plan: Plan, now: datetime) -> tuple[Task, ...]:
    """Return the timer of the next instalment to fall due; one that was paid ahead may come back until its day."""
    waiting = (
        one
        for one in plan.instalments
        if one.status == "scheduled" or (one.status == "paid" and moment(one.due_on) > now)
    )
    return tuple(instalment_timer(account, plan, one, moment(one.due_on)) for one in islice(waiting, 1))


def instalment_timer(account: GuarantorAccount, plan: Plan, one: PlanInstalment, at: datetime) -> Task:
    """Return the timer that has an instalment fall due, or tried again."""
    timer = InstalmentTimer(
        plan_id=plan.plan_id,
        account_number=account.number,
        number=one.number,
        revision=plan.revision,
        again=one.status in UNPAID,
    )
    return Task(timer, at, f"{plan.plan_id} {one.number} {one.attempts}")


def grace_timer(account: GuarantorAccount, plan: Plan, one: PlanInstalment, at: datetime) -> Task:
    """Return the timer that ends the plan if the instalment is not paid by hand by then."""
    timer = GraceTimer(
        plan_id=plan.plan_id,
        account_number=account.number,
        number=one.number,
        revision=plan.revision,
        attempts=one.attempts,
    )
    return Task(timer, at, f"{plan.plan_id} {one.number}")
