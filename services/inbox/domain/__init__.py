"""The rules of the inbox: `decide` says what follows from each message for one patient, item, file or rule set.

`state_key` says which one a message is about, and `named_by` what has to be read for it before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, assert_never

from services.inbox.domain.acting import act, elapse
from services.inbox.domain.attachment import AddAttachment, AttachmentScanned
from services.inbox.domain.commands import (
    ClaimItem,
    EscalateItem,
    FinishItem,
    LeaseEnded,
    PostponeItem,
    PostponementEnded,
    PutDelegations,
    PutRoutingRules,
    ReassignItem,
    ReleaseItem,
    ReplyToItem,
    StaffCommand,
)
from services.inbox.domain.item import Desk, TimeLimit, derived, item_of_work
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

AboutPatient: TypeAlias = PatientRegistered | SchedulingFact | SendMessage
AboutItem: TypeAlias = Work | StaffCommand | Timer
AboutFile: TypeAlias = AddAttachment | AttachmentScanned
AboutRules: TypeAlias = PutRoutingRules | PutDelegations
Heard: TypeAlias = AboutPatient | AboutItem | AboutFile | AboutRules
"""All that `decide` is given."""


def state_key(message: Message[Any]) -> str:
    """Return the key of the state that a message is about: a kind, a colon and an id."""
    heard: Heard = message.data
    if isinstance(heard, AboutPatient):
        return f"patient:{heard.patient_id}"
    if isinstance(heard, AboutFile):
        return f"attachment:{heard.attachment_id}"
    if isinstance(heard, AboutRules):
        return SUBJECT
    return f"item:{item_of_work(heard.work_id) if isinstance(heard, Work) else heard.item_id}"


def decide(state: State | None, message: Message[Any], now: datetime) -> Decision[State]:
    """Return what follows from a message; `now` is the business's time."""
    heard: Heard = message.data
    if isinstance(heard, AboutPatient):
        patient = state if isinstance(state, Patient) else Patient(heard.patient_id)
        return _about_patient(patient, heard, message, now)
    if isinstance(heard, AboutFile):
        return _about_file(state if isinstance(state, Upload) else Upload(), heard, now)
    if isinstance(heard, AboutRules):
        supervision = state if isinstance(state, Supervision) else Supervision()
        return _about_rules(supervision, heard, message.actor, now)
    return _about_item(state if isinstance(state, Desk) else Desk(), heard, message, now)


def _about_patient(patient: Patient, heard: AboutPatient, message: Message[Any], now: datetime) -> Decision[State]:
    match heard:
        case PatientRegistered():
            return register(patient, heard, message.time)
        case SendMessage():
            return send(patient, heard, message.actor, now)
        case AppointmentBooked() | AppointmentCancelled() | DocumentRequested():
            return schedule(patient, heard, message.time)
        case _:
            assert_never(heard)


def _about_file(upload: Upload, heard: AboutFile, now: datetime) -> Decision[State]:
    match heard:
        case AddAttachment():
            return add(upload, heard, now)
        case AttachmentScanned():
            return hear_scan(upload, heard, now)
        case _:
            assert_never(heard)


def _about_rules(supervision: Supervision, heard: AboutRules, actor: str, now: datetime) -> Decision[State]:
    match heard:
        case PutRoutingRules():
            return put(supervision, heard, actor, now)
        case PutDelegations():
            return delegate(supervision, heard, actor, now)
        case _:
            assert_never(heard)


def _about_item(desk: Desk, heard: AboutItem, message: Message[Any], now: datetime) -> Decision[State]:
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


@dataclass(slots=True)
class Named:
    """What the messages of a batch name, and so has to be there when they are decided about."""

    patients: set[str] = field(default_factory=set)
    heard_of: set[str] = field(default_factory=set)
    items: set[str] = field(default_factory=set)
    providers: set[str] = field(default_factory=set)
    pools: set[str] = field(default_factory=set)
    messages: list[tuple[str, str]] = field(default_factory=list)
    attachments: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    added: set[str] = field(default_factory=set)
    rules: bool = False
    supervision: bool = False


def named_by(messages: Sequence[Message[Any]]) -> Named:
    """Return all that messages name."""
    named = Named()
    kinds = {"patient": named.patients, "item": named.items, "attachment": named.files}
    for message in messages:
        kind, _, which = state_key(message).partition(":")
        if kind in kinds:
            kinds[kind].add(which)
        _name(named, message.data)
    return named


def _name(named: Named, heard: Heard) -> None:  # noqa: C901, PLR0912  # a case for each message
    """Note what a message names beside what it is about."""
    match heard:
        case PatientRegistered() | AppointmentCancelled():
            named.heard_of.add(heard.patient_id)
        case AppointmentBooked() | DocumentRequested():
            named.heard_of.add(heard.patient_id)
            named.providers.add(heard.provider_id)
        case SendMessage():
            named.rules = True
            named.messages.append((heard.patient_id, heard.message_id))
            named.attachments.update(heard.attachment_ids or ())
            if heard.thread_id is not None:
                named.items.add(derived("item", heard.thread_id))
        case RaiseWork() | WorkRaised():
            named.rules = True
            named.pools.add(heard.pool)
        case ReassignItem():
            if heard.pool is not None:
                named.rules = True
                named.pools.add(heard.pool)
        case ReplyToItem():
            named.attachments.update(heard.attachment_ids)
        case AddAttachment():
            named.added.add(heard.attachment_id)
        case PutRoutingRules():
            named.rules = named.supervision = True
            named.pools.update(rule.pool for rule in heard.rules.rules)
        case PutDelegations():
            named.rules = named.supervision = True
        case (
            WorkSettled()
            | ClaimItem()
            | ReleaseItem()
            | FinishItem()
            | PostponeItem()
            | EscalateItem()
            | LeaseEnded()
            | PostponementEnded()
            | TimeLimit()
            | AttachmentScanned()
        ):
            pass
        case _:
            assert_never(heard)
