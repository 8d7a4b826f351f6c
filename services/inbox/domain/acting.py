"""What staff do to items (claim, release, reply, finish, reassign, postpone, escalate), and what time does.

To postpone is what others call snooze, or put off: the item comes back at a time.

A claim is a lease. Without one an item may still be answered or finished, in one step and by its version; what a
colleague holds may not, and who held it too long is told so before anything of theirs is sent. Nobody claims for
another: who is given an item is named on it, and may be away, so anybody who works the pool can claim it.
"""

from datetime import datetime
from typing import Any, Final, assert_never

from services.inbox.domain.attachment import objection_to_files
from services.inbox.domain.commands import (
    ClaimItem,
    EscalateItem,
    FinishItem,
    LeaseEnded,
    PostponeItem,
    PostponementEnded,
    ReassignItem,
    ReleaseItem,
    ReplyToItem,
    StaffCommand,
)
from services.inbox.domain.item import (
    FIRST,
    LEASE,
    Desk,
    Item,
    ThreadMessage,
    TimeLimit,
    derived,
    stopped,
)
from services.inbox.domain.refusal import refuse
from shared.digests import digest
from shared.events.inbox import (
    ItemClaimed,
    ItemDone,
    ItemEscalated,
    ItemPostponed,
    ItemReassigned,
    ItemReleased,
    ItemReopened,
    ItemReplied,
    RefusalReason,
)
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

_WAITED_TOO_LONG: Final = "It has waited longer than its limit"
_RAN_OUT: Final = "The claim ran out"


def act(desk: Desk, command: StaffCommand, cause: str, actor: str, now: datetime) -> Decision[Desk]:
    """Do what a person of the staff asks for, or say why not; `cause` is the command's own id."""
    item = desk.item
    if item is None:
        return refuse(desk, command, "not_found")
    reason = _fault(item, command, actor, now)
    if reason is not None:
        return refuse(desk, command, reason, key=item.key)
    changed = item.changed(now)
    match command:
        case ClaimItem():
            decided = _claim(desk, changed, actor, now)
        case ReleaseItem():
            released = Event(ItemReleased(**_ids(item), reason="released"), "done", item.key)
            decided = Decision(desk.with_item(changed.free(), "released", now, actor), (released,))
        case ReplyToItem():
            decided = _reply(desk, changed, command, cause, actor, now)
        case FinishItem():
            finished = replace(stopped(changed.free()), state="done")
            ended = Event(ItemDone(**_ids(item)), "done", item.key)
            decided = Decision(desk.with_item(finished, "done", now, actor, command.note), (ended,))
        case ReassignItem():
            decided = _reassign(desk, changed, command, actor, now)
        case PostponeItem():
            decided = _postpone(desk, changed, command, actor, now)
        case EscalateItem():
            escalated = replace(changed, escalated=True, priority=FIRST)
            raised = Event(ItemEscalated(**_ids(item), reason=command.reason), "done", item.key)
            decided = Decision(desk.with_item(escalated, "escalated", now, actor, command.reason), (raised,))
        case _:
            assert_never(command)
    return decided


def _fault(item: Item, command: StaffCommand, actor: str, now: datetime) -> RefusalReason | None:
    """Say why this person cannot act on an item as they saw it."""
    holder = item.holder(now)
    taken = holder not in (None, actor)
    overrides = isinstance(command, ReleaseItem | ReassignItem) and command.supervisor
    # Of two who claim at once, the other learns who was faster, not only that something has changed.
    if taken and isinstance(command, ClaimItem):
        return "taken"
    if command.version != item.version:
        return "stale_version"
    if taken and not overrides:
        return "taken"
    lost = holder is None and item.named() is None and item.assignee == actor
    return _fault_of(item, command, lost=lost, now=now)


def _fault_of(  # noqa: PLR0911  # a case for each reason
    item: Item, command: StaffCommand, *, lost: bool, now: datetime
) -> RefusalReason | None:
    """Say why this cannot be done to an item that is free for this person, who may have `lost` their claim."""
    match command:
        case ReleaseItem() if item.holder(now) is None and item.named() is None:
            return "not_claimed"
        case ReplyToItem() | FinishItem() if lost:
            return "lease_expired"
        case ReplyToItem():
            return "no_thread" if item.thread_id is None else None
        case _ if item.state == "done":
            return "item_done"
        case PostponeItem() if command.until <= now:
            return "until_past"
        case ReassignItem() if command.pool is None and command.assignee is None:
            return "nothing_to_change"
        case _:
            return None


def _claim(desk: Desk, item: Item, actor: str, now: datetime) -> Decision[Desk]:
    claimed, timer = _held(item, actor, now + LEASE)
    told = ItemClaimed(**_ids(item), assignee=actor, lease_ends_at=claimed.lease_ends_at)
    return Decision(desk.with_item(claimed, "claimed", now, actor), (Event(told, "done", item.key),), (timer,))


