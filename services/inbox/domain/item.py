"""An item of the in baskets: one for each thread of a patient, and one for each piece of work that is raised.

Its version grows with what people do to it: a claim, a message, a reply. What time alone brings, the end of a
lease or of a limit, leaves the version, so that nobody's reply is refused because a clock struck.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final, Literal

from services.inbox.domain.attachment import Attachment
from services.inbox.domain.hours import due, passed
from services.inbox.domain.routing import UNROUTABLE, PoolEntry, Provider, RuleSet, in_force, pool_of
from shared.events.envelope import Id, Internal
from shared.events.vocabulary import About
from shared.frozen import replace
from shared.messaging.decision import Task

ItemState = Literal["open", "waiting", "postponed", "done"]
"""`open` is for staff to work on, `waiting` for the patient's answer, `postponed` for a time."""

What = Literal[
    "new",
    "message",
    "claimed",
    "released",
    "reassigned",
    "replied",
    "done",
    "reopened",
    "escalated",
    "postponed",
    "file-cleared",
    "file-refused",
]

FIRST: Final = 0
NORMAL: Final = 1
"""Priorities: what is urgent or escalated is listed first."""

LEASE: Final = timedelta(minutes=15)


class TimeLimit(Internal):
    """Timer: an item has waited as long as it may; `limit` tells this waiting from later ones."""

    TYPE: ClassVar[str] = "inbox.time-limit.v1"
    item_id: Id
    limit: int


@dataclass(frozen=True)
class Item:
    """A message's thread, or a piece of work, on its way through the pools.

    Attributes:
        item_id: derived from the thread's first message, or from the work's id.
        patient_id: absent for work that is about no patient.
        about: what it is about.
        content: stands for what a service raised, so that another content of the same id is known.
        urgent_words: found in the patient's messages, each once.
        rule_version: of the rules that chose the pool; 0 where a service or a person of the staff chose.
        why: it is in the pool.
        assignee: who claimed it last, and holds it until `lease_ends_at`; without a lease, who is to take it.
        since: the time that the item has been waiting from.
        due_at: when it escalates; absent while nobody waits for staff, also where they are to look at it again.
            Putting the item off leaves it.
        limit_number: counts the times that a time limit was started.
        limit_minutes: how much business time it may wait this time.
        service: which raised the work, and `raised_for` the pool that it named, unless it was long ago.
        replied_version: the version that the newest reply made.
        replied_at: when staff replied first.
    """

    item_id: str
    kind: Literal["message", "work"]
    pool: str
    state: ItemState
    priority: int
    version: int
    subject: str
    created_at: datetime
    updated_at: datetime
    since: datetime
    patient_id: str | None = None
    thread_id: str | None = None
    work_id: str | None = None
    message_kind: str | None = None
    category: str | None = None
    provider_id: str | None = None
    about: About = field(default_factory=About)
    content: bytes = b""
    urgent_words: tuple[str, ...] = ()
    escalated: bool = False
    rule_version: int = 0
    why: str = ""
    assignee: str | None = None
    lease_ends_at: datetime | None = None
    due_at: datetime | None = None
    limit_number: int = 0
    limit_minutes: int = 0
    service: str | None = None
    raised_for: str | None = None
    postponed_until: datetime | None = None
    replied_version: int = 0
    replied_at: datetime | None = None

    @property
    def key(self) -> str:
        """The key of the events about the item, wherever it is moved, so that they come in order."""
        return self.patient_id or key_of_work(self.raised_for or self.pool)

    def changed(self, now: datetime) -> "Item":
        """Return the next version, as changed now, and later than the one before.

        The messages of a thread are in the order of their times, and those of one batch have one `now`.
        """
        return replace(self, version=self.version + 1, updated_at=max(now, self.updated_at + timedelta.resolution))

    def holder(self, now: datetime) -> str | None:
        """Return who holds the item, if anybody does."""
        held = self.lease_ends_at is not None and now < self.lease_ends_at
        return self.assignee if held else None

    def named(self) -> str | None:
        """Return who is to take the item by a colleague's word, which keeps nobody else from it."""
        return self.assignee if self.lease_ends_at is None else None

    def free(self) -> "Item":
        """Return the item without anybody who holds it, or did."""
        return replace(self, assignee=None, lease_ends_at=None)


