"""A patient's message: may it be sent, to whom does it go, and what it does to its thread's item.

A thread stays where it is: a further message, of the same category and for the same provider, joins the item
wherever that was moved to meanwhile, unless the pool takes nothing in any more. Where a medical message names no
provider, the nearest one is meant: scheduled next, else who asked for documents last, else seen last; a non-
urgent question has to name one.
"""

import json
from datetime import datetime
from functools import partial
from typing import Any, Final

from services.inbox.domain.attachment import objection_to_files
from services.inbox.domain.item import (
    FIRST,
    Item,
    ThreadMessage,
    What,
    change,
    derived,
    starts_to_wait,
    waits_on,
)
from services.inbox.domain.patient import Patient, recipients
from services.inbox.domain.refusal import Objection, refuse
from services.inbox.domain.routing import (
    UNROUTABLE,
    Routed,
    RuleSet,
    Said,
    in_force,
    pool_of,
    route,
)
from services.inbox.domain.urgency import urgent_words
from services.inbox.domain.visible import visible
from shared.digests import digest
from shared.events.actors import person_in
from shared.events.inbox import (
    CATEGORIES,
    ItemReopened,
    MessageRouted,
    MessageUnroutable,
    RefusalReason,
    SendMessage,
)
from shared.events.vocabulary import About
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

_JOINS: Final = "The message joins its thread"


def send(patient: Patient, command: SendMessage, actor: str, now: datetime) -> Decision[Patient]:
    """Bring a message to a pool, or say why not."""
    if not _may_send(patient, actor):
        return _refuse(patient, command, "not_found")
    known = patient.messages.get(command.message_id)
    if known is not None:
        if known.fingerprint != _fingerprint(command):
            return _refuse(patient, command, "idempotency_conflict")
        return Decision(patient, (_told(known),))
    objection = _unseen(command) or _objection(patient, command, now) or _objection_to_files(patient, command)
    if objection is not None:
        return _refuse(patient, command, *objection)
    if command.thread_id is not None:
        return _join(patient, patient.items[command.thread_id], command, actor, now)
    return _begin(patient, command, actor, now)


def _refuse(
    patient: Patient, command: SendMessage, reason: RefusalReason, detail: str | None = None
) -> Decision[Patient]:
    return refuse(patient, command, reason, detail, command.patient_id)


def _may_send(patient: Patient, actor: str) -> bool:
    person = person_in(actor)
    return person is not None and patient.registered is not None and patient.registered.may_act(person)


def _unseen(command: SendMessage) -> Objection | None:
    unseen = [f"data.{name}" for name in ("subject", "body") if not visible(getattr(command, name))]
    return Objection("invalid_data", f"invalid: {', '.join(unseen)}") if unseen else None


def _objection_to_files(patient: Patient, command: SendMessage) -> Objection | None:
    return objection_to_files(
        command.attachment_ids or (), patient.attachments, patient.patient_id, by_staff=False
    )


def _objection(patient: Patient, command: SendMessage, now: datetime) -> Objection | None:
    """Say what is wrong with what the message is and whom it is for.

    It is the same for a provider who does not exist as for one whom the patient has nothing to do with.
    """
    if CATEGORIES.get(command.category) != command.kind:
        return Objection("unknown_category")
    if command.thread_id is not None:
        return _objection_to_joining(patient.items.get(command.thread_id), command)
    if command.provider_id is None:
        return Objection("recipient_missing") if command.category == "non-urgent-question" else None
    allowed = any(one.provider_id == command.provider_id for one in recipients(patient, now))
    return None if allowed else Objection("recipient_not_allowed")


def _objection_to_joining(item: Item | None, command: SendMessage) -> Objection | None:
    """Say why a message does not belong to a thread: what it is and whom it is for decide who reads it."""
    if item is None:
        return Objection("not_found")
    said = (command.category, command.provider_id or item.provider_id)
    return None if said == (item.category, item.provider_id) else Objection("thread_mismatch")


def _begin(patient: Patient, command: SendMessage, actor: str, now: datetime) -> Decision[Patient]:
    """Open a thread, with an item in the pool that the rules say."""
    provider_id = command.provider_id
    if provider_id is None and command.kind == "medical":
        provider_id = next((one.provider_id for one in recipients(patient, now)), None)
    words = urgent_words(command.subject, command.body)
    rules = in_force(patient.rule_sets, now)
    routed = _routed(patient, command, provider_id, rules, urgent=bool(words))
    thread_id = derived("thread", patient.patient_id, command.message_id)
    item = Item(
        item_id=derived("item", thread_id),
        kind="message",
        pool=routed.pool,
        state="open",
        priority=FIRST,
        version=1,
        subject=command.subject,
        created_at=now,
        updated_at=now,
        since=now,
        patient_id=patient.patient_id,
        thread_id=thread_id,
        message_kind=command.kind,
        category=command.category,
        provider_id=provider_id,
        about=command.about or About(),
        urgent_words=words,
        rule_version=rules.version,
        why=routed.why,
    )
    item, limit = starts_to_wait(item, patient.rule_sets, now)
    return _written(patient, item, _message(command, item, actor, item.why), (), (limit,))


