"""The rules for paperless statements: consent, alerts, and how paper comes back."""

from datetime import datetime
from typing import Any, Literal, assert_never

from services.notifications.domain.internal import AccountLeft, Harm, Unsubscribe
from services.notifications.domain.person import Enrolment, Person, by_channel
from services.notifications.domain.refusal import refuse
from services.notifications.domain.rules import Rules
from shared.events.envelope import Message
from shared.events.notifications import (
    Alerts,
    ContactUnsubscribed,
    EndPaperless,
    EnrolPaperless,
    PaperlessEnded,
    PaperlessEnrolled,
    RefusalReason,
)
from shared.frozen import replace
from shared.messaging.decision import Decision, Event

EndReason = Literal["withdrawn", "unsubscribed", "texts_stopped", "contact_removed"] | Harm


AboutPaperless = EnrolPaperless | EndPaperless | Unsubscribe | AccountLeft


def decide(person: Person, message: Message[Any], now: datetime, rules: Rules) -> Decision[Person]:
    """Decide about what a person asks for, and about who is on an account no longer."""
    heard: AboutPaperless = message.data
    match heard:
        case EnrolPaperless():
            return enrol(person, message, now, rules)
        case EndPaperless():
            return withdraw(person, message, now)
        case Unsubscribe():
            return unsubscribe(person, heard, now)
        case AccountLeft():
            return leave(person, heard, now)
        case _:
            assert_never(heard)


def enrol(person: Person, message: Message[EnrolPaperless], now: datetime, rules: Rules) -> Decision[Person]:
    """Take down a person's consent, and where alerts go; enrolling again changes where they go."""
    asked = message.data
    if reason := _against_enrolment(person, message, rules):
        return refuse(person, asked, reason)
    enrolled = PaperlessEnrolled(
        person_id=person.person_id,
        account_number=asked.account_number,
        alerts=asked.alerts,
        text_version=asked.consent.text_version,
    )
    done = Decision(person, (Event(enrolled, "done", person.person_id),))
    there = person.enrolments.get(asked.account_number)
    version = asked.consent.text_version
    if there and there.in_force and (there.alerts, there.text_version) == (asked.alerts, version):
        return done
    enrolment = Enrolment(
        asked.account_number, asked.alerts, version, rules.current_texts[version], now, message.actor
    )
    return done._replace(state=person.with_enrolment(enrolment))


def _against_enrolment(person: Person, message: Message[EnrolPaperless], rules: Rules) -> RefusalReason | None:
    asked, chosen = message.data, message.data.alerts
    if not person.acts(message.actor) or asked.account_number not in person.accounts:
        return "not_found"
    if not asked.consent.accepted:
        return "consent_missing"
    if asked.consent.text_version not in rules.current_texts:
        return "consent_stale"
    # Also who wants no alerts has shown, by confirming a contact, that they can read what comes to it.
    count = all(person.verified(contact_id, channel) for channel, contact_id in by_channel(chosen).items())
    return None if person.reachable and count else "contact_not_verified"


def withdraw(person: Person, message: Message[EndPaperless], now: datetime) -> Decision[Person]:
    """Bring paper back, at once."""
    asked = message.data
    enrolment = person.enrolments.get(asked.account_number)
    if enrolment is None or not person.acts(message.actor):
        return refuse(person, asked, "not_found")
    if not enrolment.in_force:
        return Decision(person, (_ended(person, enrolment, "done"),))
    ended = replace(enrolment, ended_at=now, ended_reason="withdrawn")
    return Decision(person.with_enrolment(ended), (_ended(person, ended, "done"),))


def leave(person: Person, left: AccountLeft, now: datetime) -> Decision[Person]:
    """End an enrolment for an account that is the person's no longer; to enrol again takes consent anew."""
    enrolment = person.enrolments.get(left.account_number)
    if enrolment is None or not enrolment.in_force or enrolment.consented_at > left.left_at:
        return Decision(person)
    ended = replace(enrolment, ended_at=now, ended_reason=left.reason)
    return Decision(person.with_enrolment(ended), (_ended(person, ended, None),))


def unsubscribe(person: Person, asked: Unsubscribe, now: datetime) -> Decision[Person]:
    """Send no more alerts to a contact, until it is chosen again."""
    contact = person.contacts.get(asked.contact_id)
    if contact is None:
        return refuse(person, asked, "not_found")
    told = ContactUnsubscribed(contact_id=contact.contact_id, person_id=person.person_id, channel=contact.channel)
    done = Event(told, "done", person.person_id)
    person, ended = drop(person, contact.contact_id, "unsubscribed", now)
    return Decision(person, (done, *ended))


def drop(person: Person, contact_id: str, reason: EndReason, now: datetime) -> tuple[Person, tuple[Event, ...]]:
    """Return the person without alerts to a contact; an enrolment whose others get to nobody has ended."""
    events: list[Event] = []
    for enrolment in tuple(person.enrolments.values()):
        chosen = by_channel(enrolment.alerts)
        if not enrolment.in_force or contact_id not in chosen.values():
            continue
        left = {channel: other for channel, other in chosen.items() if other != contact_id}
        if any(person.verified(other, channel) for channel, other in left.items()):
            person = person.with_enrolment(replace(enrolment, alerts=Alerts(**left)))
        else:
            ended = replace(enrolment, ended_at=now, ended_reason=reason)
            person = person.with_enrolment(ended)
            events.append(_ended(person, ended, None))
    person, lapsed = lapse(person, reason, now)
    return person, (*events, *lapsed)


def lapse(person: Person, reason: EndReason, now: datetime) -> tuple[Person, tuple[Event, ...]]:
    """Return the person, who lost a contact; without any that counts, enrolments without alerts have ended."""
    if person.reachable:
        return person, ()
    events: list[Event] = []
    for enrolment in tuple(person.enrolments.values()):
        if enrolment.in_force and enrolment.alerts == Alerts():
            ended = replace(enrolment, ended_at=now, ended_reason=reason)
            person = person.with_enrolment(ended)
            events.append(_ended(person, ended, None))
    return person, tuple(events)


def _ended(person: Person, enrolment: Enrolment, outcome: Literal["done"] | None) -> Event:
    told = PaperlessEnded(
        person_id=person.person_id,
        account_number=enrolment.account_number,
        reason=enrolment.ended_reason or "withdrawn",
    )
    return Event(told, outcome, person.person_id)
