"""What the inbox knows about one patient: who acts for them, and to which providers they may write.

Facts come in any order and more than once: of two about the same thing, the one told later counts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Literal, assert_never

from services.inbox.domain.attachment import Attachment
from services.inbox.domain.item import Item, ItemChange, ThreadMessage
from services.inbox.domain.routing import Provider, RuleSet
from shared.events.registration import PatientRegistered
from shared.events.scheduling import AppointmentBooked, AppointmentCancelled, DocumentRequested, SchedulingFact
from shared.frozen import replace
from shared.messaging.decision import Decision

Reason = Literal["scheduled", "requested-documents", "seen"]
REASONS: Final[tuple[Reason, ...]] = ("scheduled", "requested-documents", "seen")
"""Why a patient may write to a provider, the strongest first."""

SEEN_FOR: Final = timedelta(days=3 * 365)
REQUESTED_FOR: Final = timedelta(days=365)


@dataclass(frozen=True)
class Registered:
    """What the registration host told last."""

    person_id: str | None
    proxies: tuple[str, ...]
    first_name: str
    last_name: str
    birth_date: date
    affiliate: str
    language: str
    told_at: datetime

    def may_act(self, person_id: str) -> bool:
        """Return whether a person is the patient, or acts for them."""
        return person_id == self.person_id or person_id in self.proxies


@dataclass(frozen=True)
class Appointment:
    """An appointment; of one that was cancelled before it was heard of, only that is known."""

    appointment_id: str
    told_at: datetime
    cancelled: bool = False
    provider_id: str | None = None
    starts_at: datetime | None = None


@dataclass(frozen=True)
class DocumentRequest:
    """A provider asked the patient for a document."""

    request_id: str
    provider_id: str
    told_at: datetime


@dataclass(frozen=True)
class Patient:
    """A patient; one that nobody has heard of is empty.

    Attributes:
        patient_id: the patient.
        registered: absent until the registration host has told of them.
        appointments: all when a message is to be sent, else those that messages name.
        requests: the same.
        providers: those that messages, appointments and rules name, and that are known.
        items: of the threads that messages name, by thread.
        messages: those that messages name, by id.
        attachments: the same.
        rule_sets: the newest, of which one is in force.
        written: messages that this batch adds.
        changes: what happened to the items in this batch.
    """

    patient_id: str
    registered: Registered | None = None
    appointments: Mapping[str, Appointment] = field(default_factory=dict)
    requests: Mapping[str, DocumentRequest] = field(default_factory=dict)
    providers: Mapping[str, Provider] = field(default_factory=dict)
    items: Mapping[str, Item] = field(default_factory=dict)
    messages: Mapping[str, ThreadMessage] = field(default_factory=dict)
    attachments: Mapping[str, Attachment] = field(default_factory=dict)
    rule_sets: tuple[RuleSet, ...] = ()
    written: tuple[ThreadMessage, ...] = ()
    changes: tuple[ItemChange, ...] = ()


@dataclass(frozen=True)
class Recipient:
    """A provider whom the patient may write to; `reasons` are in the order of their strength."""

    provider_id: str
    reasons: tuple[Reason, ...]


def recipients(patient: Patient, now: datetime) -> list[Recipient]:
    """Return whom a patient may write to: the strongest reason first, then the nearest in time."""
    found: dict[str, dict[Reason, timedelta]] = {}
    for provider_id, reason, distance in _reasons(patient, now):
        reasons = found.setdefault(provider_id, {})
        reasons[reason] = min(distance, reasons.get(reason, distance))

    def order(provider_id: str) -> tuple[int, timedelta, str]:
        first = next(reason for reason in REASONS if reason in found[provider_id])
        return REASONS.index(first), found[provider_id][first], provider_id

    return [
        Recipient(provider_id, tuple(reason for reason in REASONS if reason in found[provider_id]))
        for provider_id in sorted(found, key=order)
    ]


def _reasons(patient: Patient, now: datetime) -> Iterator[tuple[str, Reason, timedelta]]:
    for one in patient.appointments.values():
        if one.cancelled or one.provider_id is None or one.starts_at is None:
            continue
        if one.starts_at >= now:
            yield one.provider_id, "scheduled", one.starts_at - now
        elif now - one.starts_at <= SEEN_FOR:
            yield one.provider_id, "seen", now - one.starts_at
    for request in patient.requests.values():
        if now - request.told_at <= REQUESTED_FOR:
            yield request.provider_id, "requested-documents", abs(now - request.told_at)


def register(patient: Patient, told: PatientRegistered, told_at: datetime) -> Decision[Patient]:
    """Keep who the patient is and who acts for them."""
    known = patient.registered
    if known is not None and known.told_at > told_at:
        return Decision(patient)
    registered = Registered(
        told.person_id,
        told.proxies,
        told.first_name,
        told.last_name,
        told.birth_date,
        told.affiliate,
        told.language,
        told_at,
    )
    return Decision(replace(patient, registered=registered))


def schedule(patient: Patient, told: SchedulingFact, told_at: datetime) -> Decision[Patient]:
    """Keep whom the patient sees, has seen, or was asked for documents by; and that those providers exist."""
    match told:
        case AppointmentBooked():
            booked = Appointment(
                told.appointment_id, told_at, provider_id=told.provider_id, starts_at=told.starts_at
            )
            return Decision(_with_provider(_with_appointment(patient, booked), told, told_at))
        case AppointmentCancelled():
            known = patient.appointments.get(told.appointment_id)
            cancelled = replace(
                known or Appointment(told.appointment_id, told_at), cancelled=True, told_at=told_at
            )
            return Decision(_with_appointment(patient, cancelled))
        case DocumentRequested():
            request = DocumentRequest(told.request_id, told.provider_id, told_at)
            newest = patient.requests.get(told.request_id)
            if newest is None or newest.told_at < told_at:
                patient = replace(patient, requests={**patient.requests, told.request_id: request})
            return Decision(_with_provider(patient, told, told_at))
        case _:
            assert_never(told)


def _with_appointment(patient: Patient, appointment: Appointment) -> Patient:
    known = patient.appointments.get(appointment.appointment_id)
    if known is not None and known.told_at > appointment.told_at:
        if appointment.cancelled or known.provider_id is not None:
            return patient
        # A cancellation overtook what it cancels.
        appointment = replace(appointment, cancelled=True, told_at=known.told_at)
    appointments = {**patient.appointments, appointment.appointment_id: appointment}
    return replace(patient, appointments=appointments)


def _with_provider(patient: Patient, told: AppointmentBooked | DocumentRequested, told_at: datetime) -> Patient:
    known = patient.providers.get(told.provider_id)
    provider = Provider(told.provider_id, told.provider_name, told.affiliate, told_at)
    if known is not None:
        provider = known.after(provider)
        if (known.name, known.affiliate) == (provider.name, provider.affiliate):
            return patient
    return replace(patient, providers={**patient.providers, told.provider_id: provider})
