"""What the feedback service hears and says; in a real service this module lives in `shared/events/`."""

from typing import Annotated, ClassVar

from pydantic import Field

from shared.events.envelope import Command, Event, Fact, Id
from shared.events.topics import Service, Subscription, Topic


class VisitEnded(Fact):
    """The scheduling host says that a visit is over."""

    TYPE: ClassVar[str] = "visits.visit-ended.v1"
    visit_id: Id


class LeaveFeedback(Command):
    """A gateway passes on what a visitor thinks of a visit."""

    TYPE: ClassVar[str] = "feedback.leave-feedback.v1"
    feedback_id: Id
    visit_id: Id
    stars: Annotated[int, Field(ge=1, le=5)]
    comment: Annotated[str, Field(max_length=1000)] = ""


class FeedbackLeft(Event):
    """Feedback was taken in."""

    TYPE: ClassVar[str] = "feedback.feedback-left.v1"
    feedback_id: Id
    visit_id: Id
    stars: int


class VisitorThanked(Event):
    """The visitor was thanked, or could not be."""

    TYPE: ClassVar[str] = "feedback.visitor-thanked.v1"
    visit_id: Id
    thanked: bool


class FeedbackClosed(Event):
    """No more feedback is taken in for a visit."""

    TYPE: ClassVar[str] = "feedback.feedback-closed.v1"
    visit_id: Id
    left: int


class CommandRefused(Event):
    """A command was refused; `reason` is `invalid_data`, `too_large`, `closed` or `idempotency_conflict`."""

    TYPE: ClassVar[str] = "feedback.command-refused.v1"
    command_type: str
    reason: str
    detail: str


def service(name: str = "feedback", partitions: int = 8) -> Service:
    """Return the service with its topics, under a name of its own for each test."""
    commands = Topic(f"{name}.commands.v1", "visit id", "gateways", (LeaveFeedback,), partitions)
    visits = Topic(f"{name}.visits.v1", "visit id", "the scheduling host", (VisitEnded,), partitions)
    events = (FeedbackLeft, VisitorThanked, FeedbackClosed, CommandRefused)
    return Service(
        name,
        (
            Subscription(commands, (LeaveFeedback,), "what it is asked for"),
            Subscription(visits, (VisitEnded,), "which visits may be talked about"),
        ),
        Topic(f"{name}.events.v1", "visit id", name, events, partitions),
        Topic(f"{name}.dead-letters.v1", "as the original", name, (), 1, message_bytes_max=4 * 1024 * 1024),
    )
