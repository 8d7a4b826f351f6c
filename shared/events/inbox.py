"""What is asked of the inbox on `inbox.commands.v1`, and what it says on `inbox.events.v1`."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from shared.events.envelope import Command, Event, Id, Time
from shared.events.vocabulary import About, Body, Code, Growing, Line, Note, Version, Word

Kind = Literal["medical", "non-medical"]

CATEGORIES: Final[Mapping[str, Kind]] = {
    "non-urgent-question": "medical",
    "refill-request": "medical",
    "appointment-request": "medical",
    "medical-info-update": "medical",
    "share-records": "medical",
    "billing-question": "non-medical",
    "insurance-question": "non-medical",
    "customer-service": "non-medical",
    "portal-help": "non-medical",
}
"""Each category of messages, and its kind."""

Pool = Id
"""`billing`, `crm`, `insurance`, `unroutable`, or `provider:<provider_id>`."""


class SendMessage(Command):
    """A gateway asks to bring a patient's message to the right people.

    Medical categories: `non-urgent-question`, `refill-request`, `appointment-request`, `medical-info-update`,
    `share-records`; non-medical: `billing-question`, `insurance-question`, `customer-service`, `portal-help`.
    A message that names a thread has the thread's category, and its provider if any.
    """

    TYPE: ClassVar[str] = "inbox.send-message.v1"
    message_id: Id
    thread_id: Id | None = None
    patient_id: Id
    kind: Kind
    category: Word
    provider_id: Id | None = None
    subject: Line
    body: Body
    attachment_ids: Annotated[tuple[Id, ...], Field(max_length=100)] | None = None
    about: About | None = None


class RaiseWork(Command):
    """A service asks for a person's attention; without a patient the key is `pool:<pool>`."""

    TYPE: ClassVar[str] = "inbox.raise-work.v1"
    work_id: Id
    pool: Pool
    summary: Line
    about: About
    patient_id: Id | None = None


InboxCommand = SendMessage | RaiseWork


class MessageRouted(Event):
    """The inbox put a message into a pool, by this version of the rules and for this reason."""

    TYPE: ClassVar[str] = "inbox.message-routed.v1"
    message_id: Id
    thread_id: Id
    item_id: Id
    pool: Pool
    rule_version: Version
    why: Line


class MessageUnroutable(Event):
    """The inbox found no pool for a message and put it where a supervisor decides."""

    TYPE: ClassVar[str] = "inbox.message-unroutable.v1"
    message_id: Id
    thread_id: Id
    item_id: Id
    rule_version: Version
    why: Line


class WorkQueued(Event):
    """The inbox put a service's work into a pool."""

    TYPE: ClassVar[str] = "inbox.work-queued.v1"
    work_id: Id
    item_id: Id
    pool: Pool


class _ItemEvent(Event):
    item_id: Id
    thread_id: Id | None = None
    pool: Pool | None = None


class ItemClaimed(_ItemEvent):
    """The inbox says that a person of the staff has taken an item, until the lease ends."""

    TYPE: ClassVar[str] = "inbox.item-claimed.v1"
    assignee: Id
    lease_ends_at: Time | None = None


class ItemReleased(_ItemEvent):
    """The inbox says that an item is free again: given back, or its lease has ended."""

    TYPE: ClassVar[str] = "inbox.item-released.v1"
    reason: Growing[Literal["released", "lease_expired"]] | None = None


class ItemReassigned(_ItemEvent):
    """The inbox moved an item to another pool or person, for this reason."""

    TYPE: ClassVar[str] = "inbox.item-reassigned.v1"
    assignee: Id | None = None
    reason: Line


class ItemReplied(Event):
    """The inbox has the staff's reply for the patient."""

    TYPE: ClassVar[str] = "inbox.item-replied.v1"
    thread_id: Id
    item_id: Id
    reply_id: Id


class ItemDone(_ItemEvent):
    """The inbox says that an item needs nothing more."""

    TYPE: ClassVar[str] = "inbox.item-done.v1"


class ItemReopened(_ItemEvent):
    """The inbox opened an item again: the patient or staff wrote, its time came, or its work was raised anew."""

    TYPE: ClassVar[str] = "inbox.item-reopened.v1"
    message_id: Id | None = None


class ItemEscalated(_ItemEvent):
    """The inbox says that an item waited too long, or that staff want a supervisor to see it."""

    TYPE: ClassVar[str] = "inbox.item-escalated.v1"
    reason: Line


