"""A session of a person, whose end has what was added or changed in it verified: whenever it is told, and once.

Two processes may take up a coverage and the end of its session at the same moment. Both lock the session's row, so
one comes after the other. Comes the coverage later, it sees that the session has ended and is submitted at once.
Comes it earlier, it is committed with `waiting_session` before the timer is there that the session's end leaves
behind; that timer looks for who waits only then. That also holds when one batch brings both.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, assert_never

from shared.events.envelope import Id, Internal, Time
from shared.events.portal import SessionEnded, SessionStarted
from shared.frozen import replace
from shared.messaging.decision import Decision, Task


class GatherSession(Internal):
    """A session has ended: look which patients have something that waits for it."""

    TYPE: ClassVar[str] = "insurance.gather-session.v1"
    session_id: Id


class SubmitSession(Internal):
    """A session has ended, or was given up: submit what a patient has that waits for it.

    With `came_by` it was given up on what came by then; what came later has its own timer.
    """

    TYPE: ClassVar[str] = "insurance.submit-session.v1"
    session_id: Id
    patient_id: Id
    came_by: Time | None = None


@dataclass(frozen=True)
class Session:
    """Whether a session has ended; `waiting` are the patients with something that waits for its end."""

    session_id: str
    ended_at: datetime | None = None
    waiting: tuple[str, ...] = ()


SessionMessage = SessionStarted | SessionEnded | GatherSession


def hear(session: Session | None, told: SessionMessage, now: datetime) -> Decision[Session]:
    """Return what follows from what is told about a session."""
    known = session or Session(told.session_id)
    match told:
        case SessionStarted():
            return Decision(known)
        case SessionEnded() if known.ended_at is not None:
            return Decision(known)
        case SessionEnded():
            gather = Task(GatherSession(session_id=told.session_id))
            return Decision(replace(known, ended_at=now), tasks=(gather,))
        case GatherSession():
            return Decision(
                known,
                tasks=tuple(
                    Task(SubmitSession(session_id=told.session_id, patient_id=patient_id), name=patient_id)
                    for patient_id in known.waiting
                ),
            )
        case _:
            assert_never(told)
