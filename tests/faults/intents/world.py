"""All of the outside world: its parts take turns, repeat themselves, and mix in what is no message."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from tests.faults.intents.hospital import HospitalPart
from tests.faults.intents.inbox import InboxPart
from tests.faults.intents.insurance import InsurancePart
from tests.faults.intents.making import Intent, Making, Part
from tests.faults.intents.notifications import NotificationsPart
from tests.faults.intents.payments import PaymentsPart

_REPEATED: Final = 0.10
_SAID_AGAIN: Final = 0.11
_SAID_OTHERWISE: Final = 0.03

_OTHERWISE: Final[dict[str | None, dict[str, Any]]] = {
    "payments.submit-payment.v1": {"amount_minor": 1},
    "insurance.add-coverage.v1": {"member_id": "ACTIVE0"},
    "insurance.request-change.v1": {"changes": {"member_id": "ACTIVE1"}},
    "inbox.send-message.v1": {"body": "What do I owe?"},
    "inbox.raise-work.v1": {"summary": "Something else is to be looked at."},
    "notifications.add-contact.v1": {"address": "somebody.else@mail.example"},
}
"""What a gateway says that uses an id once more, by the type of command."""


class World:
    """Makes intents, one after another, from a seed, for the services that are under test.

    Attributes:
        seed: of all that is left to chance.
        readers: those who read mails and texts, if notifications is under test.
    """

    def __init__(self, seed: int, accounts: int, poison_share: float, services: Sequence[str]) -> None:
        self.seed = seed
        self._making = Making(seed)
        self._random = self._making.random
        self._poison_share = poison_share
        self._recent: deque[Intent] = deque(maxlen=300)
        numbers = [f"G-{number}" for number in range(accounts)]
        parts: dict[str, Callable[[Making, Sequence[str]], Part]] = {
            "payments": PaymentsPart,
            "insurance": InsurancePart,
            "inbox": InboxPart,
        }
        self._parts = [part(self._making, numbers) for name, part in parts.items() if name in services]
        if set(services) - {"payments"}:
            self._parts.append(HospitalPart(self._making, numbers))
        self.readers = NotificationsPart(self._making, numbers) if "notifications" in services else None
        if self.readers is not None:
            self._parts.append(self.readers)
        kinds = [kind for part in self._parts for kind in part.kinds().items()]
        self._kinds, self._weights = zip(*kinds, strict=True)

    def opening(self) -> Iterator[Intent]:
        """Yield what is known at first, shuffled, with poison in front and between."""
        yield from self.poison()
        opening = [intent for part in self._parts for intent in part.opening()]
        self._random.shuffle(opening)
        yield from opening

    def next(self) -> Intent:
        """Return what is published next."""
        chance = self._random.random()
        if chance < self._poison_share:
            return self._random.choice([make for part in self._parts for make in part.poison()])()
        again = self._again(chance - self._poison_share)
        if again is not None:
            return again
        intent: Intent = self._random.choices(self._kinds, self._weights)[0]()
        self._recent.append(intent)
        return intent

    def poison(self) -> Iterator[Intent]:
        """Yield one of each kind of record that must not stop the others."""
        return (make() for part in self._parts for make in part.poison())

    def closing(self) -> Iterator[Intent]:
        """Yield what is published last, and poison behind it."""
        yield from (intent for part in self._parts for intent in part.closing())
        yield from self.poison()

    def _again(self, chance: float) -> Intent | None:
        """Return something that was said before, as often as that happens."""
        if not self._recent or chance >= _REPEATED + _SAID_AGAIN + _SAID_OTHERWISE:
            return None
        known = self._random.choice(self._recent)
        if chance < _REPEATED:
            # The identical record, from a gateway that saw no acknowledgement.
            return known
        if chance < _REPEATED + _SAID_AGAIN or known.kind not in _OTHERWISE:
            return self._making.again(known)
        return self._making.again(known, **_OTHERWISE[known.kind])
