"""What a service says when it has decided: the new state, the events to tell, the tasks to do.

A service's rules are one pure function, `decide(state, message, now) -> Decision`. It reads no clock, calls
nothing and invents nothing: the time comes in, ids derive from the message that caused them, and everything
that shall happen is in the decision. The kit commits it whole, or not at all.
"""

from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from shared.events.envelope import Data, Outcome

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class Event(NamedTuple):
    """An event to publish on the service's topic for its type.

    Attributes:
        data: what it says.
        outcome: set on the one event that ends a command.
        key: subject and record key; the message's own when absent.
        correlationid: the chain that it belongs to, where that is not the message's: later progress of a
            command belongs to the command's, whatever brings it about.
    """

    data: Data
    outcome: Outcome | None = None
    key: str | None = None
    correlationid: str | None = None


class Task(NamedTuple):
    """Something to do outside, or a timer; done when it is due, never inside a transaction.

    A task whose data has a performer (`Handlers.performers`) is performed, and what the performer returns
    comes back to `decide`. A task without one is a timer: its data itself comes back when it is due.

    Attributes:
        data: what to do; kept in the database, so no card or contact data.
        due_at: the earliest time; at once when absent.
        name: tells tasks of one kind and one cause apart.
        correlationid: as an event's.
    """

    data: Data
    due_at: datetime | None = None
    name: str = ""
    correlationid: str | None = None


class Decision(NamedTuple, Generic[S_co]):
    """The whole effect of one message on one key."""

    state: S_co
    events: tuple[Event, ...] = ()
    tasks: tuple[Task, ...] = ()

    def then(self, further: "Decision[S]") -> "Decision[S]":
        """Return this decision together with a further one, which was taken from its state."""
        return Decision(further.state, self.events + further.events, self.tasks + further.tasks)


class TryLaterError(Exception):
    """This message must wait, and those behind it under the same key wait with it; other keys go on.

    Raised by `decide` when it cannot decide yet. The kit parks the key, tries again with growing waits, and
    in the end puts the message into the dead letters so that the key can go on.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
