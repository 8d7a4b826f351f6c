"""What the messages of a batch name, and so has to be read before they are decided about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.notifications.domain import state_key
from services.notifications.domain.messages import AlertAnswered, HearReceipt
from shared.events.envelope import Message
from shared.events.notifications import AddContact, EnrolPaperless, ResendCode
from shared.events.payments import StatementAvailable


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
        match message.data:
            case StatementAvailable(account_number=number, statement_id=statement_id):
                named.statements.append((number, statement_id))
            case AlertAnswered(alert_id=alert_id) | HearReceipt(alert_id=alert_id):
                named.alert_ids.append(alert_id)
            case EnrolPaperless(person_id=person_id, account_number=number):
                named.enrolling.append((person_id, number))
            case AddContact() | ResendCode():
                named.codes.append(message)
    return named
