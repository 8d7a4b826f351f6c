"""What gateways publish for notifications, and the statements that people are told of."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.notifications.wording import current_text
from shared.events.topics import HOST_BILLING, HOST_REGISTRATION, NOTIFICATIONS_COMMANDS
from tests.faults.intents.making import Intent, Json, Making
from tests.faults.intents.poison import Poison

_ADD: Final = "add-contact"
_AT_FIRST: Final = 0.4
_NEVER: Final = 0.2
_TEXTS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Contact:
    """Where alerts about an account shall go."""

    number: str
    contact_id: str
    channel: str
    address: str


class NotificationsPart:
    """People who sign up for paperless statements, some at first and some later, and their statements.

    Attributes:
        waiting: those who wait for the code that was sent to them.
    """

    def __init__(self, making: Making, accounts: Sequence[str]) -> None:
        self._making = making
        self._random = making.random
        self._accounts = accounts
        first, never = int(len(accounts) * _AT_FIRST), int(len(accounts) * _NEVER)
        self._at_first = accounts[:first]
        self._later: Iterator[str] = iter(accounts[first : len(accounts) - never])
        self._on_paper = accounts[len(accounts) - never :]
        self._paperless: dict[str, Contact] = {}
        self.waiting: deque[Contact] = deque()

    def opening(self) -> Sequence[Intent]:
        """Return those who sign up at once; that they may is known once the opening is handled."""
        return [self._sign_up(number) for number in self._at_first]

    def kinds(self) -> Mapping[Callable[[], Intent], int]:
        """Return what is published without rest."""
        return {
            self._issue: 16,
            self._print: 3,
            self._sign_up_later: 2,
            self._mistype: 1,
            self._resend: 1,
            self._end: 1,
        }

    def poison(self) -> Sequence[Callable[[], Intent]]:
        """Return what makes each kind of poison."""
        making, person = self._making, self._person
        kind, fact = f"notifications.{_ADD}.v1", "registration.patient-registered.v1"
        sound = self._mistype
        return Poison(making, NOTIFICATIONS_COMMANDS, HOST_REGISTRATION, kind, fact, person, sound).kinds()

    def closing(self) -> Sequence[Intent]:
        """Return nothing."""
        return ()

    # Those who sign up

    def _sign_up(self, number: str) -> Intent:
        serial = self._making.number()
        text = self._random.random() < _TEXTS
        address = f"+1202{2_000_000 + serial}" if text else f"reader-{serial}@mail.example"
        contact = Contact(number, f"K-{serial}", "text" if text else "email", address)
        self.waiting.append(contact)
        return self._about(contact, _ADD, channel=contact.channel, address=contact.address)

    def confirm(self, contact: Contact, code: str) -> Sequence[Intent]:
        """Return what somebody does who has read their code: bring it, and enrol."""
        consent = {"accepted": True, "text_version": current_text("en").version}
        enrol = {
            "person_id": f"P-{contact.number}",
            "account_number": contact.number,
            "alerts": {contact.channel: contact.contact_id},
            "consent": consent,
        }
        return (
            self._about(contact, "confirm-contact", code=code),
            self._command("enrol-paperless", contact.number, enrol),
        )

    def enrolled(self, contact: Contact) -> None:
        """Issue statements of this account from now on."""
        self._paperless[contact.number] = contact

    def _sign_up_later(self) -> Intent:
        number = next(self._later, None)
        return self._sign_up(number) if number else self._issue()

    def _mistype(self) -> Intent:
        """Bring a code that nobody sent."""
        return self._about(self._somebody(), "confirm-contact", code="no code")

    def _resend(self) -> Intent:
        """Ask for a code that is needed no more."""
        return self._about(self._somebody(), "resend-code")

    def _end(self) -> Intent:
        number = self._somebody().number
        data = {"person_id": f"P-{number}", "account_number": number}
        return self._command("end-paperless", number, data)

    def _somebody(self) -> Contact:
        """Return somebody who is enrolled; at first somebody who does not exist."""
        return self._random.choice(list(self._paperless.values()) or [Contact("G-0", "K-0", "email", "")])

    def _about(self, contact: Contact, kind: str, **said: str) -> Intent:
        data = {"contact_id": contact.contact_id, "person_id": f"P-{contact.number}", **said}
        return self._command(kind, contact.number, data)

    def _command(self, kind: str, number: str, data: Json) -> Intent:
        person = f"P-{number}"
        kind = f"notifications.{kind}.v1"
        return self._making.command(NOTIFICATIONS_COMMANDS, kind, person, f"patient:{person}", data)

    def _person(self) -> str:
        return f"P-{self._random.choice(self._accounts)}"

    # The billing host

    def _issue(self) -> Intent:
        """Issue a statement for somebody who wants to be told of it."""
        if not self._paperless:
            return self._print()
        return self._statement(self._random.choice(list(self._paperless)), "told")

    def _print(self) -> Intent:
        """Issue a statement for somebody who has never signed up."""
        return self._statement(self._random.choice(self._on_paper), "printed")

    def _statement(self, number: str, expects: str) -> Intent:
        data = {
            "account_number": number,
            "statement_id": f"ST-{self._making.number()}",
            "issued_on": "2026-11-01",
            "due_on": "2026-12-01",
            "period_from": "2026-10-01",
            "period_to": "2026-10-31",
            "amount_due_minor": 100,
            "currency": "USD",
        }
        kind = "billing.statement-issued.v1"
        return self._making.fact(HOST_BILLING, kind, number, data, expects=expects)
