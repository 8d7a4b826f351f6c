"""The rules of feedback: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, assert_never

from shared.events.envelope import Id, Internal, Message
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task, TryLaterError
from tests.example.messages import (
    CommandRefused,
    FeedbackClosed,
    FeedbackLeft,
    LeaveFeedback,
    VisitEnded,
    VisitorThanked,
)

OPEN_FOR = timedelta(days=30)


class ThankVisitor(Internal):
    """Task: thank the visitor."""

    TYPE: ClassVar[str] = "feedback.thank-visitor.v1"
    visit_id: Id


class Thanked(Internal):
    """What came of thanking."""

    TYPE: ClassVar[str] = "feedback.thanked.v1"
    visit_id: Id
    thanked: bool


class CloseFeedback(Internal):
    """Timer: the time for feedback is over."""

    TYPE: ClassVar[str] = "feedback.close-feedback.v1"
    visit_id: Id


FeedbackMessage = LeaveFeedback | VisitEnded | Thanked | CloseFeedback


@dataclass(frozen=True)
class Visit:
    """A visit, and the feedback about it, by feedback id.

    `ids_elsewhere` are those that messages name and that are another visit's.
    """

    visit_id: str
    ended: bool = False
    closed: bool = False
    feedback: Mapping[str, LeaveFeedback] = field(default_factory=dict)
    ids_elsewhere: frozenset[str] = frozenset()


def decide(visit: Visit | None, message: Message[FeedbackMessage], now: datetime) -> Decision[Visit]:
    """Decide what a message means for a visit."""
    match message.data:
        case VisitEnded(visit_id=visit_id):
            if visit is not None and visit.ended:
                return Decision(visit)
            timer = Task(CloseFeedback(visit_id=visit_id), now + OPEN_FOR)
            return Decision(replace(visit or Visit(visit_id), ended=True), tasks=(timer,))
        case LeaveFeedback() as asked:
            return _leave(visit, asked)
        case Thanked(visit_id=visit_id, thanked=thanked):
            return Decision(visit or Visit(visit_id), (Event(VisitorThanked(visit_id=visit_id, thanked=thanked)),))
        case CloseFeedback(visit_id=visit_id):
            visit = visit or Visit(visit_id)
            closed = FeedbackClosed(visit_id=visit_id, left=len(visit.feedback))
            return Decision(replace(visit, closed=True), (Event(closed),))
        case _:
            assert_never(message.data)


def _leave(visit: Visit | None, asked: LeaveFeedback) -> Decision[Visit]:
    if visit is None or not visit.ended:
        # The host's topic may be behind: the visitor cannot know of a visit that is not over.
        raise TryLaterError("visit_not_over")
    left = Event(FeedbackLeft(feedback_id=asked.feedback_id, visit_id=asked.visit_id, stars=asked.stars), "done")
    there = visit.feedback.get(asked.feedback_id)
    if there == asked:
        return Decision(visit, (left,))
    if there is not None or asked.feedback_id in visit.ids_elsewhere:
        return Decision(visit, (_refused("idempotency_conflict", "this feedback_id was used for other content"),))
    if visit.closed:
        return Decision(visit, (_refused("closed", "feedback is taken in for 30 days"),))
    thanks = (Task(ThankVisitor(visit_id=asked.visit_id)),) if not visit.feedback else ()
    return Decision(replace(visit, feedback={**visit.feedback, asked.feedback_id: asked}), (left,), thanks)


def _refused(reason: str, detail: str) -> Event:
    return Event(CommandRefused(command_type=LeaveFeedback.TYPE, reason=reason, detail=detail), "refused")
