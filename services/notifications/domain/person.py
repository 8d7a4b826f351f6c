"""What notifications knows about one person: contacts, and enrolments in paperless statements.

A person is loaded whole; what the messages at hand need of others is beside it, to be read only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from shared.events.actors import person_in
from shared.events.envelope import Message
from shared.events.notifications import Alerts, Channel
from shared.frozen import replace

ContactStatus = Literal["pending", "verified", "refused", "stopped", "removed"]
"""`pending`: its owner has not brought the newest code. `refused`: nothing gets there, so it has to be
confirmed again, with another code. `stopped`: its number wants no texts."""


@dataclass(frozen=True)
class Code:
    """A code that was sent: its id, from which it follows, and how often something else was typed.

    What becomes of it belongs to the chain `correlationid`, of the command that had it sent.
    """

    code_id: str
    sent_at: datetime
    tries: int = 0
    correlationid: str | None = None


@dataclass(frozen=True)
class Contact:
    """An email address or mobile number. `version` counts how often it was confirmed.

    `address` is gone once the contact is removed; `destination_id` is what its address is called elsewhere.
    """

    contact_id: str
    channel: Channel
    address: str | None
    destination_id: str
    code: Code
    status: ContactStatus = "pending"
    reason: str | None = None
    version: int = 0
    verified_at: datetime | None = None
    refused_at: datetime | None = None


def by_channel(alerts: Alerts) -> dict[Channel, str]:
    """Return the contacts that alerts go to, by channel; each channel is a field."""
    named = ((channel, getattr(alerts, channel)) for channel in get_args(Channel))
    return {channel: contact_id for channel, contact_id in named if contact_id is not None}


@dataclass(frozen=True)
class Enrolment:
    """A person's consent to statements of an account without paper, and where alerts go."""

    account_number: str
    alerts: Alerts
    text_version: str
    text_sha256: str
    consented_at: datetime
    consented_by: str
    ended_at: datetime | None = None
    ended_reason: str | None = None

    @property
    def in_force(self) -> bool:
        """Whether statements come without paper."""
        return self.ended_at is None


@dataclass(frozen=True)
class Crowd:
    """How many codes an address, and its neighbours, were sent in the last day, by whomever; and its STOP."""

    of_address: int = 0
    of_prefix: int = 0
    stopped: bool = False


Identity: TypeAlias = tuple[str, str]
"""A message's source and its id."""


def identity(message: Message[Any]) -> Identity:
    """Return what only this message has: two senders may give the same id."""
    return message.source, message.id


@dataclass(frozen=True)
class Person:
    """A person; one that nobody has heard of is empty.

    Attributes:
        person_id: who.
        contacts: all, by id; also those that were removed, whose ids are not given again.
        enrolments: all, by account number; also those that ended.
        consents: those that the messages at hand gave or ended, each as it then was; to be kept for good.
        codes: when codes were sent in the last day, with the contact.
        accounts: those that the messages at hand name and that the person may see.
        crowds: what is known about the address that a message asks to send a code to, by the message's
            `identity`.
    """

    person_id: str
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    enrolments: Mapping[str, Enrolment] = field(default_factory=dict)
    consents: tuple[Enrolment, ...] = ()
    codes: tuple[tuple[str, datetime], ...] = ()
    accounts: frozenset[str] = frozenset()
    crowds: Mapping[Identity, Crowd] = field(default_factory=dict)

    def crowd(self, message: Message[Any]) -> Crowd:
        """Return how crowded the address is that a message asks to send a code to."""
        return self.crowds.get(identity(message), Crowd())

    def with_contact(self, contact: Contact) -> "Person":
        """Return the person with a contact as it is now."""
        return replace(self, contacts={**self.contacts, contact.contact_id: contact})

    def with_enrolment(self, enrolment: Enrolment) -> "Person":
        """Return the person with an enrolment as it is now; that alerts go elsewhere is no other consent."""
        there = self.enrolments.get(enrolment.account_number)
        same = there is not None and replace(there, alerts=enrolment.alerts) == enrolment
        return replace(
            self,
            enrolments={**self.enrolments, enrolment.account_number: enrolment},
            consents=self.consents if same else (*self.consents, enrolment),
        )

    @property
    def reachable(self) -> bool:
        """Whether the person has any contact that counts."""
        return any(contact.status == "verified" for contact in self.contacts.values())

    def verified(self, contact_id: str, channel: Channel) -> bool:
        """Tell whether alerts may go to a contact by this channel."""
        contact = self.contacts.get(contact_id)
        return contact is not None and contact.channel == channel and contact.status == "verified"

    def acts(self, actor: str) -> bool:
        """Tell whether an actor is this person, for themself or for another."""
        return person_in(actor) == self.person_id