@dataclass(frozen=True)
class ThreadMessage:
    """A message of a thread. `pool`, `rule_version` and `why` are what its sender was told.

    `subject` and `about` are what the patient gave with this message; a reply has neither.
    """

    message_id: str
    patient_id: str
    thread_id: str
    item_id: str
    author: Literal["patient", "staff"]
    author_id: str
    body: str
    at: datetime
    fingerprint: bytes
    pool: str
    rule_version: int = 0
    why: str = ""
    attachment_ids: tuple[str, ...] = ()
    subject: str | None = None
    about: About | None = None


@dataclass(frozen=True)
class ItemChange:
    """What happened: for the item's history, and for those who look on, in the pool that it left as well.

    Attributes:
        by: the person of the staff who did it; absent for what the patient, a service or time did.
        reason: in words, where there is one; of a file, its name.
    """

    item_id: str
    pool: str
    thread_id: str | None
    patient_id: str | None
    what: What
    version: int
    at: datetime
    by: str | None = None
    reason: str | None = None
    left_pool: str | None = None


@dataclass(frozen=True)
class Desk:
    """An item, and what deciding about it needs beside it.

    Attributes:
        item: absent while it is only being raised.
        providers: those whose pools the messages name, and that are known.
        rule_sets: the newest, of which one is in force.
        attachments: those that the messages name.
        written: messages that this batch adds.
        changes: what happened to the item in this batch.
    """

    item: Item | None = None
    providers: Mapping[str, Provider] = field(default_factory=dict)
    rule_sets: tuple[RuleSet, ...] = ()
    attachments: Mapping[str, Attachment] = field(default_factory=dict)
    written: tuple[ThreadMessage, ...] = ()
    changes: tuple[ItemChange, ...] = ()

    def pool(self, pool: str, now: datetime) -> PoolEntry | None:
        """Return a pool that a message names, as the rules in force have it."""
        return pool_of(in_force(self.rule_sets, now), self.providers, pool)

    def with_item(
        self, item: Item, what: What, at: datetime, by: str | None = None, reason: str | None = None
    ) -> "Desk":
        """Return the desk with the item as it is now, and what happened to it."""
        told = replace(change(item, what, at), by=by, reason=reason)
        if self.item is not None and self.item.pool != item.pool:
            told = replace(told, left_pool=self.item.pool)
        return replace(self, item=item, changes=(*self.changes, told))


def change(item: Item, what: What, at: datetime) -> ItemChange:
    """Return what happened to an item, without anybody of the staff."""
    return ItemChange(item.item_id, item.pool, item.thread_id, item.patient_id, what, item.version, at)


def key_of_work(pool: str) -> str:
    """Return the key of what is said about work without a patient, by the pool that it was raised for."""
    return f"pool:{pool}"


def item_of_work(work_id: str) -> str:
    """Return the id of the item for a piece of work: the same whoever raises it, and however often."""
    return derived("work", work_id)


def derived(*parts: str) -> str:
    """Return an id that follows from others."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def starts_to_wait(item: Item, rule_sets: tuple[RuleSet, ...], now: datetime) -> tuple[Item, Task]:
    """Return the item waiting for staff from now on, and the timer of its limit."""
    rules = in_force(rule_sets, now)
    if item.pool == UNROUTABLE:
        minutes = rules.limits.unroutable_min
    else:
        minutes = rules.limits.urgent_min if item.urgent_words else rules.limits.normal_min
    item = replace(
        item,
        state="open",
        priority=_priority(item),
        since=now,
        due_at=due(now, minutes, rules.hours),
        limit_number=item.limit_number + 1,
        limit_minutes=minutes,
        postponed_until=None,
    )
    return item, Task(TimeLimit(item_id=item.item_id, limit=item.limit_number), item.due_at)


def waits_on(item: Item, rule_sets: tuple[RuleSet, ...], now: datetime) -> tuple[Item, tuple[Task, ...]]:
    """Return the item open: in the limit that runs, or in one from now on if none does or that ends earlier."""
    anew, timer = starts_to_wait(item, rule_sets, now)
    if item.due_at is None or anew.due_at is None:
        return anew, (timer,)
    if anew.due_at < item.due_at:
        # It has been waiting for longer, and its limit counts from there.
        allowed = passed(item.since, anew.due_at, in_force(rule_sets, now).hours)
        return replace(anew, since=item.since, limit_minutes=int(allowed / timedelta(minutes=1))), (timer,)
    return replace(item, state="open", postponed_until=None, priority=_priority(item)), ()


def stopped(item: Item) -> Item:
    """Return an item that waits for staff no longer: no limit runs."""
    calm = replace(item, due_at=None, escalated=False, postponed_until=None)
    return replace(calm, priority=_priority(calm))


def _priority(item: Item) -> int:
    return FIRST if item.urgent_words or item.escalated else NORMAL