class ItemPostponed(_ItemEvent):
    """The inbox brings an item back at this time."""

    TYPE: ClassVar[str] = "inbox.item-postponed.v1"
    until: Time


class RoutingRulesChanged(Event):
    """The inbox follows a new set of routing rules, from the time that the set names."""

    TYPE: ClassVar[str] = "inbox.routing-rules-changed.v1"
    version: Version
    valid_from: Time


class _AttachmentEvent(Event):
    attachment_id: Id
    patient_id: Id | None = None
    message_id: Id | None = None


class AttachmentHeld(_AttachmentEvent):
    """The inbox keeps a file from everybody until it has been scanned."""

    TYPE: ClassVar[str] = "inbox.attachment-held.v1"
    reason: Code | None = None


class AttachmentCleared(_AttachmentEvent):
    """The inbox had a file scanned, and nothing was found."""

    TYPE: ClassVar[str] = "inbox.attachment-cleared.v1"


class AttachmentRefused(_AttachmentEvent):
    """The inbox refuses a file; nobody can open it."""

    TYPE: ClassVar[str] = "inbox.attachment-refused.v1"
    reason: Code


RefusalReason = Literal[
    "invalid_data",
    "too_large",
    "not_found",
    "not_allowed",
    "idempotency_conflict",
    "unknown_category",
    "recipient_missing",
    "recipient_not_allowed",
    "thread_mismatch",
    "unknown_attachment",
    "attachment_refused",
    "too_many_attachments",
    "attachments_too_large",
    "same_file_twice",
    "unknown_pool",
    "pool_inactive",
    "stale_version",
    "taken",
    "lease_expired",
    "not_claimed",
    "item_done",
    "no_thread",
    "until_past",
    "nothing_to_change",
    "rule_shadowed",
    "duplicate_pool",
    "duplicate_delegation",
]

REFUSAL_REASONS: Final[dict[RefusalReason, str]] = {
    "invalid_data": "A field is missing, malformed or out of bounds; the detail names the fields.",
    "too_large": "The command is longer than 256 KiB.",
    "not_found": "There is no such patient or thread for this actor.",
    "not_allowed": "Only services may ask for this.",
    "idempotency_conflict": "The id was used before, for something else.",
    "unknown_category": "There is no such category of this kind of message.",
    "recipient_missing": "A non-urgent question names the provider it is for.",
    "recipient_not_allowed": "The patient cannot write to this provider.",
    "thread_mismatch": "The thread is of another category or for another provider; send the message without it.",
    "unknown_attachment": "There is no such uploaded file of this patient.",
    "attachment_refused": "One of the files was refused when it was scanned.",
    "too_many_attachments": "A message carries fewer files than this.",
    "attachments_too_large": "The files of a message are smaller than this together.",
    "same_file_twice": "A message carries each file once.",
    "unknown_pool": "There is no such pool.",
    "pool_inactive": "The pool takes nothing in.",
    "stale_version": "It has changed since it was read.",
    "taken": "A colleague holds the item.",
    "lease_expired": "The claim has run out; claim the item again.",
    "not_claimed": "Nobody holds the item.",
    "item_done": "The item is done.",
    "no_thread": "The item is work of a service; there is nobody to reply to.",
    "until_past": "The time to postpone to has passed.",
    "nothing_to_change": "The request names nothing that would change.",
    "rule_shadowed": "A rule never matches, since a more general one stands before it.",
    "duplicate_pool": "A set of rules names a pool twice.",
    "duplicate_delegation": "A set of rules delegates an affiliate or provider twice.",
}
"""What each reason means to the sender."""


class CommandRefused(Event):
    """The inbox refuses a command; nothing has changed."""

    TYPE: ClassVar[str] = "inbox.command-refused.v1"
    command_type: Code
    reason: Growing[RefusalReason]
    detail: Note


InboxEvent = (
    MessageRouted
    | MessageUnroutable
    | WorkQueued
    | ItemClaimed
    | ItemReleased
    | ItemReassigned
    | ItemReplied
    | ItemDone
    | ItemReopened
    | ItemEscalated
    | ItemPostponed
    | RoutingRulesChanged
    | AttachmentHeld
    | AttachmentCleared
    | AttachmentRefused
    | CommandRefused
)
