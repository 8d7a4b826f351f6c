"""Made-up messages to notifications, and what its rules make of them in their order."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from services.notifications.domain import decide
from services.notifications.domain.account import Account, Alert, Subscriber
from services.notifications.domain.internal import (
    AlertAnswered,
    ContactHarmed,
    HearReceipt,
    SendAlert,
    SendCode,
    Unsubscribe,
)
from services.notifications.domain.person import Crowd, Person, identity
from services.notifications.domain.rules import Rules
from shared.events.billing import Guarantor, GuarantorAccountOpened
from shared.events.envelope import Data, Message, message_of
from shared.events.notifications import (
    AddContact,
    Alerts,
    ConfirmContact,
    Consent,
    EndPaperless,
    EnrolPaperless,
    PaperStatementDue,
    RemoveContact,
    ResendCode,
)
from shared.events.payments import StatementAvailable
from shared.events.registration import PatientRegistered
from shared.messaging.decision import Decision

WHO, VIEWER, ACCOUNT, EMAIL, TEXT = "P-1", "P-2", "G-1", "C-email", "C-text"
NUMBER = "+12025550123"
NOON = datetime(2026, 3, 2, 17, tzinfo=UTC)
"""Noon in New York, nine in the morning in Los Angeles."""

SECOND = timedelta(seconds=1)
UNSUBSCRIBE = Unsubscribe(person_id=WHO, contact_id=EMAIL)
BOUNCE = ContactHarmed(person_id=WHO, contact_id=EMAIL, contact_version=1, reason="hard_bounce")
RULES = Rules(b"a secret of the tests", {"2026-01-en": "a" * 64, "2026-01-es": "b" * 64})

_numbers = count(1)


def message(data: Data, *, at: datetime = NOON, actor: str = f"patient:{WHO}") -> Message[Any]:
    return message_of(
        data,
        id=f"m-{next(_numbers)}",
        source="test",
        time=at,
        subject=WHO,
        actor=actor,
    )


def when(state: Any, data: Data, *, at: datetime = NOON, actor: str = f"patient:{WHO}") -> Decision[Any]:
    """Decide about one message that is heard at the moment it was sent."""
    return decide(state, message(data, at=at, actor=actor), at, RULES)


def crowded(person: Person | None, data: Data, crowd: Crowd) -> Decision[Any]:
    """Decide about one message that asks for a code where there is a crowd."""
    said = message(data)
    return decide(replace(person or Person(WHO), crowds={identity(said): crowd}), said, NOON, RULES)


def chains(decision: Decision[Any]) -> list[str | None]:
    """Return the chains that what was told, and then what is to be done, belongs to; none is the message's own."""
    told = [event.correlationid for event in decision.events]
    return told + [task.correlationid for task in decision.tasks]


def events(decision: Decision[Any]) -> list[Data]:
    return [event.data for event in decision.events]


def tasks(decision: Decision[Any]) -> list[Data]:
    return [task.data for task in decision.tasks]


def names(decision: Decision[Any]) -> list[str]:
    """Return the names of what was told, as in `code-sent`."""
    return [event.data.TYPE.split(".")[1] for event in decision.events]


def paper(decision: Decision[Any]) -> list[str]:
    """Return why statements are to be printed because of a decision."""
    return [event.reason for event in events(decision) if isinstance(event, PaperStatementDue)]


def outcome(decision: Decision[Any]) -> tuple[str | None, str | None]:
    """Return how a command ended: `done` or `refused`, and the reason."""
    (ended,) = (event for event in decision.events if event.outcome)
    refused = ended.outcome == "refused"
    return ended.outcome, getattr(ended.data, "reason", None) if refused else None


def add(contact_id: str = EMAIL, address: str | None = None) -> AddContact:
    channel: Any = "email" if contact_id == EMAIL else "text"
    address = address or ("ana@mail.example" if channel == "email" else NUMBER)
    return AddContact(contact_id=contact_id, person_id=WHO, channel=channel, address=address)


def confirm(code: str, contact_id: str = EMAIL) -> ConfirmContact:
    return ConfirmContact(contact_id=contact_id, person_id=WHO, code=code)


def resend(contact_id: str = EMAIL) -> ResendCode:
    return ResendCode(contact_id=contact_id, person_id=WHO)


