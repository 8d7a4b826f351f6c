"""The scenarios: five households that are always the same, and hospitals of any size made from a seed.

The same seed makes the same accounts on any machine, however many are asked for.
"""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import count

from sandbox.hospital import Account, Line, Visit
from sandbox.patients import (
    CHEN,
    CHILDRENS,
    GENERAL,
    HADDAD,
    OKOYE,
    PAYERS,
    PROVIDERS,
    RIVERA,
    Appointment,
    Coverage,
    Patient,
    Request,
)
from sandbox.people import GRACE, HAROLD, JAMES, LEO, MARIA, SOFIA, USERS, Person, User, patient_user


def _visit(
    patient: Person, days_ago: int, what: str, charged: int, insured: int, *, closed: bool = False
) -> Visit:
    """Make a visit of one charge, of which the insurance paid a part."""
    lines = (Line(what, charged), Line("", -insured, "insurance-payment"))
    return Visit(patient.patient_id, days_ago, what, lines, closed)


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
        (
            Patient(
                MARIA,
                coverages=(Coverage("ACTIVE1001", group_number="SBX-G7"),),
                appointments=(
                    Appointment(RIVERA, -64),
                    Appointment(RIVERA, 9),
                    Appointment(HADDAD, 20, cancelled=True),
                ),
            ),
            Patient(
                LEO,
                CHILDRENS,
                logs_in=False,
                proxies=(MARIA,),
                coverages=(Coverage("ACTIVE1002", group_number="SBX-G7", subscriber=MARIA, relationship="child"),),
                appointments=(Appointment(CHEN, -41), Appointment(CHEN, 16)),
            ),
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
        (
            Patient(
                JAMES,
                proxies=(GRACE,),
                coverages=(Coverage("ACTIVE2001", "SANDBOX02", "Harbor Select"),),
                appointments=(Appointment(HADDAD, -33), Appointment(HADDAD, 5)),
                requests=(Request(OKOYE, "A picture of your insurance card, both sides"),),
            ),
        ),
        viewers=(GRACE,),
    ),
    Account(
        "SBX-1003",
        GRACE,
        (_visit(GRACE, 52, "Office visit", 18_000, 13_500), _visit(GRACE, 20, "Eye test", 9_900, 0)),
        (
            Patient(
                GRACE,
                coverages=(
                    Coverage("ACTIVE2002", "SANDBOX02", "Harbor Select", subscriber=JAMES, relationship="spouse"),
                ),
                appointments=(Appointment(OKOYE, -52), Appointment(OKOYE, 30)),
            ),
        ),
    ),
    Account(
        "SBX-1004",
        SOFIA,
        (
            _visit(SOFIA, 90, "Outpatient surgery", 485_000, 388_000),
            _visit(SOFIA, 83, "Follow-up visit", 16_000, 12_800),
            _visit(SOFIA, 27, "Follow-up visit", 16_000, 12_800),
        ),
        (
            Patient(
                SOFIA,
                coverages=(Coverage("ACTIVE3001"), Coverage("INACTIVE3002", "SANDBOX02", "Harbor Basic")),
                appointments=(Appointment(RIVERA, -27), Appointment(OKOYE, 12)),
            ),
        ),
    ),
    Account(
        "SBX-1005",
        HAROLD,
        (
            _visit(HAROLD, 58, "Office visit", 18_000, 11_000),
            _visit(HAROLD, 30, "Hearing test", 21_000, 8_000),
        ),
        (Patient(HAROLD, logs_in=False, appointments=(Appointment(RIVERA, -30),)),),
    ),
)
"""The people who can log in, and Harold, who cannot and pays as a guest."""

FEMALE_NAMES = ("Ada", "Chloé", "Ewa", "Hana", "June", "Lena")
MALE_NAMES = ("Ben", "Dev", "Farid", "Gus", "Ivo", "Kofi")
LAST_NAMES = ("Testa", "Sampleton", "O'Mock", "de la Prueba", "Fauxmann", "Demoïs", "Stubbs", "Exemplar")
PLACES = (
    ("10001", "America/New_York"),
    ("60601", "America/Chicago"),
    ("80202", "America/Denver"),
    ("85001", "America/Phoenix"),
    ("90001", "America/Los_Angeles"),
)
SERVICES = (
    ("Office visit", 18_000),
    ("Blood test", 6_500),
    ("X-ray, two views", 14_000),
    ("Urgent care visit", 27_500),
    ("Physical therapy, 45 minutes", 12_500),
    ("Emergency department visit", 112_000),
)
MEMBERS = {
    "ACTIVE": 84,
    "INACTIVE": 5,
    "NOTFOUND": 3,
    "BADDOB": 2,
    "PAYERDOWN": 2,
    "TIMEOUT": 2,
    "GARBLED": 2,
}
"""How member ids begin, and how many in a hundred do."""

