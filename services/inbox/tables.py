"""The tables of the inbox, beside the kit's own in the same database."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Computed,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlmodel import Field, SQLModel

from shared import columns


def _number() -> Any:
    return Column(BigInteger, nullable=False)


def _words(of: str) -> Any:
    """Return a column with the words of another, to search for; the database fills it."""
    return Column(TSVECTOR, Computed(f"to_tsvector('simple'::regconfig, {of})", persisted=True))


class PatientRow(SQLModel, table=True):
    """A patient, and the lock on what they send; empty until the registration host has told of them."""

    __tablename__ = "patient"
    __table_args__ = (
        Index("patient_person", "person_id"),
        Index("patient_proxies", "proxies", postgresql_using="gin"),
    )

    patient_id: str = Field(sa_column=columns.key())
    person_id: str | None = Field(sa_column=columns.text(nullable=True))
    proxies: str | None = Field(sa_column=Column(JSONB))
    first_name: str | None = Field(sa_column=columns.text(nullable=True))
    last_name: str | None = Field(sa_column=columns.text(nullable=True))
    birth_date: str | None = Field(sa_column=columns.text(nullable=True))
    affiliate: str | None = Field(sa_column=columns.text(nullable=True))
    language: str | None = Field(sa_column=columns.text(nullable=True))
    told_at: datetime | None = Field(sa_column=columns.moment(nullable=True))


class AppointmentRow(SQLModel, table=True):
    """An appointment; of one cancelled before it was heard of, only that is known."""

    __tablename__ = "appointment"
    __table_args__ = (Index("appointment_over", sql("greatest(told_at, starts_at)")),)

    patient_id: str = Field(sa_column=columns.key())
    appointment_id: str = Field(sa_column=columns.key())
    told_at: datetime = Field(sa_column=columns.moment())
    cancelled: bool
    provider_id: str | None = Field(sa_column=columns.text(nullable=True))
    starts_at: datetime | None = Field(sa_column=columns.moment(nullable=True))


class DocumentRequestRow(SQLModel, table=True):
    """A provider's request for a document."""

    __tablename__ = "document_request"
    __table_args__ = (Index("document_request_told", "told_at"),)

    patient_id: str = Field(sa_column=columns.key())
    request_id: str = Field(sa_column=columns.key())
    provider_id: str = Field(sa_column=columns.text())
    told_at: datetime = Field(sa_column=columns.moment())


class ProviderRow(SQLModel, table=True):
    """A provider, whose pool exists since scheduling named them."""

    __tablename__ = "provider"

    provider_id: str = Field(sa_column=columns.key())
    name: str | None = Field(sa_column=columns.text(nullable=True))
    affiliate: str = Field(sa_column=columns.text())
    told_at: datetime = Field(sa_column=columns.moment())


class ItemRow(SQLModel, table=True):
    """An item of the in baskets: a patient's thread, or work that a service raised."""

    __tablename__ = "item"
    __table_args__ = (
        Index("item_words", "words", postgresql_using="gin"),
        # The order in which each pool lists the items of each state; a page is a range of it.
        Index("item_listed", "pool", "state", "priority", "since", "item_id"),
        Index("item_thread", "thread_id", unique=True, postgresql_where=sql("thread_id is not null")),
        Index("item_patient", "patient_id", "updated_at", postgresql_where=sql("thread_id is not null")),
        # A limit runs only while the patient waits for staff.
        Index("item_late", "pool", "due_at", postgresql_where=sql("due_at is not null")),
        Index("item_replied", "pool", "replied_at", "created_at", postgresql_where=sql("replied_at is not null")),
    )

    item_id: str = Field(sa_column=columns.key())
    kind: str = Field(sa_column=columns.text())
    pool: str = Field(sa_column=columns.text())
    state: str = Field(sa_column=columns.text())
    priority: int = Field(sa_column=Column(SmallInteger, nullable=False))
    version: int = Field(sa_column=_number())
    subject: str = Field(sa_column=columns.text())
    created_at: datetime = Field(sa_column=columns.moment())
    updated_at: datetime = Field(sa_column=columns.moment())
    since: datetime = Field(sa_column=columns.moment())
    patient_id: str | None = Field(sa_column=columns.text(nullable=True))
    thread_id: str | None = Field(sa_column=columns.text(nullable=True))
    work_id: str | None = Field(sa_column=columns.text(nullable=True))
    message_kind: str | None = Field(sa_column=columns.text(nullable=True))
    category: str | None = Field(sa_column=columns.text(nullable=True))
    provider_id: str | None = Field(sa_column=columns.text(nullable=True))
    about: str = Field(sa_column=columns.jsonb())
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    urgent_words: str = Field(sa_column=columns.text())
    escalated: bool
    rule_version: int = Field(sa_column=_number())
    why: str = Field(sa_column=columns.text())
    assignee: str | None = Field(sa_column=columns.text(nullable=True))
    lease_ends_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    due_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    limit_number: int
    limit_minutes: int
    service: str | None = Field(sa_column=columns.text(nullable=True))
    raised_for: str | None = Field(sa_column=columns.text(nullable=True))
    postponed_until: datetime | None = Field(sa_column=columns.moment(nullable=True))
    replied_version: int = Field(sa_column=_number())
    replied_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    words: str | None = Field(sa_column=_words("subject"))


