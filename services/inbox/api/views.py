"""Items, threads and files as the API shows them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field

from services.inbox.api.places import before_message
from services.inbox.domain.attachment import Attachment, AttachmentState
from services.inbox.domain.hours import Hours, passed
from services.inbox.domain.item import Item, ItemState, ThreadMessage, What
from services.inbox.persons import ListedThread
from services.inbox.reads import HISTORY_MAX, ShownItem, ShownThread
from services.inbox.rows import ITEM
from shared.events.vocabulary import About

CARE_TEAM = "Care team"
_EARLIER = "what `before` is to be for the messages before these; null if there are none"

ThreadState = Literal["sent", "answered", "closed"]
"""Whether staff have yet to answer, have answered, or are done; in a list, an answer is told until it was read."""


class Sender(BaseModel):
    """The patient whom an item is about."""

    patient_id: str
    name: str | None = Field(description="absent while the registration host has not told of them")


class PatientView(Sender):
    """The patient, as staff need to know them to answer."""

    birth_date: str | None
    language: str | None


class AttachmentView(BaseModel):
    """A file of a message; only a clean one can be opened."""

    attachment_id: str
    name: str
    content_type: str
    size: int
    sha256: str
    state: AttachmentState


class MessageView(BaseModel):
    """A message of a thread."""

    message_id: str
    sender: Literal["patient", "staff"] = Field(serialization_alias="from")
    author: str = Field(description="who wrote it; to patients, staff are their care team, and who reads is You")
    mine: bool = Field(description="whether the reader wrote it")
    on_behalf_of: str | None = Field(description="the patient, if somebody wrote for them whose name is not known")
    subject: str | None = Field(description="as the patient gave it with this message")
    about: About | None = Field(description="what the patient said that this message is about")
    body: str
    at: datetime
    attachments: list[AttachmentView]


class ItemView(BaseModel):
    """An item as it is listed."""

    item_id: str
    kind: Literal["message", "work"]
    pool: str
    state: ItemState
    version: int
    subject: str
    sender: Sender | None
    patient_id: str | None
    thread_id: str | None
    work_id: str | None
    service: str | None = Field(description="which raised the work, and has its details and actions")
    message_kind: str | None
    category: str | None
    provider_id: str | None
    about: About
    urgent: bool
    urgent_words: list[str]
    escalated: bool
    holder: str | None = Field(description="who has claimed it, until `lease_ends_at`")
    assignee: str | None = Field(description="who is to claim it, as a colleague said; anybody may")
    lease_ends_at: datetime | None
    since: datetime = Field(description="since when it has waited, for whom its state says")
    due_at: datetime | None = Field(description="when it escalates")
    waited_s: int = Field(description="business time for which it has waited, while it waits for staff")
    limit_s: int = Field(description="business time that it may wait")
    postponed_until: datetime | None
    created_at: datetime
    updated_at: datetime
    rule_version: int
    why: str
    attachments: int = Field(description="how many files its messages have")


class HappeningView(BaseModel):
    """Something that happened to an item."""

    at: datetime
    what: What
    by: str | None = Field(description="who of the staff did it; absent for what the patient or time did")
    reason: str | None = Field(description="in words: why it moved or escalated, or the note of who finished it")


class ItemDetail(ItemView):
    """An item with a part of its thread."""

    patient: PatientView | None
    messages: list[MessageView] = Field(description="oldest first")
    earlier: str | None = Field(description=_EARLIER)
    history: list[HappeningView] = Field(description=f"oldest first; the newest {HISTORY_MAX}")


class ThreadView(BaseModel):
    """A thread as the patient sees it."""

    thread_id: str
    patient_id: str
    kind: str
    category: str
    subject: str
    provider_id: str | None
    provider_name: str | None
    state: ThreadState
    created_at: datetime
    updated_at: datetime


class ThreadDetail(ThreadView):
    """A thread with a part of its messages."""

    messages: list[MessageView] = Field(description="oldest first")
    earlier: str | None = Field(description=_EARLIER)


def item_view(shown: ShownItem, now: datetime, hours: Hours) -> ItemView:
    """Show an item in a list."""
    return ItemView(**_item(shown.item, shown.name, now, hours), attachments=shown.attachments)


def item_detail(shown: ShownThread, now: datetime, hours: Hours) -> ItemDetail:
    """Show an item with its thread."""
    item = shown.item
    patient = None
    if item.patient_id is not None:
        patient = PatientView(
            patient_id=item.patient_id, name=shown.name, birth_date=shown.birth_date, language=shown.language
        )
    return ItemDetail(
        **_item(item, shown.name, now, hours),
        attachments=shown.files,
        patient=patient,
        messages=_messages(shown, to_patient=False),
        earlier=_earlier(shown),
        history=[HappeningView(at=one.at, what=one.what, by=one.by, reason=one.reason) for one in shown.history],
    )


def thread_view(listed: ListedThread) -> ThreadView:
    """Show a thread in a list."""
    return ThreadView(**_thread(listed.item, listed.provider_name, answered=listed.answered))


def thread_detail(shown: ShownThread) -> ThreadDetail:
    """Show a thread to its patient."""
    answered = shown.item.state != "done" and shown.last_author == "staff"
    told = _thread(shown.item, shown.provider_name, answered=answered)
    return ThreadDetail(**told, messages=_messages(shown, to_patient=True), earlier=_earlier(shown))


def attachment_view(attachment: Attachment) -> AttachmentView:
    """Show what is known of a file."""
    return AttachmentView(
        attachment_id=attachment.attachment_id,
        name=attachment.name,
        content_type=attachment.content_type,
        size=attachment.size,
        sha256=attachment.sha256,
        state=attachment.state,
    )


def _item(item: Item, name: str | None, now: datetime, hours: Hours) -> dict[str, Any]:
    holder = item.holder(now)
    waits = item.state == "open" and item.due_at is not None
    waited = passed(item.since, now, hours) if waits else timedelta()
    names = set(ItemView.model_fields) & set(ITEM) - {"urgent_words", "lease_ends_at"}
    return {field: getattr(item, field) for field in names} | {
        "sender": Sender(patient_id=item.patient_id, name=name) if item.patient_id else None,
        "urgent": bool(item.urgent_words),
        "urgent_words": list(item.urgent_words),
        "waited_s": int(waited.total_seconds()),
        "limit_s": item.limit_minutes * 60,
        "holder": holder,
        "assignee": item.named(),
        "lease_ends_at": item.lease_ends_at if holder else None,
    }


def _thread(item: Item, provider_name: str | None, *, answered: bool) -> dict[str, object]:
    state: ThreadState = "answered" if answered else "closed" if item.state == "done" else "sent"
    return {
        "thread_id": item.thread_id,
        "patient_id": item.patient_id,
        "kind": item.message_kind,
        "category": item.category,
        "subject": item.subject,
        "provider_id": item.provider_id,
        "provider_name": provider_name,
        "state": state,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def _earlier(shown: ShownThread) -> str | None:
    return before_message(shown.messages[0]) if shown.earlier else None


def _messages(shown: ShownThread, *, to_patient: bool) -> list[MessageView]:
    def author(one: ThreadMessage) -> tuple[str, str | None]:
        """Return the name to show, and on whose behalf somebody wrote who has none."""
        if one.author == "staff":
            return CARE_TEAM if to_patient else one.author_id, None
        name = "You" if one.author_id == shown.reader else shown.people.get(one.author_id)
        return (name, None) if name else (f"On behalf of {shown.name or shown.item.patient_id}", shown.name)

    def files(ids: Sequence[str]) -> list[AttachmentView]:
        found = (shown.attachments.get(attachment_id) for attachment_id in ids)
        return [attachment_view(one) for one in found if one is not None]

    return [
        MessageView(
            message_id=one.message_id,
            sender=one.author,
            author=name,
            mine=one.author_id == shown.reader,
            on_behalf_of=patient,
            subject=one.subject,
            about=one.about,
            body=one.body,
            at=one.at,
            attachments=files(one.attachment_ids),
        )
        for one in shown.messages
        for name, patient in [author(one)]
    ]
