"""Work for people, as services raise it: the inbox queues it, whichever service it is of, until it is settled."""

from typing import ClassVar

from shared.events.envelope import Event, Id
from shared.events.vocabulary import About, Line


class WorkEvent(Event):
    """What a service says about a piece of its work."""

    work_id: Id

    @property
    def service(self) -> str:
        """Whose work it is: the owner of the event's type."""
        return self.TYPE.partition(".")[0]


class WorkRaised(WorkEvent):
    """A service needs a person of a pool to look at something."""

    pool: str
    summary: Line
    about: About


class WorkSettled(WorkEvent):
    """Work that a service raised for a `POOL` is over."""

    POOL: ClassVar[str]
