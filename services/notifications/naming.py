"""What the messages of a batch name, and so has to be read before they are decided about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from services.notifications.domain import Heard, state_key
from services.notifications.domain.messages import (
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
from shared.events.billing import GuarantorAccountOpened
from shared.events.envelope import Message
from shared.events.notifications import (
    AddContact,
    ConfirmContact,
    EndPaperless,
    EnrolPaperless,
    RemoveContact,
    ResendCode,
)
from shared.events.payments import StatementAvailable
from shared.events.registration import PatientRegistered


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
