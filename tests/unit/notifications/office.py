"""Notifications in memory, and a world outside that takes mails and texts."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from services.notifications.domain import State, decide, state_key
from services.notifications.domain.account import Account, Alert, Patient, Subscriber
from services.notifications.domain.address import AddressError, normalise
from services.notifications.domain.contacts import CODES_COUNTED
from services.notifications.domain.internal import (
    AlertAnswered,
    CodeAnswered,
    HearReceipt,
    QueryAlert,
    ReplyToText,
    SendAlert,
    SendCode,
    TextReplied,
)
from services.notifications.domain.person import Crowd, Person, by_channel, identity
from services.notifications.domain.quiet_hours import sendable_from
from services.notifications.domain.texting import Destination
from services.notifications.rows import contact_row, enrolment_row, to_contact, to_enrolment
from shared.events.envelope import Command, Data, Message
from shared.events.notifications import AddContact, ResendCode
from shared.events.payments import StatementAvailable
from shared.messaging.decision import Decision, Event
from tests.unit.events.reading_back import read_back
from tests.unit.notifications.story import NOON, RULES, WHO, message

TAKEN = ("sent", "delivered", "failed", "unknown")
"""Results of an attempt after which a message may arrive, though its provider said something else."""

_numbers = count(1)


class Office:
    """Hears one message after the other.

    `sent` is what providers were given: the alert, what they said, when, and the zones that its reader may be in.
    """

    def __init__(self) -> None:
        self.now = NOON
        self.told: list[Event] = []
        self.due: list[tuple[datetime, int, Data]] = []
        self.persons: dict[str, Person] = {}
        self.accounts: dict[str, Account] = {}
        self.destinations: dict[str, Destination] = {}
        self.patients: dict[str, Patient] = {}
        self.codes: list[tuple[str, str, str, datetime]] = []
        self.consents: list[tuple[Any, ...]] = []
        self.sent: list[tuple[Alert, str, datetime, tuple[str, ...]]] = []
        self.answers: list[AlertAnswered] = []

    def hear(self, data: Data, actor: str = f"patient:{WHO}", at: datetime | None = None) -> Decision[Any]:
        """Decide about a message, keep what follows, and return it."""
        heard = message(data, at=at or self.now, actor=actor)
        before = self._load(heard)
        decided = decide(before, heard, self.now, RULES)
        assert decided == decide(before, heard, self.now, RULES), "the same again decides the same"
        assert sum(event.outcome is not None for event in decided.events) == isinstance(data, Command)
        assert all(read_back(event, heard) == event.data for event in decided.events)
        self.told += decided.events
        self.due += [(task.due_at or self.now, next(_numbers), task.data) for task in decided.tasks]
        self._keep(decided.state)
        return decided

    # States

    def _load(self, heard: Message[Any]) -> State | None:
        kind, _, which = state_key(heard).partition(":")
        match kind:
            case "person":
                return self._person(which, heard)
            case "account":
                return self._account(which, heard.data)
            case "destination":
                there = self.destinations.get(which, Destination(which))
                return replace(there, contacts=tuple(self._whose(which)))
            case _:
                return self.patients.get(which)

    def _person(self, person_id: str, heard: Message[Any]) -> Person:
        person = self.persons.get(person_id, Person(person_id))
        seen = (number for number, account in self.accounts.items() if person_id in account.persons)
        person = replace(person, accounts=frozenset(seen), consents=(), codes=(), crowds={})
        if not isinstance(heard.data, AddContact | ResendCode):
            return person
        recent = [one for one in self.codes if one[3] > self.now - CODES_COUNTED]
        own = tuple((contact_id, at) for whose, contact_id, _, at in recent if whose == person_id)
        place = self._place(person, heard.data)
        stopped = place in self.destinations and self.destinations[place].stopped_at is not None
        crowd = Crowd(of_address=sum(one[2] == place for one in recent), stopped=stopped)
        return replace(person, codes=own, crowds={identity(heard): crowd})

    def _place(self, person: Person, asked: AddContact | ResendCode) -> str:
        if isinstance(asked, ResendCode):
            there = person.contacts.get(asked.contact_id)
            return there.destination_id if there else ""
        try:
            return RULES.destination(asked.channel, normalise(asked.channel, asked.address))
        except AddressError:
            return ""

    def _account(self, number: str, heard: Data) -> Account:
        """Return an account with the statement that a message names; and with its alerts, if it names one."""
        account = self.accounts.get(number, Account(number))
        named, alerts = None, {}
        if isinstance(heard, StatementAvailable):
            named = heard.statement_id
        elif isinstance(heard, AlertAnswered | HearReceipt):
            named = account.alerts[heard.alert_id].statement_id
            alerts = {key: one for key, one in account.alerts.items() if one.statement_id == named}
        statements = {key: one for key, one in account.statements.items() if key == named}
        subscribers = {
            one.person_id: Subscriber(
                one.person_id, one.enrolments[number], one.contacts, self.zones(one.person_id)
            )
            for one in self.persons.values()
            if number in one.enrolments
        }
        return replace(account, statements=statements, alerts=alerts, subscribers=subscribers if named else {})

    def zones(self, person_id: str) -> tuple[str, ...]:
        own = [one.time_zone for one in self.patients.values() if one.person_id == person_id]
        return tuple(own or [one.time_zone for one in self.patients.values() if person_id in one.proxies])

    def _whose(self, destination_id: str) -> Iterable[tuple[str, str]]:
        for person in self.persons.values():
            for one in person.contacts.values():
                if one.destination_id == destination_id and one.status != "removed":
                    yield person.person_id, one.contact_id

    def _keep(self, state: State) -> None:
        match state:
            case Person():
                self._keep_person(state)
            case Account():
                there = self.accounts.get(state.number, state)
                statements = {**there.statements, **state.statements}
                alerts = {**there.alerts, **state.alerts}
                self.accounts[state.number] = replace(state, statements=statements, alerts=alerts)
            case Destination():
                self.destinations[state.destination_id] = state
            case Patient():
                self.patients[state.patient_id] = state

    def _keep_person(self, person: Person) -> None:
        before = self.persons.get(person.person_id, Person(person.person_id))
        for one in person.contacts.values():
            assert to_contact(contact_row(person.person_id, one)) == one, "kept as it is"
            known = before.contacts.get(one.contact_id)
            if known is None or known.code.code_id != one.code.code_id:
                self.codes.append((person.person_id, one.contact_id, one.destination_id, one.code.sent_at))
        for consent in person.enrolments.values():
            assert to_enrolment(enrolment_row(person.person_id, consent)) == consent, "kept as it is"
        self.consents += [(person.person_id, consent) for consent in person.consents]
        self.persons[person.person_id] = person

    # What is done outside

    def settle(self, ahead: timedelta = timedelta(), result: Any = "sent") -> None:
        """Let time pass; providers say `result` to all that they are asked on the way."""
        until = self.now + ahead
        while self.due and min(self.due)[0] <= until:
            task = min(self.due)
            self.due.remove(task)
            self.now = max(self.now, task[0])
            answer = self._perform(task[2], result)
            if isinstance(answer, AlertAnswered):
                self.answers.append(answer)
            self.hear(answer, actor="service:notifications")
        self.now = until

    def _perform(self, task: Data, result: Any) -> Data:
        match task:
            case SendCode():
                said: Any = result if result in ("refused", "not_sent") else "sent"
                return CodeAnswered(**task.model_dump(), result=said)
            case SendAlert():
                return self._send(task, result)
            case QueryAlert():
                alert = self.accounts[task.account_number].alerts[task.alert_id]
                known = any(one.alert_id == task.alert_id for one, *_ in self.sent) and result != "refused"
                told: Any = "unknown" if alert.channel == "email" else "sent" if known else "not_received"
                return AlertAnswered(**task.model_dump(), attempt=alert.attempt, result=told)
            case ReplyToText():
                return TextReplied(destination_id=task.destination_id)
            case _:
                return task

    def _send(self, task: SendAlert, result: Any) -> AlertAnswered:
        """Send an alert, as whoever performs the task does: not any more, or not yet, or with this result."""
        said: dict[str, Any] = {**task.model_dump(), "reason": None}
        alert = self.accounts[task.account_number].alerts[task.alert_id]
        contact = self.persons[alert.person_id].contacts[alert.contact_id]
        if not self.may_go(task.account_number, alert) or contact.address is None:
            return AlertAnswered(**said | {"result": "suppressed", "reason": "contact_refused"})
        due = sendable_from(alert.channel, self.now, self.zones(alert.person_id), contact.address)
        if due > self.now:
            return AlertAnswered(**said, result="later", wait_s=(due - self.now).total_seconds())
        self.sent.append((alert, result, self.now, self.zones(alert.person_id)))
        return AlertAnswered(**said, result=result)

    def may_go(self, number: str, alert: Alert) -> bool:
        """Tell whether an alert may be sent as things are now."""
        person = self.persons[alert.person_id]
        contact, enrolment = person.contacts[alert.contact_id], person.enrolments[number]
        place = self.destinations.get(contact.destination_id)
        stopped = place is not None and place.stopped_at is not None
        chosen = alert.contact_id in by_channel(enrolment.alerts).values()
        of_now = chosen and alert.contact_version == contact.version
        return enrolment.in_force and contact.status == "verified" and of_now and not stopped
