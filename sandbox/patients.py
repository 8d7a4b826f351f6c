"""The made-up hospital's patients: what registration and scheduling know, and the facts that they tell."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sandbox.people import Person
from shared.events.registration import CoverageOnFile, PatientRegistered, RegistrationFact
from shared.events.scheduling import (
    AppointmentBooked,
    AppointmentCancelled,
    DocumentRequested,
    SchedulingFact,
)
from shared.events.vocabulary import Relationship, Subscriber

GENERAL, CHILDRENS = "sandbox-general", "sandbox-childrens"
PAYERS = {"SANDBOX01": "Sandbox Health Plan", "SANDBOX02": "Harbor Mutual"}
IN_FORCE_FOR = timedelta(days=400)


@dataclass(frozen=True)
class Provider:
    """Somebody who treats patients at an affiliate."""

    provider_id: str
    name: str
    affiliate: str


RIVERA = Provider("sbx-provider-rivera", "Elena Rivera, MD", GENERAL)
HADDAD = Provider("sbx-provider-haddad", "Samir Haddad, DPT", GENERAL)
OKOYE = Provider("sbx-provider-okoye", "Nkechi Okoye, MD", GENERAL)
CHEN = Provider("sbx-provider-chen", "Wei Chen, MD", CHILDRENS)
LINDQVIST = Provider("sbx-provider-lindqvist", "Astrid Lindqvist, NP", CHILDRENS)
PROVIDERS = (RIVERA, HADDAD, OKOYE, CHEN, LINDQVIST)


@dataclass(frozen=True)
class Coverage:
    """Insurance on file; how `member_id` begins chooses what the clearinghouse says of it."""

    member_id: str
    payer_id: str = "SANDBOX01"
    plan_name: str = "Choice PPO"
    group_number: str | None = None
    subscriber: Person | None = None
    relationship: Relationship = "self"


@dataclass(frozen=True)
class Appointment:
    """A visit, so many days before (negative) or after the day on which the scenario is told first."""

    provider: Provider
    in_days: int
    hour: int = 15
    cancelled: bool = False


@dataclass(frozen=True)
class Request:
    """A provider asked the patient for a document."""

    provider: Provider
    what: str


@dataclass(frozen=True)
class Patient:
    """Somebody who is treated; `proxies` act for them, `coverages` are in the order in which they pay."""

    person: Person
    affiliate: str = GENERAL
    logs_in: bool = True
    proxies: tuple[Person, ...] = ()
    coverages: tuple[Coverage, ...] = ()
    appointments: tuple[Appointment, ...] = ()
    requests: tuple[Request, ...] = ()

    def numbered_coverages(self) -> Iterator[tuple[str, Coverage]]:
        """Give each coverage with its id."""
        for index, coverage in enumerate(self.coverages, 1):
            yield f"sbx-coverage-{self.person.key}-{index}", coverage

    @property
    def providers(self) -> tuple[Provider, ...]:
        """Whom the patient has seen, is to see, or was asked by; each once."""
        booked = [one.provider for one in self.appointments if not one.cancelled]
        return tuple(dict.fromkeys([*booked, *(request.provider for request in self.requests)]))


def registration(patient: Patient, today: date) -> Iterator[RegistrationFact]:
    """Give all that the registration host says about a patient on the day that it is told first."""
    person = patient.person
    yield PatientRegistered(
        patient_id=person.patient_id,
        person_id=person.person_id if patient.logs_in else None,
        first_name=person.first_name,
        last_name=person.last_name,
        birth_date=person.birth_date,
        sex=person.sex,
        postal_code=person.postal_code,
        affiliate=patient.affiliate,
        time_zone=person.time_zone,
        language=person.language,
        proxies=tuple(proxy.person_id for proxy in patient.proxies),
    )
    for priority, (coverage_id, coverage) in enumerate(patient.numbered_coverages(), 1):
        subscriber = coverage.subscriber or person
        yield CoverageOnFile(
            patient_id=person.patient_id,
            coverage_id=coverage_id,
            payer_id=coverage.payer_id,
            payer_name=PAYERS[coverage.payer_id],
            plan_name=coverage.plan_name,
            member_id=coverage.member_id,
            group_number=coverage.group_number,
            subscriber=Subscriber(
                first_name=subscriber.first_name,
                last_name=subscriber.last_name,
                birth_date=subscriber.birth_date,
            ),
            relationship=coverage.relationship,
            priority=priority,
            effective_from=today - IN_FORCE_FOR,
        )


def scheduling(patient: Patient, today: date) -> Iterator[SchedulingFact]:
    """Give all that the scheduling host says about a patient on the day that it is told first."""
    who = patient.person
    for index, booked in enumerate(patient.appointments, 1):
        appointment_id = f"sbx-appointment-{who.key}-{index}"
        day = today + timedelta(days=booked.in_days)
        yield AppointmentBooked(
            appointment_id=appointment_id,
            patient_id=who.patient_id,
            provider_id=booked.provider.provider_id,
            provider_name=booked.provider.name,
            affiliate=booked.provider.affiliate,
            starts_at=datetime.combine(day, time(booked.hour), UTC),
        )
        if booked.cancelled:
            yield AppointmentCancelled(appointment_id=appointment_id, patient_id=who.patient_id)
    for index, request in enumerate(patient.requests, 1):
        yield DocumentRequested(
            request_id=f"sbx-request-{who.key}-{index}",
            patient_id=who.patient_id,
            provider_id=request.provider.provider_id,
            provider_name=request.provider.name,
            affiliate=request.provider.affiliate,
            what=request.what,
        )
