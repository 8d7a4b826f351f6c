"""The parts of a guarantor account: visits, payments, statements, saved methods, refunds, plans, work.

Frozen, and without rules of their own; `account` puts them together.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

from shared.events.payments import Allocation, MethodShown
from shared.events.plans import Authorization
from shared.events.vocabulary import About, Method
from shared.frozen import replace

PaymentStatus = Literal["processing", "unknown", "succeeded", "failed", "returned"]
OPEN_STATUSES: Final[tuple[PaymentStatus, ...]] = ("processing", "unknown")
"""A payment that has not ended: its amount is reserved, so that nobody pays it twice."""

RefundStatus = Literal["requested", "processing", "unknown", "succeeded", "failed", "declined"]
PlanStatus = Literal["active", "paused", "completed", "cancelled", "defaulted"]
InstalmentStatus = Literal["scheduled", "due", "processing", "paid", "failed"]
WorkKind = Literal[
    "payment-unknown",
    "payment-taken",
    "payment-unclear",
    "return-unknown-code",
    "dispute",
    "refund-approval",
    "refund-failed",
    "refund-unknown",
    "plan-defaulted",
    "account-currency",
    "settlement-orphan",
    "settlement-amount",
    "settlement-missing",
    "settlement-repeated",
]


@dataclass(frozen=True)
class Opened:
    """What the billing host told last about an account; `told_at` is when."""

    person_id: str
    first_name: str
    last_name: str
    viewers: tuple[str, ...]
    affiliate: str
    currency: str
    told_at: datetime

    def persons(self) -> tuple[str, ...]:
        """Return who may see and pay the account: the guarantor first, each once."""
        return tuple(dict.fromkeys((self.person_id, *self.viewers)))


@dataclass(frozen=True)
class VisitOpened:
    """What the billing host told last about a visit; `told_at` is when."""

    patient_id: str
    visit_date: date
    description: str
    told_at: datetime


@dataclass(frozen=True)
class Visit:
    """A visit account: sums of the ledger's postings to it, in minor units.

    A charge may be heard of before the visit; then `opened` is still to come. `adjustments_minor` is negative
    where it lowers what is owed; what the insurance paid is apart, and positive. `plan_id` is the plan that pays
    it by instalments, and `planned_minor` what that still pays of it: all where it was not counted from its start.
    """

    number: str
    opened: VisitOpened | None = None
    closed: bool = False
    charges_minor: int = 0
    insurance_paid_minor: int = 0
    adjustments_minor: int = 0
    paid_minor: int = 0
    plan_id: str | None = None
    planned_minor: int | None = None

    @property
    def balance_minor(self) -> int:
        """What is owed for the visit; negative where more was paid than owed."""
        return self.charges_minor - self.insurance_paid_minor + self.adjustments_minor - self.paid_minor

    def due_minor(self, plan_id: str | None) -> int:
        """Return what of the balance a plan pays; without one what can be paid now, beyond any plan."""
        if plan_id != self.plan_id:
            planned_minor = self.due_minor(self.plan_id)
            return 0 if plan_id else self.balance_minor - planned_minor
        if plan_id is None or self.planned_minor is None:
            return self.balance_minor
        return min(self.planned_minor, self.balance_minor)

    @property
    def age(self) -> tuple[date, str]:
        """What sorts the oldest visit first, and last those whose day is still to come."""
        return (self.opened.visit_date if self.opened else date.max, self.number)


@dataclass(frozen=True)
class Payment:
    """One attempt to pay.

    Attributes:
        queries: how often the processor is, or was, asked what became of it.
        review_id: the review that it was submitted with.
        plan_id: the plan that it pays; `instalment` the one that made it by itself.
        refunded_minor: what was given back, and not given back in vain.
        dispute_status: how the card holder's dispute stands.
        settlement_id: the newest settlement that has it, and `settled_minor` what was paid out for it in all.
        guest: the subject of the guest who made it, `guest_method` what stands for the token that they gave, and
            `guest_address` for where they looked the bill up from.
        correlationid: the chain that it began in, and that all that becomes of it belongs to.
    """

    payment_id: str
    amount_minor: int
    currency: str
    method: MethodShown
    allocation: Allocation
    fingerprint: bytes
    processor_key: str
    submitted_by: str
    created_at: datetime
    updated_at: datetime
    status: PaymentStatus = "processing"
    reason: str | None = None
    charge_id: str | None = None
    queries: int = 0
    review_id: str | None = None
    plan_id: str | None = None
    instalment: int | None = None
    refunded_minor: int = 0
    dispute_status: str | None = None
    settlement_id: str | None = None
    settled_minor: int = 0
    guest: str | None = None
    guest_method: bytes | None = None
    guest_address: str | None = None
    correlationid: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in OPEN_STATUSES


@dataclass(frozen=True)
class GuestTry:
    """A guest's charge that failed or has not ended.

    Attributes:
        guest: the subject of the guest's pass.
        method, address: what stands for the token, and for where the bill was looked up from if that is known.
    """

    guest: str
    method: bytes
    at: datetime
    failed: bool
    account_number: str
    address: str | None = None


@dataclass(frozen=True)
class VisitOwed:
    """What a statement says of one visit."""

    visit_account_number: str
    visit_date: date | None
    description: str
    balance_minor: int


@dataclass(frozen=True)
class Statement:
    """A statement as the billing host issued it; `told` is whether its readers have heard of it.

    What the document shows beside it (`addressee`, `visits`) is kept as it was when they heard, so that it is
    the same whenever it is made again.
    """

    statement_id: str
    issued_on: date
    due_on: date
    period_from: date
    period_to: date
    amount_due_minor: int
    currency: str
    told: bool = False
    addressee: str = ""
    visits: tuple[VisitOwed, ...] = ()


@dataclass(frozen=True)
class SavedMethod:
    """A card or bank account that a person keeps for later.

    One that was removed has no token any more, but its digest, unless it was removed before there were any; one
    that comes with a payment is `waiting` until it is made.
    """

    method_id: str
    person_id: str
    kind: Literal["card", "bank_account"]
    last4: str
    brand: str | None
    token: str | None
    saved_at: datetime
    waiting: bool = False
    token_digest: bytes | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it can pay."""
        return self.token is not None and not self.waiting

    def shown(self) -> MethodShown:
        """Return what people recognise it by."""
        return MethodShown(kind=self.kind, last4=self.last4, brand=self.brand)


