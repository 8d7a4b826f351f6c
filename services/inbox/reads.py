"""What the inbox shows: pools with their counts, pages of items, threads, and who has read them.

Every statement reads a range of an index, so that a pool with a million items is as quick as one with a hundred.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import Field

from services.inbox.domain.attachment import Attachment
from services.inbox.domain.item import NORMAL, Item, ThreadMessage, What
from services.inbox.domain.routing import (
    PROVIDER,
    PoolEntry,
    Provider,
    RuleSet,
    in_force,
    pool_of,
    pools,
)
from services.inbox.rows import ATTACHMENT, ITEM, MESSAGE, PROVIDER_COLUMNS, to_item, to_message
from services.inbox.store import read_rule_sets
from shared.database import Connection, Pool
from shared.events.envelope import Time

SUPERVISOR: Final = "supervisor"
FOUND_MAX: Final = 5_000
HISTORY_MAX: Final = 200
MESSAGES_MAX: Final = 1_000
"""So many messages of a thread are shown at once, unless a caller wants fewer."""

_ITEM: Final = ", ".join(f"i.{name}" for name in ITEM)
_SENDER: Final = "p.first_name, p.last_name"
_FILES: Final = "(select count(*) from message_attachment m where m.item_id = i.item_id)"
_READ_PROVIDERS: Final = f"select {', '.join(PROVIDER_COLUMNS)} from provider"
_READ_PROVIDER: Final = f"{_READ_PROVIDERS} where provider_id = $1"
_PROVIDER_NAMES: Final = "select provider_id, name from provider where provider_id = any($1::text[])"
_COUNTS: Final = """
    select pool, state, sum(items)::bigint as items from pool_count
    where pool = any($1::text[]) group by pool, state
"""
_OLDEST: Final = """
    select p.pool, least(
        (select since from item where pool = p.pool and state = 'open' and priority = 0 order by since limit 1),
        (select since from item where pool = p.pool and state = 'open' and priority = 1 order by since limit 1)
    ) as since
    from unnest($1::text[]) p(pool)
"""
# Cut to a page before the join: the index has the order, which a join planned for a small pool would lose.
PAGE: Final = f"""
    with i as materialized (
        select {", ".join(ITEM)} from item
        where pool = $1 and state = $2 and (priority, since, item_id) > ($3::smallint, $4::timestamptz, $5)
        order by priority, since, item_id limit $6
    )
    select {_ITEM}, {_FILES}, {_SENDER} from i left join patient p using (patient_id)
    order by i.priority, i.since, i.item_id
"""
# Of a word that is everywhere in the caller's pools some are enough: more words narrow it down. It is planned anew
# for what is searched for: few own items are looked through, and of a rare word all messages.
_SEARCHES: Final = "set local plan_cache_mode = force_custom_plan"
_SEARCH: Final = f"""
    with found as materialized (
        (
            select item.item_id from message join item using (thread_id)
            where message.words @@ websearch_to_tsquery('simple', $1) and item.pool = any($2::text[])
            limit {FOUND_MAX}
        )
        union
        (
            select item_id from item
            where words @@ websearch_to_tsquery('simple', $1) and pool = any($2::text[]) limit {FOUND_MAX}
        )
    ),
    i as materialized (
        select {", ".join(f"item.{name}" for name in ITEM)} from found join item using (item_id)
        where (updated_at, item_id) < ($3::timestamptz, $4)
        order by updated_at desc, item_id desc limit $5
    )
    select {_ITEM}, {_FILES}, {_SENDER} from i left join patient p using (patient_id)
    order by i.updated_at desc, i.item_id desc
"""
# To PostgreSQL each dash in a line of them is a "not" that waits for its word, and it fails at more than 32.
_NOT_BEFORE_NOTHING: Final = re.compile(r'-(?![\w"])')
_ONE: Final = f"""
    select {_ITEM}, {_SENDER}, p.birth_date, p.language, {_FILES}
    from item i left join patient p using (patient_id) where i.item_id = $1
"""
_MESSAGES: Final = f"""
    select {", ".join(MESSAGE)} from message where thread_id = $1 and (at, message_id) < ($2, $3)
    order by at desc, message_id desc limit $4
"""
_LAST_AUTHOR: Final = """
    (select author from message where thread_id = i.thread_id order by at desc, message_id desc limit 1)
"""
_HISTORY: Final = f"""
    select what, by, reason, at from item_history where item_id = $1 order by seq desc limit {HISTORY_MAX}
"""
_ATTACHMENTS: Final = f"select {', '.join(ATTACHMENT)} from attachment where attachment_id = any($1::text[])"
_NAMES: Final = "select person_id, first_name, last_name from patient where person_id = any($1::text[])"
_THREAD: Final = f"""
    select {_ITEM}, {_SENDER}, v.name, {_LAST_AUTHOR}
    from item i left join provider v using (provider_id) left join patient p using (patient_id)
    where i.thread_id = $1