def _reply(desk: Desk, item: Item, command: ReplyToItem, cause: str, actor: str, now: datetime) -> Decision[Desk]:
    assert item.thread_id is not None  # noqa: S101  # work cannot be replied to
    assert item.patient_id is not None  # noqa: S101  # nor is there a thread without a patient
    objection = objection_to_files(command.attachment_ids, desk.attachments, item.patient_id, by_staff=True)
    if objection is not None:
        return refuse(desk, command, *objection, key=item.key)
    reply = ThreadMessage(
        message_id=derived("reply", cause),
        patient_id=item.patient_id,
        thread_id=item.thread_id,
        item_id=item.item_id,
        author="staff",
        author_id=actor,
        body=command.body,
        at=item.updated_at,
        fingerprint=digest(command.body),
        pool=item.pool,
        attachment_ids=command.attachment_ids,
    )
    answered = replace(
        stopped(item),
        state="waiting",
        since=now,
        replied_version=item.version,
        replied_at=item.replied_at or now,
    )
    tasks: tuple[Task, ...] = ()
    if item.holder(now) is not None:
        answered, timer = _held(answered, actor, now + LEASE)
        tasks = (timer,)
    told = ItemReplied(thread_id=item.thread_id, item_id=item.item_id, reply_id=reply.message_id)
    reopened = (Event(ItemReopened(**_ids(item)), key=item.key),) if item.state == "done" else ()
    after = replace(desk.with_item(answered, "replied", now, actor), written=(*desk.written, reply))
    return Decision(after, (*reopened, Event(told, "done", item.key)), tasks)


def _reassign(desk: Desk, item: Item, command: ReassignItem, actor: str, now: datetime) -> Decision[Desk]:
    if command.pool is not None:
        pool = desk.pool(command.pool, now)
        if pool is None or not pool.active:
            return refuse(desk, command, "pool_inactive" if pool else "unknown_pool", key=item.key)
    moved = replace(item.free(), assignee=command.assignee)
    if command.pool not in (None, item.pool):
        # No rule chose this pool.
        why = f"Moved from {item.pool}: {command.reason}"
        moved = replace(moved, pool=command.pool, rule_version=0, why=why)
    told = ItemReassigned(**_ids(moved), assignee=command.assignee, reason=command.reason)
    after = desk.with_item(moved, "reassigned", now, actor, command.reason)
    return Decision(after, (Event(told, "done", item.key),))


def _postpone(desk: Desk, item: Item, command: PostponeItem, actor: str, now: datetime) -> Decision[Desk]:
    # Whoever puts it off, the patient still waits: a limit that runs goes on.
    later = replace(item.free(), state="postponed", postponed_until=command.until)
    told = ItemPostponed(**_ids(item), until=command.until)
    timer = Task(PostponementEnded(item_id=item.item_id, until=command.until), command.until)
    after = desk.with_item(later, "postponed", now, actor)
    return Decision(after, (Event(told, "done", item.key),), (timer,))


# What time does


def elapse(desk: Desk, timer: LeaseEnded | PostponementEnded | TimeLimit, now: datetime) -> Decision[Desk]:
    """Do what a timer was set for, if it still is to be done."""
    item = desk.item
    if item is None:
        return Decision(desk)
    match timer:
        case LeaseEnded(lease_ends_at=ends_at) if item.lease_ends_at == ends_at:
            # Who held it stays noted, so that they are told when they go on as if they still did.
            released = ItemReleased(**_ids(item), reason="lease_expired")
            after = desk.with_item(item, "released", now, reason=_RAN_OUT)
            return Decision(after, (Event(released, key=item.key),))
        case PostponementEnded(until=until) if item.state == "postponed" and item.postponed_until == until:
            # What waits for the patient comes back to be looked at, without a limit against staff.
            since = now if item.due_at is None else item.since
            back = replace(item, state="open", postponed_until=None, since=since)
            reopened = ItemReopened(**_ids(item))
            return Decision(desk.with_item(back, "reopened", now), (Event(reopened, key=item.key),))
        case TimeLimit(limit=limit_no) if (
            item.due_at is not None and item.limit_number == limit_no and not item.escalated
        ):
            late = replace(item, escalated=True, priority=FIRST)
            told = ItemEscalated(**_ids(item), reason=_WAITED_TOO_LONG)
            after = desk.with_item(late, "escalated", now, reason=_WAITED_TOO_LONG)
            return Decision(after, (Event(told, key=item.key),))
        case LeaseEnded() | PostponementEnded() | TimeLimit():
            return Decision(desk)
        case _:
            assert_never(timer)


def _held(item: Item, by: str, until: datetime) -> tuple[Item, Task]:
    timer = Task(LeaseEnded(item_id=item.item_id, lease_ends_at=until), until)
    return replace(item, assignee=by, lease_ends_at=until), timer


def _ids(item: Item) -> dict[str, Any]:
    return {"item_id": item.item_id, "thread_id": item.thread_id, "pool": item.pool}
