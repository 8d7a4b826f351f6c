"""The rules for contacts: a contact counts once its owner has brought the code that was sent to it."""

from datetime import datetime, timedelta
from typing import Any, Final, Literal, assert_never
from uuid import NAMESPACE_URL, uuid5

from services.notifications.domain.address import AddressError, normalise
from services.notifications.domain.internal import (
    CodeAnswered,
    ContactHarmed,
    Harm,
    HearCodeReceipt,
    SendCode,
    StartTexts,
    StopTexts,
)
from services.notifications.domain.paperless import drop, lapse
from services.notifications.domain.person import Code, Contact, Crowd, Person
from services.notifications.domain.refusal import refuse
from services.notifications.domain.rules import Rules
from shared.events.envelope import Data, Message
from shared.events.notifications import (
    AddContact,
    CodeSent,
    ConfirmContact,
    ContactRefused,
    ContactRemoved,
    ContactVerified,
    ReceiptHeard,
    RefusalReason,
    RemoveContact,
    ResendCode,
    TextsStopped,
)
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

CODE_LIFETIME: Final = timedelta(minutes=10)
CODE_TRIES_MAX: Final = 5
BETWEEN_CODES: Final = timedelta(seconds=60)
CODES_COUNTED: Final = timedelta(days=1)
"""How long a code counts towards the limits below."""

CODES_OF_CONTACT_MAX: Final = 5
CODES_OF_PERSON_MAX: Final = 20
CODES_OF_ADDRESS_MAX: Final = 10
CODES_OF_PREFIX_MAX: Final = 200
"""Numbers that differ in their last four digits alone: more than this is somebody earning by our texts."""


ContactCommand = AddContact | ConfirmContact | ResendCode | RemoveContact
ContactFact = CodeAnswered | ContactHarmed | HearCodeReceipt | StartTexts | StopTexts


def decide(person: Person, message: Message[Any], now: datetime, rules: Rules) -> Decision[Person]:
    """Decide about what a person asks for."""
    asked: ContactCommand = message.data
    match asked:
        case AddContact():
            return add(person, message, now, rules)
        case ConfirmContact():
            return confirm(person, message, now, rules)
        case ResendCode():
            return resend(person, message, now)
        case RemoveContact():
            return remove(person, message, now)
        case _:
            assert_never(asked)


def hear(person: Person, fact: ContactFact, now: datetime) -> Decision[Person]:
    """Decide about what providers and numbers say."""
    match fact:
        case CodeAnswered():
            return hear_code(person, fact, now)
        case HearCodeReceipt():
            return hear_code_receipt(person, fact, now)
        case ContactHarmed():
            return hear_harm(person, fact, now)
        case StopTexts():
            return stop_texts(person, fact, now)
        case StartTexts():
            return start_texts(person, fact)
        case _:
            assert_never(fact)


def add(person: Person, message: Message[AddContact], now: datetime, rules: Rules) -> Decision[Person]:
    """Take on a contact, and have a code sent to it."""
    asked = message.data
    if not person.acts(message.actor):
        return refuse(person, asked, "not_found")
    try:
        address = normalise(asked.channel, asked.address)
    except AddressError as error:
        return refuse(person, asked, error.reason)
    destination_id = rules.destination(asked.channel, address)
    there = person.contacts.get(asked.contact_id)
    if there is not None:
        # Of one that was removed only this is left: it stays removed, and may be named again.
        if there.destination_id != destination_id:
            return refuse(person, asked, "idempotency_conflict")
        return Decision(person, (_where_it_is(person, there, "done"),))
    contact = Contact(asked.contact_id, asked.channel, address, destination_id, _new_code(message, now))
    if reason := _against_a_code(person, contact, person.crowd(message), now):
        return refuse(person, asked, reason)
    return _send_code(person, contact, now)


def resend(person: Person, message: Message[ResendCode], now: datetime) -> Decision[Person]:
    """Have another code sent; the one before is no longer valid."""
    asked = message.data
    contact = _known(person, message.actor, asked.contact_id)
    if contact is None:
        return refuse(person, asked, "not_found")
    if contact.status == "verified":
        return Decision(person, (_where_it_is(person, contact, "done"),))
    if reason := _against_a_code(person, contact, person.crowd(message), now):
        return refuse(person, asked, reason)
    if contact.status == "refused":  # what becomes of another code is news again
        contact = replace(contact, status="pending", reason=None)
    return _send_code(person, replace(contact, code=_new_code(message, now)), now)


