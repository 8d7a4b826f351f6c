"""The part of the payments topics that is about payment plans: what is asked, and what payments says."""

from typing import Annotated, ClassVar

from pydantic import Field

from shared.events.envelope import Command, Date, Event, Id, Time
from shared.events.vocabulary import (
    AmountMinor,
    Code,
    Currency,
    DayOfMonth,
    Line,
    Method,
    Position,
    Record,
    Word,
)

VisitAccountNumbers = Annotated[tuple[Id, ...], Field(max_length=500)]


class Authorization(Record):
    """The payer's consent to being debited: which text, and when."""

    text_version: Word
    accepted_at: Time


class Instalment(Record):
    """One part of a payment plan; the first is number 1."""

    number: Position
    due_on: Date
    amount_minor: AmountMinor


Instalments = Annotated[tuple[Instalment, ...], Field(max_length=1_000)]


class StartPlan(Command):
    """A gateway asks to pay in instalments; without visit accounts, all that is owed."""

    TYPE: ClassVar[str] = "payments.start-plan.v1"
    plan_id: Id
    account_number: Id
    visit_account_numbers: VisitAccountNumbers | None = None
    monthly_amount_minor: AmountMinor
    currency: Currency
    day_of_month: DayOfMonth
    autopay: bool
    method: Method | None = None
    method_id: Id | None = None
    authorization: Authorization | None = None


class ChangePlan(Command):
    """A gateway asks to change what is given of a plan, for the instalments that are still to come.

    Another amount or day spreads and dates what is unpaid anew: in no earlier month than it was, and in none that
    is paid. Instalments are numbered by their dates, so their numbers may change. A bank account that does not pay
    by itself already needs an authorization of its own.
    """

    TYPE: ClassVar[str] = "payments.change-plan.v1"
    plan_id: Id
    account_number: Id
    monthly_amount_minor: AmountMinor | None = None
    currency: Currency | None = None
    day_of_month: DayOfMonth | None = None
    autopay: bool | None = None
    method: Method | None = None
    method_id: Id | None = None
    authorization: Authorization | None = None


class PausePlan(Command):
    """A gateway or staff ask that no instalment falls due until the plan is resumed."""

    TYPE: ClassVar[str] = "payments.pause-plan.v1"
    plan_id: Id
    account_number: Id
    reason: Line | None = None


class ResumePlan(Command):
    """A gateway or staff ask that a paused plan goes on."""

    TYPE: ClassVar[str] = "payments.resume-plan.v1"
    plan_id: Id
    account_number: Id


class CancelPlan(Command):
    """A gateway or staff ask to end a plan; what is left of it is owed as before."""

    TYPE: ClassVar[str] = "payments.cancel-plan.v1"
    plan_id: Id
    account_number: Id
    reason: Line | None = None


PlanCommand = StartPlan | ChangePlan | PausePlan | ResumePlan | CancelPlan


class _PlanSchedule(Event):
    plan_id: Id
    account_number: Id
    currency: Currency
    instalments: Instalments


class PlanStarted(_PlanSchedule):
    """Payments started a plan with these instalments."""

    TYPE: ClassVar[str] = "payments.plan-started.v1"


class PlanChanged(_PlanSchedule):
    """Payments changed a plan; these are its instalments now."""

    TYPE: ClassVar[str] = "payments.plan-changed.v1"


class _PlanEvent(Event):
    plan_id: Id
    account_number: Id
    reason: Line | None = None


class PlanPaused(_PlanEvent):
    """Payments paused a plan: nothing falls due."""

    TYPE: ClassVar[str] = "payments.plan-paused.v1"


class PlanResumed(_PlanEvent):
    """Payments resumed a plan; `instalments` are its dates from now on."""

    TYPE: ClassVar[str] = "payments.plan-resumed.v1"
    instalments: Instalments | None = None
    currency: Currency | None = None


class PlanCancelled(_PlanEvent):
    """Payments ended a plan before it was paid."""

    TYPE: ClassVar[str] = "payments.plan-cancelled.v1"


class PlanCompleted(_PlanEvent):
    """Payments ended a plan because it is paid."""

    TYPE: ClassVar[str] = "payments.plan-completed.v1"


class PlanDefaulted(_PlanEvent):
    """Payments ended a plan because an instalment stayed unpaid."""

    TYPE: ClassVar[str] = "payments.plan-defaulted.v1"


class _InstalmentEvent(Event):
    plan_id: Id
    account_number: Id
    number: Position
    due_on: Date
    amount_minor: AmountMinor
    currency: Currency
    payment_id: Id | None = None


class InstalmentDue(_InstalmentEvent):
    """Payments says that an instalment, or what is left of it, is due; with autopay its payment follows."""

    TYPE: ClassVar[str] = "payments.instalment-due.v1"
    autopay: bool | None = None


class InstalmentPaid(_InstalmentEvent):
    """Payments says that an instalment is paid."""

    TYPE: ClassVar[str] = "payments.instalment-paid.v1"


class InstalmentFailed(_InstalmentEvent):
    """Payments says that an instalment's payment failed, and when it is tried again, if it is."""

    TYPE: ClassVar[str] = "payments.instalment-failed.v1"
    reason: Code | None = None
    retry_on: Date | None = None


PlanEvent = (
    PlanStarted
    | PlanChanged
    | PlanPaused
    | PlanResumed
    | PlanCancelled
    | PlanCompleted
    | PlanDefaulted
    | InstalmentDue
    | InstalmentPaid
    | InstalmentFailed
)