"""
_POOLS_OF_FILE: Final = """
    select i.pool from message_attachment m join item i using (item_id) where m.attachment_id = $1
"""
_LOG_READ: Final = "insert into read_log (at, reader, what, what_id, patient_id) values ($1, $2, $3, $4, $5)"


@dataclass(frozen=True, slots=True)
class ShownPool:
    """A pool, how many items of each state it has, and since when the longest has waited for staff."""

    entry: PoolEntry
    counts: Mapping[str, int]
    oldest_at: datetime | None

    def age_s(self, now: datetime) -> int | None:
        """Return how many seconds the longest has waited."""
        return max(int((now - self.oldest_at).total_seconds()), 0) if self.oldest_at else None


@dataclass(frozen=True, slots=True)
class SeenItem:
    """An item that the caller may see, and the rules in force."""

    item: Item
    rules: RuleSet


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item in a list, with the patient's name if it is about one, and how many files it has."""

    item: Item
    name: str | None
    attachments: int = 0


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of an item's history."""

    what: What
    by: str | None
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """Which messages of a thread: the newest of those before a time and an id, and at most how many."""

    before: tuple[datetime, str] = (datetime(2200, 1, 1, tzinfo=UTC), "")
    limit: int = MESSAGES_MAX

    @property
    def is_earlier(self) -> bool:
        """Whether the newest messages are not among them."""
        return self.before != NEWEST.before


@dataclass(frozen=True, slots=True)
class ShownThread:
    """A thread with a part of its messages and their files.

    Attributes:
        item: the thread's.
        messages: oldest first.
        earlier: whether there are messages before these.
        attachments: their files, by id.
        people: the names of those who wrote for the patient, or as the patient, by person; as far as known.
        reader: who is shown it: a person, or `staff:ID`.
        name: the patient's.
        birth_date: the same.
        language: the same.
        provider_name: of the provider whom the thread is for.
        files: how many the whole thread has.
        last_author: who wrote the newest message of the whole thread.
        history: of the item.
    """

    item: Item
    messages: list[ThreadMessage]
    earlier: bool
    attachments: Mapping[str, Attachment]
    people: Mapping[str, str]
    reader: str
    name: str | None
    birth_date: str | None = None
    language: str | None = None
    provider_name: str | None = None
    files: int = 0
    last_author: str | None = None
    history: Sequence[Happening] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of items ends, and the next one begins: it comes back from a caller, so it is checked."""

    priority: Annotated[int, Field(ge=-1, le=NORMAL)] = -1
    since: Time = datetime(1900, 1, 1, tzinfo=UTC)
    item_id: Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


NEWEST: Final = Part()


# Pools


def may_work(entry: PoolEntry, roles: frozenset[str]) -> bool:
    """Return whether somebody with these roles sees a pool."""
    return SUPERVISOR in roles or not roles.isdisjoint(entry.roles)


async def rules_in_force(connection: "Connection | Pool", now: datetime) -> RuleSet:
    """Return the rule set that is followed."""
    return in_force(await read_rule_sets(connection), now)


async def all_pools(pool: Pool, rules: RuleSet) -> dict[str, PoolEntry]:
    """Return every pool as a rule set has it."""
    providers = [Provider(*row) for row in await pool.fetch(_READ_PROVIDERS)]
    return pools(rules, sorted(providers, key=lambda one: one.provider_id))


async def provider_names(pool: Pool, provider_ids: Sequence[str]) -> dict[str, str | None]:
    """Return the names of providers, as far as scheduling has told them."""
    rows = await pool.fetch(_PROVIDER_NAMES, list(provider_ids))
    return {row["provider_id"]: row["name"] for row in rows}


async def show_pools(pool: Pool, roles: frozenset[str], now: datetime) -> list[ShownPool]:
    """Return the pools that somebody with these roles sees."""
    every = await all_pools(pool, await rules_in_force(pool, now))
    seen = [entry for entry in every.values() if may_work(entry, roles)]
    names = [entry.pool for entry in seen]
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for row in await pool.fetch(_COUNTS, names):
        counts[row["pool"]][row["state"]] = row["items"]
    oldest = {row["pool"]: row["since"] for row in await pool.fetch(_OLDEST, names)}
    return [ShownPool(entry, counts.get(entry.pool, {}), oldest.get(entry.pool)) for entry in seen]


async def find_pool(connection: "Connection | Pool", pool_id: str, rules: RuleSet) -> PoolEntry | None:
    """Return one pool as a rule set has it, if there is such a pool."""
    rows = []
    if pool_id.startswith(PROVIDER):
        rows = await connection.fetch(_READ_PROVIDER, pool_id.removeprefix(PROVIDER))
    return pool_of(rules, {one.provider_id: one for one in (Provider(*row) for row in rows)}, pool_id)


# Items


async def page(pool: Pool, pool_id: str, state: str, after: Place, limit: int) -> list[ShownItem]:
    """Return the items of a pool that come after a place, at most `limit`."""
    rows = await pool.fetch(PAGE, pool_id, state, after.priority, after.since, after.item_id, limit)
    return [_shown(row) for row in rows]


async def search(
    pool: Pool, words: str, pool_ids: Sequence[str], before: tuple[datetime, str], limit: int
) -> list[ShownItem]:
    """Return the items of these pools whose subject or messages hold words, the last changed first.

    Args:
        pool: the database.
        words: as in a search engine: `or`, `-without`, `"in this order"`.
        pool_ids: where to look.
        before: when the last one of the page before was changed, and its id.
        limit: at most so many.
    """
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(_SEARCHES)
        rows = await connection.fetch(_SEARCH, _NOT_BEFORE_NOTHING.sub(" ", words), list(pool_ids), *before, limit)
    return [_shown(row) for row in rows]


async def find_item(pool: Pool, item_id: str, roles: frozenset[str], now: datetime) -> SeenItem | None:
    """Return an item without its thread, if somebody with these roles sees it."""
    async with pool.acquire() as connection:
        row = await connection.fetchrow(_ONE, item_id)
        if row is None:
            return None
        item = to_item(row)
        rules = await rules_in_force(connection, now)
        entry = None if SUPERVISOR in roles else await find_pool(connection, item.pool, rules)
    seen = SUPERVISOR in roles or (entry is not None and may_work(entry, roles))
    return SeenItem(item, rules) if seen else None


async def show_item(pool: Pool, item_id: str, reader: str, now: datetime, part: Part = NEWEST) -> ShownThread:
    """Return an item with a part of its thread, as of one moment, and note for ever who was shown it."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
        row = await connection.fetchrow(_ONE, item_id)
        assert row is not None  # noqa: S101  # it was found before, and items stay
        item = to_item(row)
        thread = await _thread(connection, item.thread_id, part)
        history = [Happening(*row) for row in reversed(await connection.fetch(_HISTORY, item_id))]
        await connection.execute(_LOG_READ, now, reader, "item", item_id, item.patient_id)
    first, last, birth_date, language, files = row[len(ITEM) :]
    name = full_name(first, last)
    return ShownThread(item, *thread, reader, name, birth_date, language, files=files, history=history)


