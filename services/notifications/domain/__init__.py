"""The rules of notifications: `decide` says what follows from each message for whom or what it is about.

`state_key` says who or what that is, and `named_by` what has to be read for it before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias, assert_never

from services.notifications.domain import alerts, contacts, paperless, texting
from services.notifications.domain.account import Account, Patient, hear_account
from services.notifications.domain.internal import (
    AccountLeft,
    AlertAnswered,
    CodeAnswered,
    ContactHarmed,
    HearCodeReceipt,
    HearReceipt,
    HearText,
    StartTexts,
    StopTexts,
    TextReplied,
    Unsubscribe,
)
from services.notifications.domain.person import Person
from services.notifications.domain.rules import Rules
from services.notifications.domain.texting import Destination
from shared.events.billing import GuarantorAccountOpened
from shared.events.envelope import Message
from shared.events.notifications import (
    AddContact,
    ConfirmContact,
    EndPaperless,
    EnrolPaperless,
    NotificationsCommand,
    RemoveContact,
    ResendCode,
)
from shared.events.payments import StatementAvailable
from shared.events.registration import PatientRegistered
from shared.messaging.decision import Decision

State: TypeAlias = Person | Account | Destination | Patient
"""What a message is about; `state_key` says which."""

AboutPerson = (
    NotificationsCommand
    | AccountLeft
    | CodeAnswered
    | ContactHarmed
    | HearCodeReceipt
    | StartTexts
    | StopTexts
    | Unsubscribe
)
AboutAccount = GuarantorAccountOpened | StatementAvailable | AlertAnswered | HearReceipt
AboutDestination = HearText | TextReplied
Heard = AboutPerson | AboutAccount | AboutDestination | PatientRegistered
"""All that `decide` is given."""


def state_key(message: Message[Any]) -> str:
    """Return the key of the state that a message is about: a kind, and which of it."""
    heard: Heard = message.data
    if isinstance(heard, AboutAccount):
        return f"account:{heard.account_number}"
    if isinstance(heard, AboutDestination):
        return f"destination:{heard.destination_id}"
    if isinstance(heard, PatientRegistered):
        return f"patient:{heard.patient_id}"
    return f"person:{heard.person_id}"


def decide(state: State | None, message: Message[Any], now: datetime, rules: Rules) -> Decision[State]:
    """Return what follows from a message; `now` is the business's time."""
    heard: Heard = message.data
    if isinstance(heard, AboutAccount):
        account = state if isinstance(state, Account) else Account(heard.account_number)
        return _about_account(account, message, now)
    if isinstance(heard, AboutDestination):
        destination = state if isinstance(state, Destination) else Destination(heard.destination_id)
        return texting.hear_text(destination, heard, now) if isinstance(heard, HearText) else Decision(destination)
    if isinstance(heard, PatientRegistered):
        return _hear_patient(state, heard, message.time)
    person = state if isinstance(state, Person) else Person(heard.person_id)
    return _about_person(person, message, now, rules)


def _hear_patient(state: State | None, fact: PatientRegistered, told_at: datetime) -> Decision[State]:
    """Learn where a patient is; what was told later counts."""
    if isinstance(state, Patient) and told_at < state.told_at:
        return Decision(state)
    about = (fact.patient_id, fact.person_id, fact.proxies, fact.time_zone, fact.language)
    return Decision(Patient(*about, told_at))


def _about_account(account: Account, message: Message[Any], now: datetime) -> Decision[State]:
    heard: AboutAccount = message.data
    match heard:
        case GuarantorAccountOpened():
            return hear_account(account, heard, message.time, now)
        case StatementAvailable():
            return alerts.announce(account, message, now)
        case AlertAnswered():
            return alerts.hear_answer(account, heard, now)
        case HearReceipt():
            return alerts.hear_receipt(account, heard, now)
        case _:
            assert_never(heard)


def _about_person(person: Person, message: Message[Any], now: datetime, rules: Rules) -> Decision[State]:
    heard: AboutPerson = message.data
    match heard:
        case AddContact() | ConfirmContact() | ResendCode() | RemoveContact():
            return contacts.decide(person, message, now, rules)
        case EnrolPaperless() | EndPaperless() | Unsubscribe() | AccountLeft():
            return paperless.decide(person, message, now, rules)
        case CodeAnswered() | HearCodeReceipt() | ContactHarmed() | StopTexts() | StartTexts():
            return contacts.hear(person, heard, now)
        case _:
            assert_never(heard)


@dataclass(slots=True)
class Named:
    """What the messages of a batch name, and so has to be there when they are decided about."""

    accounts: set[str] = field(default_factory=set)
    persons: set[str] = field(default_factory=set)
    destinations: set[str] = field(default_factory=set)
    statements: list[tuple[str, str]] = field(default_factory=list)
    alert_ids: list[str] = field(default_factory=list)
    enrolling: list[tuple[str, str]] = field(default_factory=list)
    codes: list[Message[Any]] = field(default_factory=list)


def named_by(messages: Sequence[Message[Any]]) -> Named:
    """Return all that messages name."""
    named = Named()
    kinds = {"account": named.accounts, "person": named.persons, "destination": named.destinations}
    for message in messages:
        kind, _, which = state_key(message).partition(":")
        if kind in kinds:
            kinds[kind].add(which)
        _name(named, message)
    return named


def _name(named: Named, message: Message[Any]) -> None:
    """Note what a message names beside what it is about."""
    heard: Heard = message.data
    match heard:
        case StatementAvailable():
            named.statements.append((heard.account_number, heard.statement_id))
        case AlertAnswered() | HearReceipt():
            named.alert_ids.append(heard.alert_id)
        case EnrolPaperless():
            named.enrolling.append((heard.person_id, heard.account_number))
        case AddContact() | ResendCode():
            named.codes.append(message)
        case (
            PatientRegistered()
            | GuarantorAccountOpened()
            | ConfirmContact()
            | RemoveContact()
            | EndPaperless()
            | AccountLeft()
            | CodeAnswered()
            | ContactHarmed()
            | HearCodeReceipt()
            | HearText()
            | TextReplied()
            | StartTexts()
            | StopTexts()
            | Unsubscribe()
        ):
            pass
        case _:
            assert_never(heard)