def confirm(person: Person, message: Message[ConfirmContact], now: datetime, rules: Rules) -> Decision[Person]:
    """Believe that a contact is the person's, if the code is right.

    A code that came too late, or after too many others, is `code_expired` whether it is right or not; and so is
    each that was sent before its contact was refused.
    """
    asked = message.data
    contact = _known(person, message.actor, asked.contact_id)
    if contact is None:
        return refuse(person, asked, "not_found")
    reason = _against_confirming(contact, rules.is_code(contact.code.code_id, asked.code), now)
    if reason == "code_wrong":
        tried = replace(contact.code, tries=contact.code.tries + 1)
        return refuse(person.with_contact(replace(contact, code=tried)), asked, reason)
    if reason is not None:
        return refuse(person, asked, reason)
    if contact.status != "verified":
        version = contact.version + 1
        contact = replace(contact, status="verified", reason=None, version=version, verified_at=now)
    return Decision(person.with_contact(contact), (_where_it_is(person, contact, "done"),))


def _against_confirming(contact: Contact, right: bool, now: datetime) -> RefusalReason | None:
    """Return why a code does not confirm a contact, if there is a reason."""
    code = contact.code
    if contact.status == "stopped":
        return "texts_stopped"
    over = code.tries >= CODE_TRIES_MAX or now - code.sent_at >= CODE_LIFETIME
    # With another code a contact is no longer refused, but pending; so it is too after a STOP and a START.
    spent = contact.refused_at is not None and code.sent_at < contact.refused_at
    if contact.status == "refused" or ((over or spent) and contact.status != "verified"):
        return "code_expired"
    return None if right else "code_wrong"


def remove(person: Person, message: Message[RemoveContact], now: datetime) -> Decision[Person]:
    """Forget a contact's address, and send it nothing more."""
    asked = message.data
    contact = person.contacts.get(asked.contact_id)
    if contact is None or not person.acts(message.actor):
        return refuse(person, asked, "not_found")
    removed = replace(contact, status="removed", address=None, reason=None)
    done = _where_it_is(person, removed, "done")
    if contact.status == "removed":
        return Decision(person, (done,))
    person, ended = drop(person.with_contact(removed), contact.contact_id, "contact_removed", now)
    return Decision(person, (done, *ended))


# What providers and numbers say


def hear_code(person: Person, answer: CodeAnswered, now: datetime) -> Decision[Person]:
    """Learn what became of sending a code."""
    if answer.result != "refused":
        return Decision(person)
    return Decision(*_harm_of_code(person, answer.contact_id, answer.code_id, "refused", now))


def hear_code_receipt(person: Person, receipt: HearCodeReceipt, now: datetime) -> Decision[Person]:
    """Learn what became of a code that was sent."""
    heard = Event(ReceiptHeard(reference=receipt.code_id, status=receipt.status), "done", person.person_id)
    events: tuple[Event, ...] = ()
    if receipt.status == "bounced":
        person, events = _harm_of_code(person, receipt.contact_id, receipt.code_id, "hard_bounce", now)
    return Decision(person, (heard, *events))


def hear_harm(person: Person, harm: ContactHarmed, now: datetime) -> Decision[Person]:
    """Send nothing more to a contact that an alert could not reach, or whose owner complained."""
    contact = person.contacts.get(harm.contact_id)
    if contact is None or contact.version != harm.contact_version or contact.status != "verified":
        return Decision(person)
    person, refused = _refused(person, contact, harm.reason, now)
    if harm.reason == "complained":
        person, ended = drop(person, contact.contact_id, "complained", now)
    else:
        person, ended = lapse(person, harm.reason, now)
    return Decision(person, (*refused, *ended))


def stop_texts(person: Person, stop: StopTexts, now: datetime) -> Decision[Person]:
    """Send no more texts to a contact."""
    contact = person.contacts.get(stop.contact_id)
    if contact is None or contact.status in ("stopped", "removed"):
        return Decision(person)
    stopped = replace(contact, status="stopped", reason="texts_stopped")
    told = TextsStopped(person_id=person.person_id, contact_id=contact.contact_id)
    person, ended = drop(person.with_contact(stopped), contact.contact_id, "texts_stopped", now)
    return Decision(person, (Event(told, key=person.person_id), *ended))