class PoolCountRow(SQLModel, table=True):
    """How many items of a state a pool has: the sum of its rows.

    Each connection counts on a row of its own, or two transactions would wait for each other.
    """

    __tablename__ = "pool_count"

    pool: str = Field(sa_column=columns.key())
    state: str = Field(sa_column=columns.key())
    writer: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    items: int = Field(sa_column=_number())


class MessageRow(SQLModel, table=True):
    """A message of a thread, the patient's or a reply; never changed."""

    __tablename__ = "message"
    __table_args__ = (
        Index("message_thread", "thread_id", "at"),
        Index("message_words", "words", postgresql_using="gin"),
    )

    patient_id: str = Field(sa_column=columns.key())
    message_id: str = Field(sa_column=columns.key())
    thread_id: str = Field(sa_column=columns.text())
    item_id: str = Field(sa_column=columns.text())
    author: str = Field(sa_column=columns.text())
    author_id: str = Field(sa_column=columns.text())
    body: str = Field(sa_column=columns.text())
    at: datetime = Field(sa_column=columns.moment())
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    pool: str = Field(sa_column=columns.text())
    rule_version: int = Field(sa_column=_number())
    why: str = Field(sa_column=columns.text())
    attachment_ids: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    subject: str | None = Field(sa_column=columns.text(nullable=True))
    about: str | None = Field(sa_column=columns.jsonb(nullable=True))
    words: str | None = Field(sa_column=_words("body"))


class AttachmentRow(SQLModel, table=True):
    """A file of a patient; its bytes are in the object store under their SHA-256."""

    __tablename__ = "attachment"

    attachment_id: str = Field(sa_column=columns.key())
    patient_id: str = Field(sa_column=columns.text())
    uploaded_by: str = Field(sa_column=columns.text())
    name: str = Field(sa_column=columns.text())
    content_type: str = Field(sa_column=columns.text())
    size: int = Field(sa_column=_number())
    sha256: str = Field(sa_column=columns.text())
    state: str = Field(sa_column=columns.text())
    reason: str | None = Field(sa_column=columns.text(nullable=True))
    created_at: datetime = Field(sa_column=columns.moment())


class MessageAttachmentRow(SQLModel, table=True):
    """Which items show a file."""

    __tablename__ = "message_attachment"
    __table_args__ = (Index("message_attachment_item", "item_id"),)

    attachment_id: str = Field(sa_column=columns.key())
    item_id: str = Field(sa_column=columns.key())


class RuleSetRow(SQLModel, table=True):
    """A rule set as a supervisor put it; `withdrawn` when another took its place before its day came."""

    __tablename__ = "rule_set"

    version: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    document: str = Field(sa_column=columns.jsonb())
    withdrawn: bool
    put_by: str | None = Field(sa_column=columns.text(nullable=True))
    put_at: datetime | None = Field(sa_column=columns.moment(nullable=True))


class ItemChangeRow(SQLModel, table=True):
    """Something that happened to an item, for those who look on.

    Read in the order of `(tx, seq)` and only below the oldest transaction still under way, so that nothing can
    appear behind a reader who has gone on.
    """

    __tablename__ = "item_change"

    tx: int = Field(
        sa_column=Column(
            BigInteger,
            primary_key=True,
            autoincrement=False,
            server_default=sql("(pg_current_xact_id()::text)::bigint"),
        )
    )
    seq: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    item_id: str = Field(sa_column=columns.text())
    pool: str = Field(sa_column=columns.text())
    thread_id: str | None = Field(sa_column=columns.text(nullable=True))
    patient_id: str | None = Field(sa_column=columns.text(nullable=True))
    what: str = Field(sa_column=columns.text())
    version: int = Field(sa_column=_number())
    at: datetime = Field(sa_column=columns.moment())


class ItemHistoryRow(SQLModel, table=True):
    """Something that happened to an item, in the pool where it was then. The database refuses any change of it."""

    __tablename__ = "item_history"
    __table_args__ = (Index("item_history_flow", "pool", "what", "at"),)

    item_id: str = Field(sa_column=columns.key())
    seq: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    pool: str = Field(sa_column=columns.text())
    what: str = Field(sa_column=columns.text())
    by: str | None = Field(sa_column=columns.text(nullable=True))
    reason: str | None = Field(sa_column=columns.text(nullable=True))
    at: datetime = Field(sa_column=columns.moment())


class ReadRow(SQLModel, table=True):
    """That somebody read clinical content. The database refuses any change of it."""

    __tablename__ = "read_log"
    __table_args__ = (
        Index("read_log_patient", "patient_id", "at"),
        Index("read_log_reader", "reader", "at"),
    )

    id: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    at: datetime = Field(sa_column=columns.moment())
    reader: str = Field(sa_column=columns.text())
    what: str = Field(sa_column=columns.text())
    what_id: str = Field(sa_column=columns.text())
    patient_id: str | None = Field(sa_column=columns.text(nullable=True))
