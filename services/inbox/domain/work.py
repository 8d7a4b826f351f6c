"""Work that services raise: an item in the pool that they name, once for each work id, until they settle it."""

from datetime import datetime
from typing import TypeAlias

from services.inbox.domain.item import (
    FIRST,
    NORMAL,
    Desk,
    Item,
    item_of_work,
    key_of_work,
    starts_to_wait,
    stopped,
)
from services.inbox.domain.refusal import refuse
from services.inbox.domain.routing import UNROUTABLE
from services.inbox.domain.visible import visible
from shared.digests import digest
from shared.events.actors import service_in
from shared.events.envelope import Outcome
from shared.events.inbox import ItemDone, ItemReopened, RaiseWork, WorkQueued
from shared.events.insurance import WorkSettled as InsuranceWorkSettled
from shared.events.payments import WorkSettled as PaymentsWorkSettled
from shared.events.work import WorkRaised
from shared.frozen import replace
from shared.messaging.decision import Decision, Event

Settled: TypeAlias = PaymentsWorkSettled | InsuranceWorkSettled

_NOT_RAISED = "Work that was settled before it was raised"
_WHY = "The service that raised it chose the pool"
_AGAIN = "Its service raised it again"
_INACTIVE = "The pool that its service chose is not active"


def raise_work(desk: Desk, command: RaiseWork, actor: str, now: datetime) -> Decision[Desk]:
    """Queue work that a service asks for by a command."""
    key = command.patient_id or key_of_work(command.pool)
    service = service_in(actor)
    if service is None:
        return refuse(desk, command, "not_allowed", key=key)
    if not visible(command.summary):
        return refuse(desk, command, "invalid_data", "invalid: data.summary", key)
    if desk.item is None and desk.pool(command.pool, now) is None:
        return refuse(desk, command, "unknown_pool", key=key)
    return _queue(desk, command, service, command.patient_id, "done", now)


def hear_work(desk: Desk, told: WorkRaised, now: datetime) -> Decision[Desk]:
    """Queue work that a service says it has, or open it again: it was settled and raised once more."""
    if desk.item is not None and desk.item.content:
        return _again(desk, desk.item, now) if desk.item.state == "done" else Decision(desk)
    return _queue(desk, told, told.service, told.about.patient_id, None, now)


def hear_settled(desk: Desk, told: Settled, now: datetime) -> Decision[Desk]:
    """Finish what its service says is settled, also before it was raised."""
    known = desk.item
    if known is not None and known.state == "done":
        return Decision(desk)
    # Without content, which comes when it is raised.
    item = known or Item(
        item_id=item_of_work(told.work_id),
        kind="work",
        pool=told.POOL,
        state="open",
        priority=NORMAL,
        version=0,
        subject=_NOT_RAISED,
        created_at=now,
        updated_at=now,
        since=now,
        work_id=told.work_id,
        service=told.service,
        why=_WHY,
    )
    done = replace(stopped(item.free().changed(now)), state="done")
    reason = f"Settled in {told.service}: {told.note}" if told.note else f"Settled in {told.service}"
    ended = ItemDone(item_id=done.item_id, pool=done.pool)
    return Decision(desk.with_item(done, "done", now, reason=reason), (Event(ended, key=done.key),))


def _queue(
    desk: Desk,
    work: RaiseWork | WorkRaised,
    service: str,
    patient_id: str | None,
    outcome: Outcome | None,
    now: datetime,
) -> Decision[Desk]:
    content = digest(work.pool, work.summary, work.about.model_dump_json(exclude_none=True), patient_id)
    known = desk.item
    if known is not None and known.content:
        if known.content != content and isinstance(work, RaiseWork):
            return refuse(desk, work, "idempotency_conflict", key=patient_id or key_of_work(work.pool))
        return Decision(desk, (_queued(work.work_id, known, outcome),))
    pool = desk.pool(work.pool, now)
    active = pool is not None and pool.active
    item = Item(
        item_id=item_of_work(work.work_id),
        kind="work",
        pool=work.pool if active else UNROUTABLE,
        state="open",
        priority=FIRST,
        version=1,
        subject=work.summary,
        created_at=now,
        updated_at=now,
        since=now,
        patient_id=patient_id,
        work_id=work.work_id,
        service=service,
        raised_for=work.pool,
        about=work.about,
        content=content,
        why=_WHY if active else _INACTIVE,
    )
    if known is not None:
        settled = replace(item, state="done", priority=NORMAL, version=known.version + 1)
        return Decision(desk.with_item(settled, "new", now), (_queued(work.work_id, settled, outcome),))
    item, limit = starts_to_wait(item, desk.rule_sets, now)
    return Decision(desk.with_item(item, "new", now), (_queued(work.work_id, item, outcome),), (limit,))


def _again(desk: Desk, known: Item, now: datetime) -> Decision[Desk]:
    item, limit = starts_to_wait(known.changed(now), desk.rule_sets, now)
    told = Event(ItemReopened(item_id=item.item_id, pool=item.pool), key=item.key)
    return Decision(desk.with_item(item, "reopened", now, reason=_AGAIN), (told,), (limit,))


def _queued(work_id: str, item: Item, outcome: Outcome | None) -> Event:
    return Event(WorkQueued(work_id=work_id, item_id=item.item_id, pool=item.pool), outcome, item.key)
