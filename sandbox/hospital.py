"""A made-up hospital's accounts and whose they are: what the billing host knows, and the facts that it tells."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from sandbox.patients import GENERAL, Patient
from sandbox.people import Person
from shared.events.billing import (
    AdjustmentPosted,
    BillingFact,
    ChargePosted,
    Guarantor,
    GuarantorAccountOpened,
    StatementIssued,
    VisitAccountClosed,
    VisitAccountOpened,
)

CURRENCY = "USD"
STATEMENT_PERIOD = timedelta(days=30)
STATEMENT_DUE_AFTER = timedelta(days=25)


@dataclass(frozen=True)
class Line:
    """A charge (`kind` is none) or an adjustment, in minor units."""

    description: str
    amount_minor: int
    kind: Literal["insurance-payment", "contractual", "write-off", "correction"] | None = None


@dataclass(frozen=True)
class Visit:
    """A visit and its lines."""

    patient_id: str
    days_ago: int
    description: str
    lines: tuple[Line, ...]
    closed: bool = False

    @property
    def balance_minor(self) -> int:
        """What is still owed for the visit."""
        return sum(line.amount_minor for line in self.lines)


@dataclass(frozen=True)
class Account:
    """A guarantor account as the host knows it (what is paid elsewhere is not in it), and its patients."""

    number: str
    guarantor: Person
    visits: tuple[Visit, ...]
    patients: tuple[Patient, ...]
    viewers: tuple[Person, ...] = ()
    affiliate: str = GENERAL
    has_statement: bool = False

    @property
    def balance_minor(self) -> int:
        """What is owed for all visits that are not closed."""
        return sum(visit.balance_minor for visit in self.visits if not visit.closed)

    def numbered_visits(self) -> Iterator[tuple[str, Visit]]:
        """Give each visit with its visit account's number."""
        for index, visit in enumerate(self.visits, 1):
            yield f"{self.number}-V{index}", visit


def facts(account: Account, today: date) -> Iterator[BillingFact]:
    """Give all that the host says about an account on the day that it is told first."""
    who = account.guarantor
    yield GuarantorAccountOpened(
        account_number=account.number,
        guarantor=Guarantor(person_id=who.person_id, first_name=who.first_name, last_name=who.last_name),
        viewers=tuple(viewer.person_id for viewer in account.viewers),
        affiliate=account.affiliate,
        currency=CURRENCY,
    )
    for number, visit in account.numbered_visits():
        yield from _visit_facts(account.number, number, visit, today)
    if account.has_statement:
        yield statement(account, today)


def _visit_facts(account_number: str, number: str, visit: Visit, today: date) -> Iterator[BillingFact]:
    seen_on = today - timedelta(days=visit.days_ago)
    yield VisitAccountOpened(
        account_number=account_number,
        visit_account_number=number,
        patient_id=visit.patient_id,
        visit_date=seen_on,
        description=visit.description,
    )
    for index, line in enumerate(visit.lines, 1):
        if line.kind is None:
            yield ChargePosted(
                account_number=account_number,
                visit_account_number=number,
                charge_id=f"{number}-L{index}",
                service_date=seen_on,
                description=line.description,
                amount_minor=line.amount_minor,
            )
        else:
            yield AdjustmentPosted(
                account_number=account_number,
                visit_account_number=number,
                adjustment_id=f"{number}-L{index}",
                kind=line.kind,
                amount_minor=line.amount_minor,
            )
    if visit.closed:
        yield VisitAccountClosed(account_number=account_number, visit_account_number=number)


def statement(account: Account, today: date) -> StatementIssued:
    """Return the statement that the host issues today; there is one a day at most."""
    return StatementIssued(
        account_number=account.number,
        statement_id=f"{account.number}-S{today:%Y%m%d}",
        issued_on=today,
        due_on=today + STATEMENT_DUE_AFTER,
        period_from=today - STATEMENT_PERIOD,
        period_to=today - timedelta(days=1),
        amount_due_minor=account.balance_minor,
        currency=CURRENCY,
    )
