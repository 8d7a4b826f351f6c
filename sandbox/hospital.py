"""A made-up hospital's accounts: what the billing host knows, and the facts that it tells about them.

The same seed makes the same accounts on any machine, however many are asked for.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Literal

from sandbox.people import GRACE, HAROLD, JAMES, LEO, MARIA, SOFIA, Person
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
GENERAL, CHILDRENS = "sandbox-general", "sandbox-childrens"


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
    """A guarantor account as the host knows it: what is paid elsewhere is not in it."""

    number: str
    guarantor: Person
    visits: tuple[Visit, ...]
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


def _visit(patient: Person, days_ago: int, what: str, charged: int, insured: int, **more: bool) -> Visit:
    """Make a visit of one charge, of which the insurance paid a part."""
    lines = (Line(what, charged), Line("", -insured, "insurance-payment"))
    return Visit(patient.patient_id, days_ago, what, lines, **more)


SMALL = (
    Account(
        "SBX-1001",
        MARIA,
        (
            Visit(
                MARIA.patient_id,
                64,
                "Urgent care visit",
                (
                    Line("Urgent care visit", 27_500),
                    Line("X-ray of the wrist, two views", 14_000),
                    Line("", -6_500, "contractual"),
                    Line("", -22_750, "insurance-payment"),
                ),
            ),
            _visit(LEO, 41, "Well-child visit", 19_500, 15_600),
            _visit(MARIA, 120, "Blood test", 8_800, 7_000, closed=True),
        ),
        affiliate=CHILDRENS,
        has_statement=True,
    ),
    Account(
        "SBX-1002",
        JAMES,
        (
            _visit(JAMES, 75, "Physical therapy, 45 minutes", 12_500, 9_000),
            _visit(JAMES, 33, "Physical therapy, 45 minutes", 12_500, 9_000),
        ),
        viewers=(GRACE,),
    ),
    Account(
        "SBX-1003",
        GRACE,
        (_visit(GRACE, 52, "Office visit", 18_000, 13_500), _visit(GRACE, 20, "Eye test", 9_900, 0)),
    ),
    Account(
        "SBX-1004",
        SOFIA,
        (
            _visit(SOFIA, 90, "Outpatient surgery", 485_000, 388_000),
            _visit(SOFIA, 83, "Follow-up visit", 16_000, 12_800),
            _visit(SOFIA, 27, "Follow-up visit", 16_000, 12_800),
        ),
    ),
    Account(
        "SBX-1005",
        HAROLD,
        (
            _visit(HAROLD, 58, "Office visit", 18_000, 11_000),
            _visit(HAROLD, 30, "Hearing test", 21_000, 8_000),
        ),
    ),
)
"""The people who can log in, and Harold, who cannot and pays as a guest."""

FIRST_NAMES = ("Ada", "Ben", "Chloé", "Dev", "Ewa", "Farid", "Gus", "Hana", "Ivo", "June", "Kofi", "Lena")
LAST_NAMES = ("Testa", "Sampleton", "O'Mock", "de la Prueba", "Fauxmann", "Demoïs", "Stubbs", "Exemplar")
SERVICES = (
    ("Office visit", 18_000),
    ("Blood test", 6_500),
    ("X-ray, two views", 14_000),
    ("Urgent care visit", 27_500),
    ("Physical therapy, 45 minutes", 12_500),
    ("Emergency department visit", 112_000),
)


def hospital(seed: int) -> Iterator[Account]:
    """Give the accounts of a hospital, without end; each follows from the seed and its place alone."""
    for index in count(1):
        rng = random.Random(f"{seed}:{index}")  # noqa: S311 - made-up data wants the same numbers again
        person = Person(f"h{seed}-{index:06}", rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES))
        visits = tuple(_random_visit(rng, person) for _ in range(rng.randint(2, 3)))
        yield Account(f"SBX-H{seed}-{index:06}", person, visits, affiliate=rng.choice((GENERAL, CHILDRENS)))


SCENARIOS = {
    "small": "five guarantor accounts with two or three visits each: those who can log in, and one guest",
    "hospital": "`accounts` made-up guarantor accounts, chosen by `seed`",
}


def scenario(name: str, seed: int) -> Iterable[Account]:
    """Return the accounts of a scenario; the small one is the same for every seed."""
    return SMALL if name == "small" else hospital(seed)


def _random_visit(rng: random.Random, patient: Person) -> Visit:
    charges = [Line(what, price) for what, price in rng.sample(SERVICES, k=rng.randint(1, 3))]
    charged = sum(line.amount_minor for line in charges)
    agreed = charged * rng.randint(5, 15) // 100
    insured = (charged - agreed) * rng.randint(50, 90) // 100
    adjustments = [Line("", -agreed, "contractual"), Line("", -insured, "insurance-payment")]
    return Visit(patient.patient_id, rng.randint(20, 200), charges[0].description, (*charges, *adjustments))


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
