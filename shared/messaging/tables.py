"""The kit's own tables, in every service's database beside the service's.

They are few on purpose: how far each partition is done, which messages were taken up, what is still to be
said (outbox), to be done (tasks), to wait (parked records), and what could not be handled (dead letters).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, LargeBinary, SmallInteger, Text, func
from sqlmodel import Field, SQLModel

NOW = func.now()


def _moment(*, default: bool = False, nullable: bool = False) -> Any:
    """Return a column for a time with zone."""
    return Column(DateTime(timezone=True), nullable=nullable, server_default=NOW if default else None)


class ConsumerOffset(SQLModel, table=True):
    """The next offset to handle of each partition: the truth, which Kafka's committed offset only follows."""

    __tablename__ = "consumer_offset"

    topic: str = Field(sa_column=Column(Text, primary_key=True))
    partition: int = Field(primary_key=True)
    next_offset: int = Field(sa_column=Column(BigInteger, nullable=False))


class HandledMessage(SQLModel, table=True):
    """A message that was taken up: `id` is a 16-byte digest of its `(source, id)`, so a repeat is known."""

    __tablename__ = "handled_message"
    __table_args__ = (Index("handled_message_at", "handled_at"),)

    id: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    handled_at: datetime = Field(sa_column=_moment(default=True))


class OutboxRow(SQLModel, table=True):
    """Records of one transaction still to be sent, of one shard and topic; deleted when acknowledged."""

    __tablename__ = "outbox"

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    shard: int = Field(sa_column=Column(SmallInteger, nullable=False))
    topic: str = Field(sa_column=Column(Text, nullable=False))
    count: int = Field(sa_column=Column(Integer, nullable=False))
    records: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = Field(sa_column=_moment(default=True))


class TaskRow(SQLModel, table=True):
    """A task: due at a time of the business's clock, leased by the database's clock, tried so many times."""

    __tablename__ = "task"
    __table_args__ = (Index("task_due", "kind", "due_at"),)

    id: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    key: str = Field(sa_column=Column(Text, nullable=False))
    data: str = Field(sa_column=Column(Text, nullable=False))
    due_at: datetime = Field(sa_column=_moment())
    leased_until: datetime | None = Field(sa_column=_moment(nullable=True))
    attempts: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    cause: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=_moment(default=True))


class ParkedRecord(SQLModel, table=True):
    """A record that waits, or that stands behind one of its lane which waits; released in order of `seq`."""

    __tablename__ = "parked_record"
    __table_args__ = (Index("parked_record_lane", "lane", "seq"),)

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    lane: str = Field(sa_column=Column(Text, nullable=False))
    # JSON as bytes: a header's name may hold what PostgreSQL's own JSON refuses.
    record: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    attempts: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    parked_at: datetime = Field(sa_column=_moment(default=True))


class DeadLetterRow(SQLModel, table=True):
    """A record that could not be handled, whole, with why; `state` is dead, replaying or discarded."""

    __tablename__ = "dead_letter"
    __table_args__ = (Index("dead_letter_reason", "reason"),)

    id: str = Field(sa_column=Column(Text, primary_key=True))
    key: str | None = Field(sa_column=Column(Text))
    # JSON as bytes: a header's name may hold what PostgreSQL's own JSON refuses.
    record: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    detail: str = Field(sa_column=Column(Text, nullable=False))
    attempts: int = Field(sa_column=Column(SmallInteger, nullable=False))
    state: str = Field(default="dead", sa_column=Column(Text, nullable=False, server_default="dead"))
    first_seen_at: datetime = Field(sa_column=_moment())
    dead_at: datetime = Field(sa_column=_moment())
