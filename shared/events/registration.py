"""What the registration host says on `host.registration.v1`: patients and their coverages on file."""

from typing import ClassVar

from shared.events.envelope import Date, Fact, Id
from shared.events.vocabulary import (
    Name,
    Persons,
    Position,
    Relationship,
    Sex,
    Subscriber,
    Word,
)


class PatientRegistered(Fact):
    """The registration host registered a patient, or says it anew.

    `person_id` is the patient's own login; `proxies` are other persons who act for the patient.
    """

    TYPE: ClassVar[str] = "registration.patient-registered.v1"
    patient_id: Id
    person_id: Id | None = None
    first_name: Name
    last_name: Name
    birth_date: Date
    sex: Sex
    postal_code: Word
    affiliate: Id
    time_zone: Word
    language: Word
    proxies: Persons


class CoverageOnFile(Fact):
    """The registration host has this insurance of a patient on file; priority 1 pays first."""

    TYPE: ClassVar[str] = "registration.coverage-on-file.v1"
    patient_id: Id
    coverage_id: Id
    payer_id: Word
    payer_name: Word
    plan_name: Word
    member_id: Word
    group_number: Word | None = None
    subscriber: Subscriber
    relationship: Relationship
    priority: Position
    effective_from: Date
    effective_to: Date | None = None


RegistrationFact = PatientRegistered | CoverageOnFile