def start_texts(person: Person, start: StartTexts) -> Decision[Person]:
    """Send texts to a contact again; one that was never confirmed still has to be.

    One that was refused meanwhile is verified again: who texts us from the number has it.
    """
    contact = person.contacts.get(start.contact_id)
    if contact is None or contact.status != "stopped":
        return Decision(person)
    started = replace(contact, status="verified" if contact.version else "pending", reason=None)
    events = (_where_it_is(person, started, None),) if contact.version else ()
    return Decision(person.with_contact(started), events)


def _known(person: Person, actor: str, contact_id: str) -> Contact | None:
    contact = person.contacts.get(contact_id)
    return contact if contact and contact.status != "removed" and person.acts(actor) else None


def _against_a_code(person: Person, contact: Contact, crowd: Crowd, now: datetime) -> RefusalReason | None:
    """Return why no code is sent, if there is a reason."""
    if crowd.stopped:
        return "texts_stopped"
    # An address is the same under another id, unless the person has shown before that it is theirs.
    same = {contact.contact_id} | {
        one.contact_id
        for one in person.contacts.values()
        if one.destination_id == contact.destination_id and one.verified_at is None
    }
    if any(contact_id in same and now - sent_at < BETWEEN_CODES for contact_id, sent_at in person.codes):
        return "too_soon"
    of_contact = sum(contact_id == contact.contact_id for contact_id, _ in person.codes)
    too_many = (
        of_contact >= CODES_OF_CONTACT_MAX
        or len(person.codes) >= CODES_OF_PERSON_MAX
        or crowd.of_address >= CODES_OF_ADDRESS_MAX
        or crowd.of_prefix >= CODES_OF_PREFIX_MAX
    )
    return "too_many_codes" if too_many else None


def _new_code(cause: Message[Data], now: datetime) -> Code:
    code_id = str(uuid5(NAMESPACE_URL, f"code\0{cause.source}\0{cause.id}"))
    return Code(code_id, now, correlationid=cause.correlation)


def _send_code(person: Person, contact: Contact, now: datetime) -> Decision[Person]:
    code_id = contact.code.code_id
    task = SendCode(person_id=person.person_id, contact_id=contact.contact_id, code_id=code_id)
    person = replace(person.with_contact(contact), codes=(*person.codes, (contact.contact_id, now)))
    return Decision(person, (_where_it_is(person, contact, "done"),), (Task(task),))


def _where_it_is(person: Person, contact: Contact, outcome: Literal["done"] | None) -> Event:
    """Return the event that tells how far a contact is."""
    whose, which, channel = person.person_id, contact.contact_id, contact.channel
    if contact.status == "verified":
        verified = ContactVerified(contact_id=which, person_id=whose, channel=channel)
        return Event(verified, outcome, whose)
    if contact.status == "removed":
        return Event(ContactRemoved(contact_id=which, person_id=whose, channel=channel), outcome, whose)
    expires_at = contact.code.sent_at + CODE_LIFETIME
    sent = CodeSent(contact_id=which, person_id=whose, channel=channel, expires_at=expires_at)
    return Event(sent, outcome, whose)


def _harm_of_code(
    person: Person, contact_id: str, code_id: str, reason: Harm, now: datetime
) -> tuple[Person, tuple[Event, ...]]:
    """Refuse a contact that its newest code could not reach."""
    contact = person.contacts.get(contact_id)
    if contact is None or contact.code.code_id != code_id or contact.status not in ("pending", "verified"):
        return person, ()
    person, refused = _refused(person, contact, reason, now)
    person, ended = lapse(person, reason, now)
    chain = contact.code.correlationid
    return person, tuple(event._replace(correlationid=chain) for event in (*refused, *ended))


def _refused(person: Person, contact: Contact, reason: Harm, now: datetime) -> tuple[Person, tuple[Event, ...]]:
    told = ContactRefused(
        contact_id=contact.contact_id, person_id=person.person_id, channel=contact.channel, reason=reason
    )
    refused = replace(contact, status="refused", reason=reason, refused_at=now)
    return person.with_contact(refused), (Event(told, key=person.person_id),)