# Threads and files


async def show_thread(pool: Pool, thread_id: str, reader: str, part: Part) -> ShownThread | None:
    """Return a part of a thread as of one moment."""
    async with _moment(pool) as connection:
        row = await connection.fetchrow(_THREAD, thread_id)
        if row is None:
            return None
        thread = await _thread(connection, thread_id, part)
    first, last, provider, author = row[len(ITEM) :]
    name = full_name(first, last)
    return ShownThread(to_item(row), *thread, reader, name, provider_name=provider, last_author=author)


async def find_attachment(pool: Pool, attachment_id: str) -> Attachment | None:
    """Return a file, if there is such a file."""
    row = await pool.fetchrow(_ATTACHMENTS, [attachment_id])
    return Attachment(*row) if row else None


async def pools_of_attachment(pool: Pool, attachment_id: str) -> list[str]:
    """Return the pools whose items show a file."""
    return [row["pool"] for row in await pool.fetch(_POOLS_OF_FILE, attachment_id)]


async def log_read(pool: Pool, at: datetime, reader: str, what: str, what_id: str, patient_id: str | None) -> None:
    """Note for ever that somebody has read something clinical, before they are shown it."""
    await pool.execute(_LOG_READ, at, reader, what, what_id, patient_id)


async def _thread(
    connection: Connection, thread_id: str | None, part: Part
) -> tuple[list[ThreadMessage], bool, dict[str, Attachment], dict[str, str]]:
    """Return messages of a thread, whether there are earlier ones, their files, and the names of their authors."""
    if thread_id is None:
        return [], False, {}, {}
    rows = await connection.fetch(_MESSAGES, thread_id, *part.before, part.limit + 1)
    messages = [to_message(row) for row in reversed(rows[: part.limit])]
    earlier = len(rows) > part.limit
    ids = [attachment_id for message in messages for attachment_id in message.attachment_ids]
    rows = await connection.fetch(_ATTACHMENTS, ids) if ids else []
    wrote = list({message.author_id for message in messages if message.author == "patient"})
    people = {row[0]: full_name(row[1], row[2]) for row in await connection.fetch(_NAMES, wrote)}
    attachments = {row[0]: Attachment(*row) for row in rows}
    return messages, earlier, attachments, {person: name for person, name in people.items() if name}


@asynccontextmanager
async def _moment(pool: Pool) -> AsyncIterator[Connection]:
    """Offer a connection that sees the database as of one moment."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


def _shown(row: Sequence[Any]) -> ShownItem:
    files, first, last = row[len(ITEM) :]
    return ShownItem(to_item(row), full_name(first, last), files)


def full_name(first: str | None, last: str | None) -> str | None:
    """Return a name in one, as far as it is known."""
    return " ".join(part for part in (first, last) if part) or None
