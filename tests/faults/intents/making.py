"""What an intent is, and how the outside world words its messages.

Intents are kept outside of the system: what was published, and what has to become of it.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final, Literal, Protocol

from shared.events.topics import Topic

Json = dict[str, Any]
Header = tuple[str, bytes | None]
Fate = Literal["command", "fact", "dead"]

ID_PREFIX: Final = "m-"
"""What the ids of all messages begin with."""

_BEGAN: Final = datetime(2025, 3, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Intent:
    """A record to publish, and what has to become of it.

    Attributes:
        fate: an outcome (of a command), an effect (of a fact), or a dead letter.
        kind: the type of the message; none where there is no message.
        id: of the message, which is the same in a repeat; none where it is no message to anybody.
        refusal: the reason that a command must be refused for, where that is certain.
        expects: what else is certain to come of it, in the words of the service's checks.
        data: of a message that says something.
    """

    topic: str
    key: str
    value: bytes | None
    fate: Fate
    kind: str | None = None
    id: str | None = None
    refusal: str | None = None
    expects: str | None = None
    data: Json | None = None
    headers: tuple[Header, ...] = ()


class Part(Protocol):
    """A part of the outside world, and what it publishes."""

    def opening(self) -> Sequence[Intent]:
        """Return what is known at first; in whatever order."""

    def kinds(self) -> Mapping[Callable[[], Intent], int]:
        """Return what is published without rest, with how often."""

    def poison(self) -> Sequence[Callable[[], Intent]]:
        """Return what makes each kind of record that must not stop the others."""

    def closing(self) -> Sequence[Intent]:
        """Return what is published last."""


class Making:
    """Makes intents from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # repeatable on purpose
        self._numbers = count(1)

    def number(self) -> int:
        """Return a number that was not there before."""
        return next(self._numbers)

    def command(self, topic: Topic, kind: str, key: str, actor: str, data: Json, **intent: Any) -> Intent:
        """Return a command in a new message."""
        return self._message(topic, kind, key, actor, data, {"fate": "command", **intent})

    def fact(self, topic: Topic, kind: str, key: str, data: Json, **intent: Any) -> Intent:
        """Return a fact in a new message."""
        actor = f"host:{topic.name.split('.')[1]}"
        return self._message(topic, kind, key, actor, data, {"fate": "fact", **intent})

    def again(self, known: Intent, **otherwise: Any) -> Intent:
        """Return the same in a new message, as a second click says it; or something else of the same id."""
        assert known.value is not None
        message = json.loads(known.value)
        data = message["data"] | otherwise
        message |= {"data": data} | self._place()
        return Intent(
            known.topic,
            known.key,
            json.dumps(message).encode(),
            known.fate,
            known.kind,
            message["id"],
            expects=known.expects,
            data=data,
        )

    def _message(self, topic: Topic, kind: str, key: str, actor: str, data: Json, intent: Json) -> Intent:
        message = {
            "specversion": "1.0",
            "source": "campaign",
            "type": kind,
            "subject": key,
            "actor": actor,
            "data": data,
            **self._place(),
        }
        value = json.dumps(message).encode()
        told = {"topic": topic.name, "key": key, "value": value, "kind": kind, "id": message["id"], "data": data}
        return Intent(**told | intent)

    def _place(self) -> Json:
        """Return id and time of a message; hosts tell of things in another order than they happened in."""
        serial = self.number()
        happened = _BEGAN + timedelta(seconds=serial - self.random.randrange(100))
        return {"id": f"{ID_PREFIX}{serial}", "time": happened.isoformat()}
