"""The rules of the inbox: `decide` says what follows from each message for one patient, item, file or rule set."""

from datetime import datetime
from typing import Any, TypeAlias, assert_never

from services.inbox.domain.acting import act, elapse
from services.inbox.domain.attachment import AddAttachment, AttachmentScanned
from services.inbox.domain.commands import (
    LeaseEnded,
    PostponementEnded,
    PutDelegations,
    PutRoutingRules,
    StaffCommand,
)
from services.inbox.domain.item import Desk, TimeLimit, item_of_work
from services.inbox.domain.patient import Patient, register, schedule
from services.inbox.domain.scanning import Upload, add, hear_scan
from services.inbox.domain.sending import send
from services.inbox.domain.supervising import SUBJECT, Supervision, delegate, put
from services.inbox.domain.work import Settled, hear_settled, hear_work, raise_work
from shared.events.envelope import Message
from shared.events.inbox import RaiseWork, SendMessage
from shared.events.registration import PatientRegistered
from shared.events.scheduling import AppointmentBooked, AppointmentCancelled, DocumentRequested, SchedulingFact
from shared.events.work import WorkRaised, WorkSettled
from shared.messaging.decision import Decision

State: TypeAlias = Patient | Desk | Upload | Supervision

Work: TypeAlias = RaiseWork | WorkRaised | Settled
Timer: TypeAlias = LeaseEnded | PostponementEnded | TimeLimit

Heard: TypeAlias = (
    PatientRegistered
    | SchedulingFact
    | SendMessage
    | Work
    | StaffCommand
    | Timer
    | PutRoutingRules
    | PutDelegations
    | AddAttachment
    | AttachmentScanned
)
"""All that `decide` is given."""


def state_key(message: Message[Any]) -> str:
    """Return the key of the state that a message is about: a kind, a colon and an id."""
    heard: Heard = message.data
    match heard:
        case (
            PatientRegistered()
            | AppointmentBooked()
            | AppointmentCancelled()
            | DocumentRequested()
            | SendMessage()
        ):
            return f"patient:{heard.patient_id}"
        case RaiseWork() | WorkRaised() | WorkSettled():
            return f"item:{item_of_work(heard.work_id)}"
        case AddAttachment() | AttachmentScanned():
            return f"attachment:{heard.attachment_id}"
        case PutRoutingRules() | PutDelegations():
            return SUBJECT
        case _:
            return f"item:{heard.item_id}"


def decide(state: State | None, message: Message[Any], now: datetime) -> Decision[State]:
    """Return what follows from a message; `now` is the business's time."""
    heard: Heard = message.data
    match heard:
        case (
            PatientRegistered()
            | AppointmentBooked()
            | AppointmentCancelled()
            | DocumentRequested()
            | SendMessage()
        ):
            return _about_patient(_patient(state, heard.patient_id), heard, message, now)
        case PutRoutingRules():
            return put(state if isinstance(state, Supervision) else Supervision(), heard, now)
        case PutDelegations():
            return delegate(state if isinstance(state, Supervision) else Supervision(), heard, now)
        case AddAttachment():
            return add(state if isinstance(state, Upload) else Upload(), heard, now)
        case AttachmentScanned():
            return hear_scan(state if isinstance(state, Upload) else Upload(), heard, now)
        case _:
            return _about_item(state if isinstance(state, Desk) else Desk(), heard, message, now)


def _about_patient(
    patient: Patient, heard: PatientRegistered | SchedulingFact | SendMessage, message: Message[Any], now: datetime
) -> Decision[State]:
    match heard:
        case PatientRegistered():
            return register(patient, heard, message.time)
        case SendMessage():
            return send(patient, heard, message.actor, now)
        case AppointmentBooked() | AppointmentCancelled() | DocumentRequested():
            return schedule(patient, heard, message.time)
        case _:
            assert_never(heard)


def _about_item(
    desk: Desk, heard: Work | StaffCommand | Timer, message: Message[Any], now: datetime
) -> Decision[State]:
    match heard:
        case RaiseWork():
            return raise_work(desk, heard, message.actor, now)
        case WorkRaised():
            return hear_work(desk, heard, now)
        case WorkSettled():
            return hear_settled(desk, heard, now)
        case LeaseEnded() | PostponementEnded() | TimeLimit():
            return elapse(desk, heard, now)
        case _:
            return act(desk, heard, message.id, message.actor, now)


def _patient(state: State | None, patient_id: str) -> Patient:
    return state if isinstance(state, Patient) else Patient(patient_id)
