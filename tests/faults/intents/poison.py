"""Records that are no messages, or none that can be right: they must not stop the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from shared.events.envelope import MESSAGE_BYTES_MAX
from shared.events.topics import Topic
from tests.faults.intents.making import Intent, Making


@dataclass(frozen=True, slots=True)
class Poison:
    """Makes poison for the topics of a part of the outside world.

    Attributes:
        commands, facts: the topics.
        command, fact: types of messages that belong on them and need more than a key.
        key: returns a key.
        sound: returns a command that can be right.
    """

    making: Making
    commands: Topic
    facts: Topic
    command: str
    fact: str
    key: Callable[[], str]
    sound: Callable[[], Intent]

    def kinds(self) -> Sequence[Callable[[], Intent]]:
        """Return what makes each kind of it."""
        return (
            self._no_json,
            self._no_value,
            self._unknown_type,
            self._wrong_command,
            self._wrong_fact,
            self._large,
            self._null_header,
            self._bytes_header,
        )

    def _topic(self) -> str:
        return self.making.random.choice([self.commands, self.facts]).name

    def _no_json(self) -> Intent:
        value = self.making.random.choice([b"\xff\xfe{", b"{", b"", b'{"id": "m-1"}', b"[]"])
        return Intent(self._topic(), self.key(), value, "dead")

    def _no_value(self) -> Intent:
        return Intent(self._topic(), self.key(), None, "dead")

    def _unknown_type(self) -> Intent:
        kind = f"{self.command.partition('.')[0]}.sing-song.v1"
        return self.making.command(self.commands, kind, self.key(), "guest", {}, fate="dead", id=None)

    def _wrong_command(self) -> Intent:
        data = {"amount_minor": "12"}
        refused = {"refusal": "invalid_data"}
        return self.making.command(self.commands, self.command, self.key(), "guest", data, **refused)

    def _wrong_fact(self) -> Intent:
        data = {"amount_minor": "12"}
        return self.making.fact(self.facts, self.fact, self.key(), data, fate="dead", id=None)

    def _large(self) -> Intent:
        data = {"note": "x" * MESSAGE_BYTES_MAX}
        return self.making.command(self.commands, self.command, self.key(), "guest", data, refusal="too_large")

    def _null_header(self) -> Intent:
        return replace(self.sound(), headers=(("trace", None),))

    def _bytes_header(self) -> Intent:
        return replace(self.sound(), headers=(("trace", b"\xff\xfe"),))
