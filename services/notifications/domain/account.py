"""What notifications knows about one guarantor account: who may see it, and what became of its statements' alerts.

Who is enrolled and where alerts go belongs to the persons; it is beside the account, to be read only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from services.notifications.domain.internal import AccountLeft, LeftReason
from services.notifications.domain.person import Contact, Enrolment
from shared.events.billing import GuarantorAccountOpened
from shared.events.notifications import Channel
from shared.frozen import replace
from shared.messaging.decision import Decision, Task

AlertStatus = Literal["created", "unknown", "sent", "delivered", "failed", "suppressed"]


@dataclass(frozen=True)
class Alert:
    """Word of a statement to one contact.

    `attempt` numbers the tries, of which `failures` failed for certain; `queries` counts how often the
    provider is, or was, asked about it. `contact_version` is that of the contact when the alert was made.
    """

    alert_id: str
    statement_id: str
    person_id: str
    contact_id: str
    contact_version: int
    channel: Channel
    created_at: datetime
    status: AlertStatus = "created"
    reason: str | None = None
    attempt: int = 1
    failures: int = 0
    queries: int = 0
    provider_id: str | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Statement:
    """A statement that can be read; `paper_reason` is why it was asked for on paper, once it was.

    What becomes of its alerts belongs to the chain `correlationid`, in which it was told.
    """

    statement_id: str
    available_at: datetime
    paper_reason: str | None = None
    correlationid: str | None = None


@dataclass(frozen=True)
class Subscriber:
    """A person who is, or was, enrolled for the account; `zones` names the time zones they may be in."""

    person_id: str
    enrolment: Enrolment
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    zones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Account:
    """A guarantor account; one that nobody has heard of is empty.

    Attributes:
        number: the account number.
        persons: the guarantor, then the viewers, as the billing host told last, at `told_at`.
        statements: those that messages name, by id.
        alerts: those that messages name and all others of their statements, by id.
        subscribers: by person id.
    """

    number: str
    persons: tuple[str, ...] = ()
    told_at: datetime | None = None
    statements: Mapping[str, Statement] = field(default_factory=dict)
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    subscribers: Mapping[str, Subscriber] = field(default_factory=dict)

    @property
    def guarantor(self) -> str | None:
        """Whose account it is, and whose paper."""
        return next(iter(self.persons), None)

    @property
    def viewers(self) -> tuple[str, ...]:
        """Who else may see the account."""
        return self.persons[1:]

    def with_statement(self, statement: Statement) -> "Account":
        """Return the account with a statement as it is now."""
        return replace(self, statements={**self.statements, statement.statement_id: statement})

    def with_alerts(self, *alerts: Alert) -> "Account":
        """Return the account with alerts as they are now."""
        return replace(self, alerts={**self.alerts, **{alert.alert_id: alert for alert in alerts}})


@dataclass(frozen=True)
class Patient:
    """Where a patient is and what they read: for the patient's own login, and for want of better for proxies."""

    patient_id: str
    person_id: str | None
    proxies: tuple[str, ...]
    time_zone: str
    language: str
    told_at: datetime


def hear_account(
    account: Account, fact: GuarantorAccountOpened, told_at: datetime, now: datetime
) -> Decision[Account]:
    """Learn who may see an account; what was told later counts.

    Who no longer may is no longer enrolled, nor is who was its guarantor: they gave up paper of their own, and the
    new guarantor's is not theirs to give up.
    """
    if account.told_at is not None and told_at < account.told_at:
        return Decision(account)
    persons = tuple(dict.fromkeys((fact.guarantor.person_id, *fact.viewers)))
    left: dict[str, LeftReason] = {one: "no_longer_on_account" for one in account.persons if one not in persons}
    if account.guarantor in persons[1:]:
        left[account.guarantor] = "no_longer_guarantor"
    tasks = tuple(
        Task(AccountLeft(person_id=one, account_number=account.number, left_at=now, reason=reason), name=one)
        for one, reason in left.items()
    )
    return Decision(replace(account, persons=persons, told_at=told_at), tasks=tasks)


def alert_id(account_number: str, statement_id: str, person_id: str, contact: Contact) -> str:
    """Return the id of the one alert for a statement, a contact and its version."""
    parts = (account_number, statement_id, person_id, contact.contact_id, str(contact.version))
    return str(uuid5(NAMESPACE_URL, "\0".join(("alert", *parts))))
