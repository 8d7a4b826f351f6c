"""What gateways say on `portal.sessions.v1`: who logged in and out."""

from typing import ClassVar, Literal

from shared.events.envelope import Fact, Id


class SessionStarted(Fact):
    """A gateway says that a person logged in."""

    TYPE: ClassVar[str] = "portal.session-started.v1"
    session_id: Id
    person_id: Id


class SessionEnded(Fact):
    """A gateway says that a person logged out, or was away too long."""

    TYPE: ClassVar[str] = "portal.session-ended.v1"
    session_id: Id
    person_id: Id
    reason: Literal["logout", "timeout"]


SessionFact = SessionStarted | SessionEnded