def remove(contact_id: str = EMAIL) -> RemoveContact:
    return RemoveContact(contact_id=contact_id, person_id=WHO)


def opened(guarantor: str, *viewers: str) -> GuarantorAccountOpened:
    return GuarantorAccountOpened(
        account_number=ACCOUNT,
        guarantor=Guarantor(person_id=guarantor, first_name="Ada", last_name="Reyes"),
        viewers=viewers,
        affiliate="north",
        currency="USD",
    )


def registered(time_zone: str) -> PatientRegistered:
    return PatientRegistered(
        patient_id="M-1",
        person_id=WHO,
        first_name="Ada",
        last_name="Reyes",
        birth_date=date(1980, 1, 1),
        sex="female",
        postal_code="60601",
        affiliate="north",
        time_zone=time_zone,
        language="en",
        proxies=(),
    )


def enrol(email: str | None = EMAIL, text: str | None = None, **consent: Any) -> EnrolPaperless:
    return EnrolPaperless(
        person_id=WHO,
        account_number=ACCOUNT,
        alerts=Alerts(email=email, text=text),
        consent=Consent(**{"accepted": True, "text_version": "2026-01-en", **consent}),
    )


def withdraw() -> EndPaperless:
    return EndPaperless(person_id=WHO, account_number=ACCOUNT)


def code_of(decision: Decision[Any]) -> str:
    """Return the code that is sent because of a decision."""
    (task,) = (task for task in tasks(decision) if isinstance(task, SendCode))
    return RULES.code(task.code_id)


def confirmed(*contacts: str, person: Person | None = None) -> Person:
    """Return a person who has confirmed contacts, an hour ago."""
    person, at = person or Person(WHO), NOON - timedelta(hours=1)
    for contact_id in contacts:
        added = when(person, add(contact_id), at=at)
        person = when(added.state, confirm(code_of(added), contact_id), at=at).state
    return replace(person, accounts=frozenset({ACCOUNT}))


def enrolled(email: str | None = EMAIL, text: str | None = None) -> Person:
    """Return a person who is enrolled, with alerts to these contacts."""
    person = confirmed(*(one for one in (email, text) if one))
    decision = when(person, enrol(email, text))
    assert outcome(decision) == ("done", None)
    state: Person = decision.state
    return state


def account_of(*persons: Person, zones: tuple[str, ...] = ("America/New_York",)) -> Account:
    """Return an account of these persons, the guarantor first, some of whom are, or were, enrolled for it."""
    subscribers = {
        one.person_id: Subscriber(one.person_id, one.enrolments[ACCOUNT], one.contacts, zones)
        for one in persons
        if ACCOUNT in one.enrolments
    }
    return Account(ACCOUNT, tuple(one.person_id for one in persons), subscribers=subscribers)


def statement(statement_id: str = "S-1", *persons: str) -> StatementAvailable:
    return StatementAvailable(
        account_number=ACCOUNT,
        statement_id=statement_id,
        person_ids=persons or (WHO,),
        issued_on=date(2026, 3, 1),
        due_on=date(2026, 3, 26),
    )


def alerted(email: str | None = EMAIL, text: str | None = None) -> Account:
    """Return an account whose statement was just announced."""
    state: Account = when(account_of(enrolled(email, text)), statement()).state
    return state


def the_alert(account: Account) -> Alert:
    (alert,) = account.alerts.values()
    return alert


def answer(account: Account, result: Any, **said: Any) -> AlertAnswered:
    """Return the answer to the present attempt to send the one alert, or to the present question about it."""
    alert = the_alert(account)
    query = alert.queries if alert.status == "unknown" else 0
    about: dict[str, Any] = {"attempt": alert.attempt, "query": query, "result": result}
    return AlertAnswered(alert_id=alert.alert_id, account_number=ACCOUNT, **about | said)


def receipt(account: Account, status: Any) -> HearReceipt:
    return HearReceipt(alert_id=the_alert(account).alert_id, account_number=ACCOUNT, status=status)


def due(decision: Decision[Any]) -> list[datetime | None]:
    """Return when alerts are sent because of a decision."""
    return [task.due_at for task in decision.tasks if isinstance(task.data, SendAlert)]
