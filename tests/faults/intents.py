"""What the outside world publishes, and the ledger of it that is kept outside of the system.

A hospital's billing host and gateways publish without rest: accounts, charges, payments with every kind of
processor token, all of it out of order, repeated, and mixed with records that are no messages.
"""

import json
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final, Literal

from shared.events.envelope import MESSAGE_BYTES_MAX
from shared.events.topics import HOST_BILLING, PAYMENTS_COMMANDS

Json = dict[str, Any]
Header = tuple[str, bytes | None]
Fate = Literal["command", "fact", "dead"]

_COMMANDS: Final = PAYMENTS_COMMANDS.name
_FACTS: Final = HOST_BILLING.name
_BEGAN: Final = datetime(2025, 3, 1, tzinfo=UTC)
_TOKENS: Final = {
    "tok_ok": 70,
    "tok_declined": 8,
    "tok_insufficient_funds": 6,
    "tok_500_done": 8,
    "tok_timeout_done": 5,
    "tok_slow": 1,
    "tok_timeout_lost": 1,
}


@dataclass(frozen=True, slots=True)
class Intent:
    """A record to publish, and what has to become of it.

    Attributes:
        fate: an outcome (of a command), an effect (of a fact), or a dead letter.
        id: of the message, which is the same in a repeat; none where there is no message.
        refusal: the reason that a command must be refused for, where that is certain.
        data: of a message that says something.
    """

    topic: str
    key: str
    value: bytes | None
    fate: Fate
    id: str | None = None
    refusal: str | None = None
    data: Json | None = None
    headers: tuple[Header, ...] = ()