@dataclass(frozen=True)
class Refund:
    """Money to give back of a payment; `allocation` says which visits are owed again.

    What becomes of it belongs to the chain `correlationid`. The processor has it since `sent_at`: that is when it
    was asked for, or when a second person agreed to it.
    """

    refund_id: str
    payment_id: str
    amount_minor: int
    currency: str
    reason: str
    allocation: Allocation
    processor_key: str
    requested_by: str
    requested_at: datetime
    status: RefundStatus
    decided_by: str | None = None
    queries: int = 0
    correlationid: str | None = None
    sent_at: datetime | None = None

    @property
    def counts(self) -> bool:
        """Whether it takes away from what is left of its payment."""
        return self.status not in ("declined", "failed")


@dataclass(frozen=True)
class PlanInstalment:
    """A part of a plan. `payment_id` paid it last, or tries to; `attempts` counts those that the plan made."""

    number: int
    due_on: date
    amount_minor: int
    paid_minor: int = 0
    status: InstalmentStatus = "scheduled"
    payment_id: str | None = None
    attempts: int = 0

    @property
    def left_minor(self) -> int:
        """What is still to be paid of it."""
        return self.amount_minor - self.paid_minor


@dataclass(frozen=True)
class Plan:
    """A payment plan over some visits.

    Attributes:
        method: what pays by itself, with its token; `method_id` where it is a saved one.
        authorization: the payer's consent to being debited.
        person_id: who gave what pays by itself, or started the plan: a person, or a staff actor (`staff:…`).
        revision: grows with each change of dates; a timer of an earlier one does nothing.
        resumed: whether it was ever paused and went on.
    """

    plan_id: str
    visits: tuple[str, ...]
    currency: str
    monthly_amount_minor: int
    day_of_month: int
    autopay: bool
    method: Method | None
    method_id: str | None
    authorization: Authorization | None
    instalments: tuple[PlanInstalment, ...]
    fingerprint: bytes
    person_id: str
    started_at: datetime
    status: PlanStatus = "active"
    revision: int = 0
    reason: str | None = None
    resumed: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("active", "paused")

    @property
    def left_minor(self) -> int:
        """What is still to be paid of it."""
        return sum(instalment.left_minor for instalment in self.instalments)

    def instalment(self, number: int) -> PlanInstalment:
        """Return an instalment by its number."""
        return next(one for one in self.instalments if one.number == number)

    def with_instalment(self, one: PlanInstalment) -> "Plan":
        """Return the plan with an instalment as it is now."""
        return replace(
            self, instalments=tuple(one if each.number == one.number else each for each in self.instalments)
        )


@dataclass(frozen=True)
class PlanEntry:
    """How a plan stands from a time on, and who brought that about.

    `actor` is as in the message of it; `authorization` is to being debited from what `method` shows, which is
    `person_id`'s.
    """

    plan_id: str
    at: datetime
    actor: str
    status: PlanStatus
    monthly_amount_minor: int
    day_of_month: int
    autopay: bool
    method: MethodShown | None
    authorization: Authorization | None
    reason: str | None
    person_id: str | None


@dataclass(frozen=True)
class Work:
    """Something that needs a person of the staff."""

    work_id: str
    kind: WorkKind
    summary: str
    about: About
    raised_at: datetime
    details: tuple[tuple[str, str], ...] = ()
    settled: "Settled | None" = None


@dataclass(frozen=True)
class Settled:
    """How a piece of work ended: who did what, when, and why."""

    work_id: str
    by: str
    at: datetime
    action: str
    note: str | None = None
