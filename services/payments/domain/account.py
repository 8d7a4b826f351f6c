"""What payments knows about one guarantor account: the state that all its rules read and change.

An account is loaded whole enough to decide, never with its history: all its visit accounts, the payments that
have not ended, and of the rest only what the messages at hand name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Final, Literal

from services.payments.domain.ledger import Posting, PostingKey
from shared.events.payments import Allocation, BalanceChanged, MethodShown
from shared.messaging.decision import Event

PaymentStatus = Literal["processing", "unknown", "succeeded", "failed"]
OPEN_STATUSES: Final[tuple[PaymentStatus, ...]] = ("processing", "unknown")
"""A payment that has not ended: its amount is reserved, so that nobody pays it twice."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class VisitOpened:
    """What the billing host told last about a visit; `told_at` is when."""

    patient_id: str
    visit_date: date
    description: str
    told_at: datetime


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit account: sums of the ledger's postings to it, in minor units.

    A charge may be heard of before the visit; then `opened` is still to come. `adjustments_minor` is negative
    where it lowers what is owed; what the insurance paid is apart, and positive.
    """

    number: str
    opened: VisitOpened | None = None
    closed: bool = False
    charges_minor: int = 0
    insurance_paid_minor: int = 0
    adjustments_minor: int = 0
    paid_minor: int = 0

    @property
    def balance_minor(self) -> int:
        """What is owed for the visit; negative where more was paid than owed."""
        return self.charges_minor - self.insurance_paid_minor + self.adjustments_minor - self.paid_minor

    @property
    def age(self) -> tuple[date, str]:
        """What sorts the oldest visit first, and last those whose day is still to come."""
        return (self.opened.visit_date if self.opened else date.max, self.number)


@dataclass(frozen=True, slots=True)
class Payment:
    """One attempt to pay. `queries` counts how often the processor is, or was, asked what became of it."""

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

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in OPEN_STATUSES


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the billing host issued it; `told` is whether its readers have heard of it."""

    statement_id: str
    issued_on: date
    due_on: date
    period_from: date
    period_to: date
    amount_due_minor: int
    currency: str
    told: bool = False


@dataclass(frozen=True, slots=True)
class GuarantorAccount:
    """A guarantor account; one that nobody has heard of is empty.

    Attributes:
        number: the account number.
        opened: absent while only charges or visits were heard of.
        version: grows with each balance told.
        visits: all of them, by number.
        payments: those that have not ended, and those that messages name, by id.
        payment_ids_elsewhere: those that messages name and that belong to other accounts.
        statements: those that messages name, and those not told yet, by id.
        posted: the postings that messages name and that are in the ledger, also by this batch.
        postings: those that this batch adds to the ledger.
    """

    number: str
    opened: Opened | None = None
    version: int = 0
    visits: Mapping[str, Visit] = field(default_factory=dict)
    payments: Mapping[str, Payment] = field(default_factory=dict)
    payment_ids_elsewhere: frozenset[str] = frozenset()
    statements: Mapping[str, Statement] = field(default_factory=dict)
    posted: frozenset[PostingKey] = frozenset()
    postings: tuple[Posting, ...] = ()

    @property
    def balance_minor(self) -> int:
        """What is owed, over all visits that are not closed."""
        return sum(visit.balance_minor for visit in self.visits.values() if not visit.closed)

    def reserved_minor(self) -> dict[str, int]:
        """Return by visit what payments that have not ended will pay of it."""
        reserved: dict[str, int] = {}
        for payment in self.payments.values():
            if payment.is_open:
                for share in payment.allocation:
                    number = share.visit_account_number
                    reserved[number] = reserved.get(number, 0) + share.amount_minor
        return reserved

    def visit(self, number: str) -> Visit:
        """Return a visit; one that nobody has heard of is empty."""
        return self.visits.get(number) or Visit(number)

    def with_visit(self, visit: Visit) -> "GuarantorAccount":
        """Return the account with a visit as it is now."""
        return replace(self, visits={**self.visits, visit.number: visit})

    def with_payment(self, payment: Payment) -> "GuarantorAccount":
        """Return the account with a payment as it is now."""
        return replace(self, payments={**self.payments, payment.payment_id: payment})

    def with_statement(self, statement: Statement) -> "GuarantorAccount":
        """Return the account with a statement as it is now."""
        return replace(self, statements={**self.statements, statement.statement_id: statement})

    def with_posting(self, posting: Posting) -> "GuarantorAccount":
        """Return the account with a posting added to its ledger; the visits' sums are the caller's to change."""
        return replace(self, posted=self.posted | {posting.key}, postings=(*self.postings, posting))


def tell_balance(before: GuarantorAccount, after: GuarantorAccount) -> tuple[GuarantorAccount, tuple[Event, ...]]:
    """Return the account with its next version, and the event, if what it owes is not what was told last."""
    told_minor = before.balance_minor if before.opened else 0
    balance_minor = after.balance_minor
    opened = after.opened
    if opened is None or balance_minor == told_minor:
        return after, ()
    after = replace(after, version=after.version + 1)
    told = BalanceChanged(
        account_number=after.number,
        balance_minor=balance_minor,
        currency=opened.currency,
        version=after.version,
    )
    return after, (Event(told, key=after.number),)
