"""What the messages of a batch name, and so has to be read before they are decided about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from services.insurance.domain import Fact, Heard
from services.insurance.domain.asking import AskAgain, CheckBeforeVisit, CheckCoverage, PayerAnswered
from services.insurance.domain.session import GatherSession, SessionMessage, SubmitSession
from services.insurance.domain.settling import SettleWork
from shared.events.envelope import Message
from shared.events.insurance import (
    AddCoverage,
    DecideChange,
    RemoveCoverage,
    RequestChange,
    SetPriority,
    VerifyAgain,
)
from shared.events.portal import SessionEnded, SessionStarted
from shared.events.registration import CoverageOnFile, PatientRegistered
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
        _name(named, message.data)
    return named


def _name(named: Named, heard: Heard) -> None:  # noqa: C901, PLR0912  # a case for each message
    """Note what a message names: its patient, and what of a patient, or a session."""
    if not isinstance(heard, SessionMessage):
        named.patients.add(heard.patient_id)
    if isinstance(heard, Fact):
        named.heard_of.add(heard.patient_id)
    match heard:
        case SessionEnded():
            named.sessions.add(heard.session_id)
        case GatherSession():
            named.sessions.add(heard.session_id)
            named.gathered.add(heard.session_id)
        case AddCoverage():
            named.sessions.add(heard.session_id)
            named.coverages.append((heard.patient_id, heard.coverage_id))
        case CoverageOnFile():
            named.coverages.append((heard.patient_id, heard.coverage_id))
        case RequestChange():
            named.sessions.add(heard.session_id)
            named.changes.append((heard.patient_id, heard.change_id))
        case DecideChange():
            named.changes.append((heard.patient_id, heard.change_id))
        case AppointmentBooked() | AppointmentCancelled() | CheckBeforeVisit():
            named.appointments.add(heard.appointment_id)
        case PayerAnswered():
            named.verifications.add(heard.verification_id)
        case SettleWork():
            named.work.add(heard.work_id)
        case (
            SessionStarted()
            | PatientRegistered()
            | RemoveCoverage()
            | VerifyAgain()
            | SetPriority()
            | AskAgain()
            | SubmitSession()
            | CheckCoverage()
        ):
            pass
        case _:
            assert_never(heard)
