"""What becomes of each arrival of a batch: in order for each key, with no I/O at all.

Every arrival ends in exactly one place of `Effects`: decided, a repeat, ignored, refused, parked or dead.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, NamedTuple

import structlog

from shared import telemetry
from shared.events.envelope import Command, Header, Message, Outcome, write_event
from shared.messaging import decision, metrics, outbox
from shared.messaging.decision import Decision, TryLaterError
from shared.messaging.handlers import Change, Handlers, S
from shared.messaging.records import Arrival, Fault, Owed, Understood, Unread, identity_of
from shared.messaging.tasks import Cause, NewTask, new_task

_TIMED_MAX: Final = 100

log = structlog.get_logger(__name__)


class Parked(NamedTuple):
    """A record that waits, and why; not `tried` if it waits only because another of its lane does."""

    arrival: Arrival
    reason: str
    tried: bool


@dataclass(slots=True)
class Effects(Generic[S]):
    """All that a batch comes to at one moment, for one transaction to commit."""

    before: dict[str, S]
    now: datetime
    after: dict[str, S] = field(default_factory=dict)
    rows: list[outbox.Outgoing] = field(default_factory=list)
    tasks: list[NewTask] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    dead: list[tuple[Arrival, Fault]] = field(default_factory=list)
    results: Counter[str] = field(default_factory=Counter)
    asked_at: list[datetime] = field(default_factory=list)
    told_at: str = ""

    def __post_init__(self) -> None:
        self.told_at = self.now.isoformat()

    def changes(self) -> list[Change[S]]:
        """Return the states that changed."""
        before = self.before
        return [
            Change(key, before.get(key), state)
            for key, state in self.after.items()
            if before.get(key) is not state
        ]

    def undone(self) -> list[bytes]:
        """Return the identities of messages that were not decided after all."""
        left = [*(one.arrival.identity for one in self.parked), *(arrival.identity for arrival, _ in self.dead)]
        return [identity for identity in left if identity is not None]

    def park(self, arrival: Arrival, reason: str, *, tried: bool = True) -> None:
        """Let a record wait."""
        self.parked.append(Parked(arrival, reason, tried))
        self.results["parked"] += 1

    def bury(self, arrival: Arrival, fault: Fault) -> None:
        """Put a record into the dead letters."""
        self.dead.append((arrival, fault))
        self.results["dead"] += 1

    def give_up(self, one: Parked) -> None:
        """Let a record wait no longer: it is dead, of what it waited for."""
        self.parked.remove(one)
        self.results["parked"] -= 1
        self.bury(one.arrival, Fault("gave_up", one.reason))


class Deciding(Generic[S]):
    """Applies a service's rules to a batch."""

    def __init__(self, handlers: Handlers[S]) -> None:
        self._handlers = handlers
        self._key = handlers.key
        self._rules = handlers.decide
        self._source = f"service:{handlers.service.name}"
        self._topic = handlers.service.events.name
        heard = [cls for topic in handlers.service.reads for cls in topic.heeds if issubclass(cls, Command)]
        self._commands = {cls.TYPE for cls in (*heard, *handlers.asked)}

    def decide(
        self, effects: Effects[S], arrivals: Sequence[Arrival], fresh: set[bytes], waiting: set[str]
    ) -> None:
        """Decide about each arrival in turn.

        Args:
            effects: where it goes, with what was loaded.
            arrivals: in the order of their partitions.
            fresh: the identities that were never decided before; consumed.
            waiting: the lanes that have parked records; those that must wait from now on are added.
        """
        for arrival in arrivals:
            read = arrival.read
            if read is None:
                effects.results["ignored"] += 1
            elif isinstance(read, Unread):
                effects.bury(arrival, read.fault)
            elif read.identity not in fresh:
                effects.results["repeat"] += 1
            else:
                fresh.discard(read.identity)
                if isinstance(read, Owed):
                    # It is about no state, so it waits for none.
                    self._refuse_or_bury(effects, arrival, read)
                elif waiting and arrival.lane in waiting:
                    effects.park(arrival, "behind", tried=False)
                else:
                    self._one(effects, arrival, read, waiting)

    def _refuse_or_bury(self, effects: Effects[S], arrival: Arrival, owed: Owed) -> None:
        """End a record whose data is at fault: a command that can be answered is refused, all else is dead."""
        header, identity, fault = owed
        if header.type not in self._commands or not fault.refusable:
            effects.bury(arrival, fault)
            return
        refusal = self._handlers.refusal(command_type=header.type, reason=fault.reason, detail=fault.detail)
        refused = [decision.Event(refusal, "refused")]
        effects.rows += self._told(effects, header, identity, header.traceparent, refused)
        effects.results["refused"] += 1

    def _one(self, effects: Effects[S], arrival: Arrival, read: Understood, waiting: set[str]) -> None:
        try:
            self.apply(effects, read.message, read.identity)
        except TryLaterError as error:
            waiting.add(arrival.lane)
            effects.park(arrival, error.reason)
        except Exception as error:
            log.exception("message failed", type=read.message.type)
            waiting.add(arrival.lane)
            effects.park(arrival, type(error).__name__)

    def apply(self, effects: Effects[S], message: Message[Any], identity: bytes) -> Decision[S]:
        """Decide about one message and add what follows; adds nothing when the rules raise."""
        key = self._key(message)
        state = effects.after.get(key)
        if state is None:
            state = effects.before.get(key)
        if telemetry.is_on():
            decided, trace = self._traced(state, message, effects.now)
        else:
            decided, trace = self._rules(state, message, effects.now), message.traceparent
        outcome = _outcome(decided)
        # By name: asking pydantic's classes is slow.
        if (outcome is not None) != (message.type in self._commands):
            raise AssertionError(f"{message.type} ended in {outcome or 'no outcome'}")
        rows = self._told(effects, message, identity, trace, decided.events)
        if decided.tasks:
            effects.tasks += self._tasks(effects, message, identity, trace, decided.tasks)
        effects.rows += rows
        if decided.state is not None:
            effects.after[key] = decided.state
        if outcome is None:
            effects.results["heard"] += 1
        else:
            effects.results[outcome] += 1
            effects.asked_at.append(message.time)
        return decided

    def _traced(self, state: S | None, message: Message[Any], now: datetime) -> tuple[Decision[S], str | None]:
        """Decide within a span; return the `traceparent` of what follows, too."""
        with telemetry.child(message.traceparent, message.type) as trace:
            decided = self._rules(state, message, now)
            if outcome := _outcome(decided):
                telemetry.tell_outcome(outcome)
            return decided, trace

    def _told(
        self,
        effects: Effects[S],
        cause: Message[Any] | Header,
        identity: bytes,
        trace: str | None,
        events: Sequence[decision.Event],
    ) -> list[outbox.Outgoing]:
        """Return events as records; their ids follow from their cause, so that deciding again tells the same."""
        said, told = identity.hex(), []
        for number, (data, outcome, key, chain) in enumerate(events):
            subject = key or cause.subject
            event_id = f"{said}-{number}"
            value = write_event(
                event_id, self._source, effects.told_at, subject, cause, trace, outcome, chain, data
            )
            told.append(outbox.outgoing(self._topic, subject.encode(), value))
        return told

    def _tasks(
        self,
        effects: Effects[S],
        cause: Message[Any],
        identity: bytes,
        trace: str | None,
        wanted: Sequence[decision.Task],
    ) -> list[NewTask]:
        tasks = []
        for data, due_at, name, chain in wanted:
            origin = Cause(cause.id, chain or cause.correlation, trace)
            row_id = identity_of(identity.hex(), data.TYPE, name)
            tasks.append(new_task(row_id, data, cause.subject, due_at or effects.now, origin))
        return tasks


def _outcome(decided: Decision[Any]) -> Outcome | None:
    """Return the outcome of the one event that has one.

    Raises:
        AssertionError: more than one has.
    """
    found: Outcome | None = None
    for event in decided.events:
        if event.outcome is not None:
            if found is not None:
                raise AssertionError("more than one outcome")
            found = event.outcome
    return found


def count(effects: Effects[Any]) -> None:
    """Add what was committed to the metrics."""
    for result, number in effects.results.items():
        metrics.HANDLED.labels(result).inc(number)
    # Of a large batch every so many stand for those between them: a subtraction of times costs as much as a read.
    step = len(effects.asked_at) // _TIMED_MAX + 1
    timed = effects.asked_at[::step]
    metrics.OUTCOME_SECONDS.observe([(effects.now - at).total_seconds() for at in timed], step)
