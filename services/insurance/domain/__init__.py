"""The rules of insurance: `decide` says what follows from each message for one patient, or for one session.

`state_key` says which one a message is about, and `named_by` what of it has to be read before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from services.insurance.domain import change, coverage, session, submission, visits
from services.insurance.domain.asking import AskAgain, CheckBeforeVisit, CheckCoverage, PayerAnswered
from services.insurance.domain.patient import Patient, Registered
from services.insurance.domain.payers import Directory
from services.insurance.domain.refusal import refuse
from services.insurance.domain.session import GatherSession, Session, SessionMessage, SubmitSession
from services.insurance.domain.settling_work import SettleWork, settle_work
from services.insurance.domain.verification import ask_again, hear_answer
from services.insurance.domain.work import tell_settled
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
from shared.frozen import replace
from shared.messaging.decision import Decision

StaffCommand = DecideChange | VerifyAgain | SetPriority | SettleWork
Command = AddCoverage | RequestChange | RemoveCoverage | StaffCommand
Fact = PatientRegistered | CoverageOnFile | AppointmentBooked | AppointmentCancelled
Result = PayerAnswered | AskAgain | SubmitSession | CheckCoverage | CheckBeforeVisit
PatientMessage = Command | Fact | Result
Heard = SessionMessage | PatientMessage
"""All that `decide` is given: what names a patient is about the patient, all else about a session."""

State = Patient | Session


def state_key(message: Message[Any]) -> str:
    """Return the key of the state that a message is about: a session's, or a patient's."""
    heard: Heard = message.data
    if isinstance(heard, SessionMessage):
        return f"session:{heard.session_id}"
    return f"patient:{heard.patient_id}"


def decide(state: State | None, message: Message[Any], now: datetime, directory: Directory) -> Decision[State]:
    """Return what follows from a message; `now` is the business's time."""
    heard: Heard = message.data
    if isinstance(heard, SessionMessage):
        return session.hear(state if isinstance(state, Session) else None, heard, now)
    patient = state if isinstance(state, Patient) else Patient(heard.patient_id)
    decided = tell_settled(patient, _decide(directory, patient, heard, message, now))
    return _signed(patient, decided, message.actor)


def _signed(before: Patient, decided: Decision[Patient], actor: str) -> Decision[Patient]:
    """Return a decision whose lines of history say who brought them about."""
    old, lines = len(before.history), decided.state.history
    history = (*lines[:old], *(replace(line, actor=actor) for line in lines[old:]))
    return decided._replace(state=replace(decided.state, history=history)) if lines[old:] else decided


def _decide(
    directory: Directory, patient: Patient, heard: PatientMessage, message: Message[Any], now: datetime
) -> Decision[Patient]:
    if isinstance(heard, Fact):
        return _hear(directory, patient, heard, message.time, now)
    if isinstance(heard, Result):
        return _go_on(directory, patient, heard, now)
    return _obey(directory, patient, heard, message, now)


def _hear(
    directory: Directory, patient: Patient, fact: Fact, told_at: datetime, now: datetime
) -> Decision[Patient]:
    match fact:
        case PatientRegistered():
            return _register(patient, fact, told_at)
        case CoverageOnFile():
            return coverage.put_on_file(directory, patient, fact, told_at, now)
        case AppointmentBooked() | AppointmentCancelled():
            return visits.hear(patient, fact, told_at, now)
        case _:
            assert_never(fact)


def _register(patient: Patient, fact: PatientRegistered, told_at: datetime) -> Decision[Patient]:
    if patient.registered is not None and patient.registered.told_at > told_at:
        return Decision(patient)
    registered = Registered(
        person_id=fact.person_id,
        first_name=fact.first_name,
        last_name=fact.last_name,
        birth_date=fact.birth_date,
        time_zone=fact.time_zone,
        proxies=fact.proxies,
        told_at=told_at,
    )
    return Decision(replace(patient, registered=registered))


def _go_on(directory: Directory, patient: Patient, result: Result, now: datetime) -> Decision[Patient]:
    match result:
        case PayerAnswered():
            return hear_answer(patient, result, now)
        case AskAgain():
            return ask_again(patient, result, now)
        case SubmitSession():
            return submission.submit_session(directory, patient, result, now)
        case CheckCoverage():
            return coverage.check(directory, patient, result, now)
        case CheckBeforeVisit():
            return visits.check(directory, patient, result, now)
        case _:
            assert_never(result)


def _obey(
    directory: Directory, patient: Patient, command: Command, message: Message[Any], now: datetime
) -> Decision[Patient]:
    match command:
        case AddCoverage():
            return coverage.add(directory, patient, message, now)
        case RequestChange():
            return change.request(directory, patient, message, now)
        case RemoveCoverage():
            return coverage.remove(patient, command, message.actor, now)
        case _ if patient.who(message.actor) != "staff":
            return refuse(patient, command, "not_allowed")
        case _:
            return _obey_staff(directory, patient, command, message, now)


def _obey_staff(
    directory: Directory, patient: Patient, command: StaffCommand, message: Message[Any], now: datetime
) -> Decision[Patient]:
    cause_id = f"{message.source}/{message.id}"
    match command:
        case DecideChange():
            return change.decide(directory, patient, command, message.actor, now)
        case VerifyAgain():
            return coverage.verify_again(directory, patient, command, cause_id, now)
        case SetPriority():
            return coverage.set_priority(patient, command, message.actor, now)
        case SettleWork():
            return settle_work(directory, patient, command, message.actor, cause_id, now)
        case _:
            assert_never(command)


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