class World:
    """Makes intents, one after another, from a seed."""

    def __init__(self, seed: int, accounts: int, poison_share: float) -> None:
        self._random = random.Random(seed)  # noqa: S311  # repeatable on purpose
        self._numbers = count(1)
        self._accounts = [f"G-{number}" for number in range(accounts)]
        self._poison_share = poison_share
        self._recent: deque[Intent] = deque(maxlen=300)
        self._payments: deque[Intent] = deque(maxlen=300)
        self._charges: deque[Intent] = deque(maxlen=300)

    def opening(self) -> Iterator[Intent]:
        """Yield what is known of each account at first, shuffled, with poison in front and between."""
        yield from self.poison()
        facts: list[Intent] = []
        for number in self._accounts:
            facts.append(self._account_opened(number))
            for visit in range(2):
                facts.append(self._visit_opened(number, visit))
                facts.append(self._charge(number, visit, self._random.randrange(5_000, 20_000)))
        self._random.shuffle(facts)
        yield from facts

    def next(self) -> Intent:
        """Return what is published next."""
        if self._random.random() < self._poison_share:
            return self._random.choice(self._poison())()
        kinds: dict[Callable[[], Intent], int] = {
            self._pay: 60,
            self._repeat: 10,
            self._pay_again: 8,
            self._pay_otherwise: 3,
            self._post_charge: 10,
            self._post_again: 3,
            self._post_adjustment: 5,
            self._open_again: 4,
        }
        intent = self._random.choices(list(kinds), list(kinds.values()))[0]()
        self._recent.append(intent)
        if intent.fate == "command" and intent.refusal is None:
            self._payments.append(intent)
        return intent

    def poison(self) -> list[Intent]:
        """Return one of each kind of record that must not stop the others."""
        return [make() for make in self._poison()]

    # Gateways

    def _pay(self) -> Intent:
        token = self._random.choices(list(_TOKENS), list(_TOKENS.values()))[0]
        data = {
            "payment_id": f"pay-{next(self._numbers)}",
            "account_number": self._random.choice(self._accounts),
            "amount_minor": self._random.randrange(10, 200),
            "currency": "USD",
            "method": {"kind": "card", "token": token, "last4": "4242", "brand": "visa"},
        }
        return self._command(data)

    def _repeat(self) -> Intent:
        """Publish the identical record once more, as a gateway does that saw no acknowledgement."""
        return self._random.choice(self._recent) if self._recent else self._pay()

    def _pay_again(self) -> Intent:
        """Ask for the same payment in a new message, as a second click does."""
        known = self._random.choice(self._payments).data if self._payments else None
        return self._command(known) if known else self._pay()

    def _pay_otherwise(self) -> Intent:
        """Use a payment's id for another payment, of the same account or of another."""
        known = self._random.choice(self._payments).data if self._payments else None
        if known is None:
            return self._pay()
        elsewhere = {"account_number": self._random.choice(self._accounts), "amount_minor": 1}
        return self._command(known | self._random.choice([{"amount_minor": 1}, elsewhere]))

    def _command(self, data: Json, kind: str = "submit-payment", **intent: Any) -> Intent:
        number = data["account_number"]
        message = self._message(f"payments.{kind}.v1", number, f"patient:P-{number}", data)
        return Intent(
            **{
                "topic": _COMMANDS,
                "key": number,
                "value": json.dumps(message).encode(),
                "fate": "command",
                "id": message["id"],
                "data": data,
                **intent,
            }
        )

    # The billing host

    def _account_opened(self, number: str) -> Intent:
        guarantor = {"person_id": f"P-{number}", "first_name": "Ada", "last_name": f"V{next(self._numbers)}"}
        data = {"guarantor": guarantor, "viewers": [], "affiliate": "north", "currency": "USD"}
        return self._fact("guarantor-account-opened", number, data)

    def _visit_opened(self, number: str, visit: int) -> Intent:
        day = f"2025-01-{self._random.randrange(1, 29):02}"
        about = {"patient_id": f"M-{number}", "visit_date": day, "description": "Office visit"}
        return self._fact("visit-account-opened", number, _visit(number, visit) | about)

    def _charge(self, number: str, visit: int, amount_minor: int) -> Intent:
        charge = {"charge_id": f"C-{next(self._numbers)}", "amount_minor": amount_minor}
        about = {"service_date": "2025-01-10", "description": "Examination"}
        return self._fact("charge-posted", number, _visit(number, visit) | charge | about)

    def _post_charge(self) -> Intent:
        amount_minor = self._random.randrange(100, 900)
        charge = self._charge(self._random.choice(self._accounts), self._random.randrange(2), amount_minor)
        self._charges.append(charge)
        return charge

    def _post_again(self) -> Intent:
        """Tell of the same charge in a new message, as a host does that was restored from its backup."""
        known = self._random.choice(self._charges) if self._charges else self._post_charge()
        assert known.data is not None
        return self._fact("charge-posted", known.key, known.data)

    def _post_adjustment(self) -> Intent:
        number = self._random.choice(self._accounts)
        kind = self._random.choice(["insurance-payment", "contractual", "write-off", "correction"])
        adjusted = {
            "adjustment_id": f"A-{next(self._numbers)}",
            "kind": kind,
            "amount_minor": -self._random.randrange(1, 50),
        }
        return self._fact("adjustment-posted", number, _visit(number, self._random.randrange(2)) | adjusted)

    def _open_again(self) -> Intent:
        return self._account_opened(self._random.choice(self._accounts))

    def _fact(self, kind: str, number: str, data: Json, **intent: Any) -> Intent:
        data = {"account_number": number, **data}
        message = self._message(f"billing.{kind}.v1", number, "host:billing", data)
        value = json.dumps(message).encode()
        told = {"topic": _FACTS, "key": number, "value": value, "fate": "fact", "id": message["id"], "data": data}
        return Intent(**told | intent)

    def _message(self, kind: str, number: str, actor: str, data: Json) -> Json:
        serial = next(self._numbers)
        # Hosts tell of things in another order than they happened in.
        happened = _BEGAN + timedelta(seconds=serial - self._random.randrange(100))
        return {
            "specversion": "1.0",
            "id": f"m-{serial}",
            "source": "campaign",
            "type": kind,
            "time": happened.isoformat(),
            "subject": number,
            "actor": actor,
            "data": data,
        }

    # Poison

    def _poison(self) -> Sequence[Callable[[], Intent]]:
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

    def _no_json(self) -> Intent:
        number = self._random.choice(self._accounts)
        value = self._random.choice([b"\xff\xfe{", b"{", b"", b'{"id": "m-1"}', b"[]"])
        return Intent(self._random.choice([_COMMANDS, _FACTS]), number, value, "dead")

    def _no_value(self) -> Intent:
        topic = self._random.choice([_COMMANDS, _FACTS])
        return Intent(topic, self._random.choice(self._accounts), None, "dead")

    def _unknown_type(self) -> Intent:
        number = self._random.choice(self._accounts)
        return self._command({"account_number": number}, "sing-song", fate="dead", id=None)

    def _wrong_command(self) -> Intent:
        number = self._random.choice(self._accounts)
        return self._command({"account_number": number, "amount_minor": "12"}, refusal="invalid_data")

    def _wrong_fact(self) -> Intent:
        number = self._random.choice(self._accounts)
        return self._fact("charge-posted", number, {"amount_minor": "12"}, fate="dead", id=None)

    def _large(self) -> Intent:
        number = self._random.choice(self._accounts)
        return self._command({"account_number": number, "note": "x" * MESSAGE_BYTES_MAX}, refusal="too_large")

    def _null_header(self) -> Intent:
        return replace(self._pay(), headers=(("trace", None),))

    def _bytes_header(self) -> Intent:
        return replace(self._pay(), headers=(("trace", b"\xff\xfe"),))


def _visit(number: str, visit: int) -> Json:
    return {"visit_account_number": f"{number}-V{visit}"}
