"""Rows, each way: which columns a table is read and written by, and what of a changed state goes into them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, assert_never

from services.notifications.domain.account import Account, Alert, Patient
from services.notifications.domain.address import prefix
from services.notifications.domain.person import Code, Contact, Enrolment, Person
from services.notifications.domain.rules import Rules
from shared.events.notifications import Alerts, Channel

Row: TypeAlias = tuple[Any, ...]
"""A row's values in the order of its columns below."""

CONTACT: Final = (
    *("person_id", "contact_id", "channel", "address", "destination_id"),
    *("code_id", "code_sent_at", "code_tries", "code_correlationid"),
    *("status", "reason", "version", "verified_at", "refused_at"),
)
_CONSENTED: Final = ("text_version", "text_sha256", "consented_at", "consented_by", "ended_at", "ended_reason")
ENROLMENT: Final = ("person_id", "account_number", "email_contact_id", "text_contact_id", *_CONSENTED)
CONSENT: Final = ("person_id", "account_number", *_CONSENTED)
CODE: Final = ("code_id", "person_id", "contact_id", "destination_id", "prefix_id", "sent_at")
ACCOUNT: Final = ("number", "persons", "told_at")
STATEMENT: Final = ("account_number", "statement_id", "available_at", "paper_reason", "correlationid")
ALERT: Final = (
    *("account_number", "alert_id", "statement_id", "person_id", "contact_id", "contact_version", "channel"),
    *("created_at", "status", "reason", "attempt", "failures", "queries", "provider_id", "updated_at"),
)
PATIENT: Final = ("patient_id", "person_id", "proxies", "time_zone", "language", "told_at")


@dataclass(slots=True)
class Rows:
    """What a batch writes, by table; filled with each state before and after."""

    rules: Rules
    contacts: list[Row] = field(default_factory=list)
    codes: list[Row] = field(default_factory=list)
    enrolments: list[Row] = field(default_factory=list)
    consents: list[Row] = field(default_factory=list)
    accounts: list[Row] = field(default_factory=list)
    statements: list[Row] = field(default_factory=list)
    new_alerts: list[Row] = field(default_factory=list)
    alerts: list[Row] = field(default_factory=list)
    destinations: list[Row] = field(default_factory=list)
    patients: list[Row] = field(default_factory=list)

    def person(self, before: Person, after: Person) -> None:
        """Add what changed of a person."""
        whose = after.person_id
        for contact in after.contacts.values():
            known = before.contacts.get(contact.contact_id)
            if known is contact:
                continue
            self.contacts.append(contact_row(whose, contact))
            if known is None or known.code.code_id != contact.code.code_id:
                self.codes.append(self._code_row(whose, contact))
        self.enrolments += [
            enrolment_row(whose, enrolment)
            for enrolment in after.enrolments.values()
            if enrolment is not before.enrolments.get(enrolment.account_number)
        ]
        self.consents += [(whose, one.account_number, *_consented(one)) for one in after.consents]

    def account(self, before: Account, after: Account) -> None:
        """Add what changed of an account."""
        if (after.persons, after.told_at) != (before.persons, before.told_at):
            self.accounts.append((after.number, json.dumps(after.persons), after.told_at))
        self.statements += [
            (after.number, one.statement_id, one.available_at, one.paper_reason, one.correlationid)
            for one in after.statements.values()
            if one is not before.statements.get(one.statement_id)
        ]
        for alert in after.alerts.values():
            known = before.alerts.get(alert.alert_id)
            if known is None:
                self.new_alerts.append(alert_row(after.number, alert))
            elif known is not alert:
                self.alerts.append(progress(alert))

    def patient(self, after: Patient) -> None:
        """Add a patient as they are now."""
        proxies = json.dumps(after.proxies)
        where = (after.time_zone, after.language, after.told_at)
        self.patients.append((after.patient_id, after.person_id, proxies, *where))

    def _code_row(self, person_id: str, contact: Contact) -> Row:
        # A contact removed in the same batch has no address any more, and no neighbours to count.
        address = contact.address
        near = neighbourhood(self.rules, contact.channel, address) if address else contact.destination_id
        code, destination_id = contact.code, contact.destination_id
        return (code.code_id, person_id, contact.contact_id, destination_id, near, code.sent_at)


def neighbourhood(rules: Rules, channel: Channel, address: str) -> str:
    """Return the digest of what neighbouring numbers share; an email address is its only neighbour."""
    match channel:
        case "email":
            return rules.destination(channel, address)
        case "text":
            return rules.destination("prefix", prefix(address))
        case _:
            assert_never(channel)


def to_contact(row: Sequence[Any]) -> Contact:
    """Return a contact from its row."""
    _, contact_id, channel, address, destination_id, code_id, sent_at, tries, chain, *rest = row
    return Contact(contact_id, channel, address, destination_id, Code(code_id, sent_at, tries, chain), *rest)


def contact_row(person_id: str, contact: Contact) -> Row:
    """Return the row of a contact."""
    code = contact.code
    return (
        *(person_id, contact.contact_id, contact.channel, contact.address, contact.destination_id),
        *(code.code_id, code.sent_at, code.tries, code.correlationid),
        *(contact.status, contact.reason, contact.version, contact.verified_at, contact.refused_at),
    )


def to_enrolment(row: Sequence[Any]) -> Enrolment:
    """Return an enrolment from its row."""
    _, account_number, email, text, *rest = row
    return Enrolment(account_number, Alerts(email=email, text=text), *rest)


def enrolment_row(person_id: str, enrolment: Enrolment) -> Row:
    """Return the row of an enrolment."""
    alerts = enrolment.alerts
    return (person_id, enrolment.account_number, alerts.email, alerts.text, *_consented(enrolment))


def _consented(enrolment: Enrolment) -> Row:
    return (
        *(enrolment.text_version, enrolment.text_sha256, enrolment.consented_at, enrolment.consented_by),
        *(enrolment.ended_at, enrolment.ended_reason),
    )


def alert_row(account_number: str, alert: Alert) -> Row:
    """Return the row of an alert."""
    return (
        *(account_number, alert.alert_id, alert.statement_id, alert.person_id),
        *(alert.contact_id, alert.contact_version, alert.channel, alert.created_at, alert.status, alert.reason),
        *(alert.attempt, alert.failures, alert.queries, alert.provider_id, alert.updated_at),
    )


def progress(alert: Alert) -> Row:
    """Return what may change of an alert; what it is about never does."""
    reached = (alert.status, alert.reason, alert.attempt, alert.failures, alert.queries)
    return (alert.alert_id, *reached, alert.provider_id, alert.updated_at)
