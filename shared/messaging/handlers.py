"""What a service declares to the kit: what it hears, how it loads, decides and saves, and what it does outside.

`services/<name>/handlers.py` makes one `Handlers`; everything else in this package works for it.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from shared.database import Connection
from shared.events.envelope import Command, Data, Message
from shared.events.topics import Service
from shared.messaging.decision import Decision
from shared.messaging.records import Fault

S = TypeVar("S")

Ask: TypeAlias = Callable[[Command, str, str], Awaitable[Data]]
"""Has the rules decide about a command, under a subject, for an actor; returns the event that ended it."""

Listener: TypeAlias = Callable[[Ask], Coroutine[Any, Any, None]]
"""Hears from a neighbour over a connection of its own, until cancelled."""


class Change(NamedTuple, Generic[S]):
    """The state of one key before and after a batch; before is nothing for a new key."""

    key: str
    before: S | None
    after: S


class TaskFailedError(Exception):
    """The task could not be done this time and may be tried again; `reason` is stable and holds no data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Performer:
    """How one kind of task is done outside.

    Attributes:
        perform: the call. It gets the task's data and a key that is the same at every attempt, and returns
            the message for `decide`. It raises `TaskFailedError` to be tried again.
        gave_up: makes the message for `decide` when the attempts are used up.
        timeout: the call is cancelled after this, which counts as a failed attempt.
        waits: the waits between attempts, each with up to a fifth of jitter; one more attempt than waits.
        at_once_max: how many may be under way in one process.
    """

    perform: Callable[[Any, str], Awaitable[Data]]
    gave_up: Callable[[Any, str], Data]
    timeout: timedelta = timedelta(seconds=30)
    waits: tuple[timedelta, ...] = tuple(timedelta(seconds=s) for s in (1, 5, 30, 120, 600))
    at_once_max: int = 1000


def _subject(message: Message[Any]) -> str:
    return message.subject


def _nothing(_: bytes) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Handlers(Generic[S]):
    """A service, as the kit sees it.

    Attributes:
        service: its name (also its consumer group), what it reads and where it tells.
        load: reads and locks (`for update`) the states that the messages are about, by key.
        decide: the rules; pure. A command is answered by exactly one event with an outcome.
        save: writes the changed states.
        refusal: the class of the event that refuses a command.
        performers: what is done outside, by the class of the task's data.
        timers: the classes of tasks that only wait until they are due.
        after_hearing: those of them that also wait until what was said before is handled, since it may end what
            they would do: after an outage, until the backlog is.
        listeners: run beside the loops, as long as these; one that fails ends the process.
        asked: the classes of commands that come from routes and listeners alone (`Handling.ask`), not on a topic.
        key: the key of a message's state; its subject, unless the service knows better.
        screen: looks at a command's bytes before anybody else does; what it finds refuses the command, and
            the bytes are kept nowhere. A key that it finds something in is not kept either.
    """

    service: Service
    load: Callable[[Connection, Sequence[Message[Any]]], Awaitable[dict[str, S]]]
    decide: Callable[[S | None, Message[Any], datetime], Decision[S]]
    save: Callable[[Connection, Sequence[Change[S]]], Awaitable[None]]
    refusal: Callable[..., Data]
    performers: Mapping[type[Data], Performer] = field(default_factory=dict)
    timers: tuple[type[Data], ...] = ()
    after_hearing: tuple[type[Data], ...] = ()
    listeners: tuple[Listener, ...] = ()
    asked: tuple[type[Command], ...] = ()
    key: Callable[[Message[Any]], str] = _subject
    screen: Callable[[bytes], Fault | None] = _nothing
