"""What gateways and services publish for the inbox: patients' messages and their threads, and work."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.inbox.domain.item import derived
from shared.events.topics import HOST_SCHEDULING, INBOX_COMMANDS
from tests.faults.intents.hospital import provider
from tests.faults.intents.making import Intent, Json, Making
from tests.faults.intents.poison import Poison

_SEND: Final = "inbox.send-message.v1"
_POOLS: Final = {
    "billing-question": "billing",
    "insurance-question": "insurance",
    "customer-service": "crm",
    "portal-help": "crm",
}
_MEDICAL: Final = ("refill-request", "appointment-request", "medical-info-update")


class InboxPart:
    """Messages, each with the pool where it belongs as what is expected."""

    def __init__(self, making: Making, accounts: Sequence[str]) -> None:
        self._making = making
        self._random = making.random
        self._accounts = accounts
        self._begun: deque[tuple[str, Intent]] = deque(maxlen=200)

    def opening(self) -> Sequence[Intent]:
        """Return nothing: patients write later."""
        return ()

    def kinds(self) -> Mapping[Callable[[], Intent], int]:
        """Return what is published without rest."""
        return {
            self._ask_the_office: 8,
            self._ask_a_provider: 8,
            self._choose_a_provider: 4,
            self._go_on: 10,
            self._raise: 4,
        }

    def poison(self) -> Sequence[Callable[[], Intent]]:
        """Return what makes each kind of poison."""
        fact = "scheduling.document-requested.v1"
        making = self._making
        return Poison(
            making, INBOX_COMMANDS, HOST_SCHEDULING, _SEND, fact, self._patient, self._ask_the_office
        ).kinds()

    def closing(self) -> Sequence[Intent]:
        """Return nothing."""
        return ()

    def _account(self) -> str:
        return self._random.choice(self._accounts)

    def _patient(self) -> str:
        return f"M-{self._account()}"

    def _ask_the_office(self) -> Intent:
        category = self._random.choice(list(_POOLS))
        about = {"kind": "non-medical", "category": category}
        return self._begin(self._account(), about, _POOLS[category])

    def _ask_a_provider(self) -> Intent:
        """Write to the provider whom the patient sees next."""
        number = self._account()
        about = {"kind": "medical", "category": self._random.choice(_MEDICAL)}
        return self._begin(number, about, f"provider:{provider(number, 0)}")

    def _choose_a_provider(self) -> Intent:
        number = self._account()
        chosen = provider(number, self._random.randrange(2))
        about = {"kind": "medical", "category": "non-urgent-question", "provider_id": chosen}
        return self._begin(number, about, f"provider:{chosen}")

    def _begin(self, number: str, about: Json, pool: str) -> Intent:
        message = self._send(number, about, pool)
        self._begun.append((number, message))
        return message

    def _go_on(self) -> Intent:
        """Write once more in a thread."""
        if not self._begun:
            return self._ask_the_office()
        number, first = self._random.choice(self._begun)
        assert first.data is not None
        about = {name: first.data[name] for name in ("kind", "category")}
        about["thread_id"] = derived("thread", first.data["patient_id"], first.data["message_id"])
        return self._send(number, about, first.expects or "")

    def _send(self, number: str, about: Json, pool: str) -> Intent:
        patient = f"M-{number}"
        data = {
            "message_id": f"msg-{self._making.number()}",
            "patient_id": patient,
            "subject": "A question",
            "body": "When may I come?",
            **about,
        }
        actor = f"patient:P-{number}"
        return self._making.command(INBOX_COMMANDS, _SEND, patient, actor, data, expects=pool)

    def _raise(self) -> Intent:
        """Raise work as services do, about a patient or about nobody."""
        pool = self._random.choice(["billing", "insurance", "crm"])
        patient = self._random.choice([self._patient(), None])
        data: Json = {
            "work_id": f"W-{self._making.number()}",
            "pool": pool,
            "summary": "Something is to be looked at.",
            "about": {},
            "patient_id": patient,
        }
        key = patient or f"pool:{pool}"
        kind = "inbox.raise-work.v1"
        return self._making.command(INBOX_COMMANDS, kind, key, "service:campaign", data, expects=pool)