def _join(patient: Patient, item: Item, command: SendMessage, actor: str, now: datetime) -> Decision[Patient]:
    """Add a message to a thread; what waited for the patient, or was done, is open again.

    A pool that takes nothing in keeps what it has until the patient writes: that goes where the rules say now.
    """
    # What was answered, or done with, makes no later message urgent.
    unanswered = item.urgent_words if item.due_at is not None else ()
    words = dict.fromkeys((*unanswered, *urgent_words(command.subject, command.body)))
    about = command.about.model_dump(exclude_none=True) if command.about else {}
    joined = replace(
        item.changed(now),
        urgent_words=tuple(words),
        about=item.about.model_copy(update=about),
    )
    why = _JOINS
    rules = in_force(patient.rule_sets, now)
    pool = pool_of(rules, patient.providers, item.pool)
    if pool is None or not pool.active:
        routed = _routed(patient, command, item.provider_id, rules, urgent=bool(joined.urgent_words))
        why = routed.why
        joined = replace(joined.free(), pool=routed.pool, rule_version=rules.version, why=why)
    message = _message(command, joined, actor, why)
    waiting, limits = waits_on(joined, patient.rule_sets, now)
    reopened = ItemReopened(
        item_id=item.item_id, thread_id=item.thread_id, pool=joined.pool, message_id=command.message_id
    )
    events = (Event(reopened, key=patient.patient_id),) if item.state == "done" else ()
    return _written(patient, waiting, message, events, limits)


def _routed(
    patient: Patient, command: SendMessage, provider_id: str | None, rules: RuleSet, *, urgent: bool
) -> Routed:
    registered = patient.registered
    assert registered is not None  # noqa: S101  # or it could not be sent
    said = Said(
        kind=command.kind,
        category=command.category,
        affiliate=registered.affiliate,
        provider_id=provider_id,
        language=registered.language,
        urgent=urgent,
    )
    return route(rules, said, partial(pool_of, rules, patient.providers))


def _written(
    patient: Patient, item: Item, message: ThreadMessage, events: tuple[Event, ...], tasks: tuple[Task, ...]
) -> Decision[Patient]:
    before = patient.items.get(message.thread_id)
    what: What = "new" if before is None else "reopened" if before.state == "done" else "message"
    told = change(item, what, item.updated_at)
    if before is not None and before.pool != item.pool:
        told = replace(told, left_pool=before.pool, reason=item.why)
    after = replace(
        patient,
        items={**patient.items, message.thread_id: item},
        messages={**patient.messages, message.message_id: message},
        written=(*patient.written, message),
        changes=(*patient.changes, told),
    )
    return Decision(after, (_told(message), *events), tasks)


def _message(command: SendMessage, item: Item, actor: str, why: str) -> ThreadMessage:
    assert item.thread_id is not None  # noqa: S101  # messages have one
    return ThreadMessage(
        message_id=command.message_id,
        patient_id=command.patient_id,
        thread_id=item.thread_id,
        item_id=item.item_id,
        author="patient",
        author_id=actor.partition(":")[2],
        body=command.body,
        at=item.updated_at,
        fingerprint=_fingerprint(command),
        pool=item.pool,
        rule_version=item.rule_version,
        why=why,
        attachment_ids=command.attachment_ids or (),
        subject=command.subject,
        about=command.about,
    )


def _told(message: ThreadMessage) -> Event:
    """Return what the sender is told, the first time and whenever the message is repeated."""
    told: dict[str, Any] = {
        "message_id": message.message_id,
        "thread_id": message.thread_id,
        "item_id": message.item_id,
        "rule_version": message.rule_version,
        "why": message.why,
    }
    data = MessageUnroutable(**told) if message.pool == UNROUTABLE else MessageRouted(**told, pool=message.pool)
    return Event(data, "done", message.patient_id)


def _fingerprint(command: SendMessage) -> bytes:
    """Return what stands for the content; no files, and about nothing, are the same as neither named."""
    content = {name: value for name, value in command.model_dump(mode="json", exclude_none=True).items() if value}
    return digest(json.dumps(content, sort_keys=True))
