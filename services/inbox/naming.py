"""What the messages of a batch name, and so has to be read before they are decided about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.inbox.domain import state_key
from services.inbox.domain.attachment import AddAttachment
from services.inbox.domain.commands import PutRoutingRules, ReassignItem, ReplyToItem
from services.inbox.domain.item import derived
from shared.events.envelope import Fact, Message
from shared.events.inbox import RaiseWork, SendMessage
from shared.events.scheduling import AppointmentBooked, DocumentRequested
from shared.events.work import WorkRaised


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
    for message in messages:
        key, _, of = state_key(message).partition(":")
        data = message.data
        match key:
            case "patient":
                _name_for_patient(named, of, data)
            case "item":
                named.items.add(of)
                _name_for_item(named, data)
            case "attachment":
                named.files.add(of)
                if isinstance(data, AddAttachment):
                    named.added.add(of)
            case _:
                named.rules = named.supervision = True
                if isinstance(data, PutRoutingRules):
                    named.pools.update(rule.pool for rule in data.rules.rules)
    return named


def _name_for_patient(named: Named, patient_id: str, data: Any) -> None:
    named.patients.add(patient_id)
    match data:
        case SendMessage():
            named.rules = True
            named.messages.append((patient_id, data.message_id))
            named.attachments.update(data.attachment_ids or ())
            if data.thread_id is not None:
                named.items.add(derived("item", data.thread_id))
        case AppointmentBooked() | DocumentRequested():
            named.providers.add(data.provider_id)
    if isinstance(data, Fact):
        named.heard_of.add(patient_id)


def _name_for_item(named: Named, data: Any) -> None:
    match data:
        case RaiseWork() | WorkRaised():
            named.rules = True
            named.pools.add(data.pool)
        case ReassignItem(pool=str() as pool):
            named.rules = True
            named.pools.add(pool)
        case ReplyToItem():
            named.attachments.update(data.attachment_ids)
