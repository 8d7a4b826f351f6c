"""What the messages of a batch name, and so has to be read before they are decided about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from services.inbox.domain import Heard, state_key
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
)
from services.inbox.domain.item import TimeLimit, derived
from shared.events.envelope import Message
from shared.events.inbox import RaiseWork, SendMessage
from shared.events.registration import PatientRegistered
from shared.events.scheduling import AppointmentBooked, AppointmentCancelled, DocumentRequested
from shared.events.work import WorkRaised, WorkSettled


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
