"""What the messages of a batch name, and so has to be read before they are decided about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.insurance.domain import Fact
from services.insurance.domain.asking import CheckBeforeVisit, PayerAnswered
from services.insurance.domain.session import GatherSession, SessionMessage
from services.insurance.domain.settling import SettleWork
from shared.events.envelope import Message
from shared.events.insurance import AddCoverage, DecideChange, RequestChange
from shared.events.portal import SessionEnded
from shared.events.registration import CoverageOnFile
from shared.events.scheduling import AppointmentBooked, AppointmentCancelled


@dataclass(slots=True)
class Named:
    """What the messages of a batch name, and so has to be there when they are decided about."""

    patients: set[str] = field(default_factory=set)
    heard_of: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    gathered: set[str] = field(default_factory=set)
    coverages: list[tuple[str, str]] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)
    verifications: set[str] = field(default_factory=set)
    appointments: set[str] = field(default_factory=set)
    work: set[str] = field(default_factory=set)


def named_by(messages: Sequence[Message[Any]]) -> Named:
    """Return all that messages name."""
    named = Named()
    for message in messages:
        data = message.data
        if isinstance(data, SessionEnded | GatherSession | AddCoverage | RequestChange):
            named.sessions.add(data.session_id)
        if isinstance(data, GatherSession):
            named.gathered.add(data.session_id)
        if not isinstance(data, SessionMessage):
            named.patients.add(data.patient_id)
            _name_parts(named, data)
    return named


def _name_parts(named: Named, data: Any) -> None:
    """Add what a message about a patient names of what belongs to the patient."""
    if isinstance(data, Fact):
        named.heard_of.add(data.patient_id)
    match data:
        case AddCoverage() | CoverageOnFile():
            named.coverages.append((data.patient_id, data.coverage_id))
        case RequestChange() | DecideChange():
            named.changes.append((data.patient_id, data.change_id))
        case AppointmentBooked() | AppointmentCancelled() | CheckBeforeVisit():
            named.appointments.add(data.appointment_id)
        case PayerAnswered():
            named.verifications.add(data.verification_id)
        case SettleWork():
            named.work.add(data.work_id)