HOUSEHOLD_KEY = re.compile(r"h(?P<seed>0|[1-9]\d{0,3})-(?P<index>\d{6})")
BORN = date(1935, 1, 1)
ADULTS_BORN_WITHIN_DAYS = 70 * 365
CHILDREN_BORN = date(2010, 1, 1)
CHILDREN_BORN_WITHIN_DAYS = 14 * 365


def hospital(seed: int) -> Iterator[Account]:
    """Give the accounts of a hospital, without end; each follows from the seed and its place alone."""
    return (_household(seed, index) for index in count(1))


def user(username: str) -> User | None:
    """Return who logs in under this name: a guarantor of a hospital does so under the account's key."""
    if named := USERS.get(username):
        return named
    if key := HOUSEHOLD_KEY.fullmatch(username):
        return patient_user(_household(int(key["seed"]), int(key["index"])).guarantor, "guarantor")
    return None


def _household(seed: int, index: int) -> Account:
    """Make an account of one person, who in one case of four has a child."""
    rng = random.Random(f"{seed}:{index}")  # noqa: S311 - made-up data wants the same numbers again
    key = f"h{seed}-{index:06}"
    place, language = rng.choice(PLACES), "es" if rng.random() < 1 / 5 else "en"
    last_name = rng.choice(LAST_NAMES)
    adult = _person(rng, key, last_name, place, language, BORN, ADULTS_BORN_WITHIN_DAYS)
    coverage = _coverage(rng, key)
    patients = [Patient(adult, GENERAL, coverages=(coverage,), appointments=_appointments(rng, GENERAL))]
    if rng.random() < 1 / 4:
        child = _person(rng, f"{key}c", last_name, place, language, CHILDREN_BORN, CHILDREN_BORN_WITHIN_DAYS)
        patients.append(
            Patient(
                child,
                CHILDRENS,
                logs_in=False,
                proxies=(adult,),
                coverages=(replace(coverage, subscriber=adult, relationship="child"),),
                appointments=_appointments(rng, CHILDRENS),
            )
        )
    visits = tuple(_random_visit(rng, rng.choice(patients).person) for _ in range(rng.randint(2, 3)))
    return Account(f"SBX-{key.upper()}", adult, visits, tuple(patients), affiliate=GENERAL)


def _person(
    rng: random.Random,
    key: str,
    last_name: str,
    place: tuple[str, str],
    language: str,
    born: date,
    within_days: int,
) -> Person:
    female = rng.random() < 1 / 2
    first_name = rng.choice(FEMALE_NAMES if female else MALE_NAMES)
    birth_date = born + timedelta(days=rng.randrange(within_days))
    return Person(key, first_name, last_name, birth_date, "female" if female else "male", *place, language)


def _coverage(rng: random.Random, key: str) -> Coverage:
    (begins,) = rng.choices(list(MEMBERS), list(MEMBERS.values()))
    return Coverage(f"{begins}{key.upper()}", rng.choice(list(PAYERS)))


def _appointments(rng: random.Random, affiliate: str) -> tuple[Appointment, ...]:
    """Make one in the past, and one to come, which in one case of ten is cancelled."""
    here = [provider for provider in PROVIDERS if provider.affiliate == affiliate]
    provider, cancelled = rng.choice(here), rng.random() < 1 / 10
    past = Appointment(provider, -rng.randint(20, 200), rng.randint(13, 22))
    return (past, Appointment(rng.choice(here), rng.randint(2, 60), rng.randint(13, 22), cancelled))


def _random_visit(rng: random.Random, patient: Person) -> Visit:
    charges = [Line(what, price) for what, price in rng.sample(SERVICES, k=rng.randint(1, 3))]
    charged = sum(line.amount_minor for line in charges)
    agreed = charged * rng.randint(5, 15) // 100
    insured = (charged - agreed) * rng.randint(50, 90) // 100
    adjustments = [Line("", -agreed, "contractual"), Line("", -insured, "insurance-payment")]
    return Visit(patient.patient_id, rng.randint(20, 200), charges[0].description, (*charges, *adjustments))


SCENARIOS = {
    "small": "five guarantor accounts with two or three visits each: those who can log in, and one guest",
    "hospital": "`accounts` made-up guarantor accounts, chosen by `seed`",
}


def scenario(name: str, seed: int) -> Iterable[Account]:
    """Return the accounts of a scenario; the small one is the same for every seed."""
    return SMALL if name == "small" else hospital(seed)
