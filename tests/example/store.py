"""The tables of feedback, and how they are read and written for a batch."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Text
from sqlmodel import Field, SQLModel

from shared.database import Connection, insert, upsert
from shared.events.envelope import Message
from shared.messaging.handlers import Change
from tests.example.domain import Visit
from tests.example.messages import LeaveFeedback


class VisitRow(SQLModel, table=True):
    """A visit that was heard of."""

    __tablename__ = "visit"

    visit_id: str = Field(sa_column=Column(Text, primary_key=True))
    ended: bool = False
    closed: bool = False


class FeedbackRow(SQLModel, table=True):
    """Feedback that was left."""

    __tablename__ = "feedback"

    feedback_id: str = Field(sa_column=Column(Text, primary_key=True))
    visit_id: str = Field(sa_column=Column(Text, nullable=False))
    stars: int
    comment: str = Field(sa_column=Column(Text, nullable=False))


async def load(connection: Connection, messages: Sequence[Message[Any]]) -> dict[str, Visit]:
    """Read and lock the visits that the messages are about, in one order for everybody."""
    keys = sorted({message.subject for message in messages})
    rows = await connection.fetch(
        "select visit_id, ended, closed from visit where visit_id = any($1) order by visit_id for update", keys
    )
    named = [(m.subject, m.data.feedback_id) for m in messages if isinstance(m.data, LeaveFeedback)]
    left = await connection.fetch(
        "select feedback_id, visit_id, stars, comment from feedback"
        " where visit_id = any($1) or feedback_id = any($2)",
        keys,
        [feedback_id for _, feedback_id in named],
    )
    feedback: dict[str, dict[str, LeaveFeedback]] = defaultdict(dict)
    for row in left:
        feedback[row["visit_id"]][row["feedback_id"]] = LeaveFeedback(**dict(row))
    owners = {row["feedback_id"]: row["visit_id"] for row in left}
    elsewhere: dict[str, set[str]] = defaultdict(set)
    for visit_id, feedback_id in named:
        if owners.get(feedback_id, visit_id) != visit_id:
            elsewhere[visit_id].add(feedback_id)
    return {
        row["visit_id"]: Visit(
            **dict(row),
            feedback=feedback[row["visit_id"]],
            ids_elsewhere=frozenset(elsewhere[row["visit_id"]]),
        )
        for row in rows
    }


async def save(connection: Connection, changes: Sequence[Change[Visit]]) -> None:
    """Write what changed: visits as they are now, feedback that is new."""
    await upsert(
        connection,
        VisitRow,
        ("visit_id", "ended", "closed"),
        [(change.key, change.after.ended, change.after.closed) for change in changes],
    )
    new = [
        (said.feedback_id, said.visit_id, said.stars, said.comment)
        for _, before, after in changes
        for said in after.feedback.values()
        if before is None or said.feedback_id not in before.feedback
    ]
    await insert(connection, FeedbackRow, ("feedback_id", "visit_id", "stars", "comment"), new)
