"""What the supervisors' figures are made of: what waits in each pool, how soon it is answered, and who holds it.

What waits is read from counts and ends of indexes. What flows is read from the week's ranges of indexes: it costs
what the week brought, however long the history is. Who holds what follows from the newest claims,
because no claim lasts long; so a claim need not change an index of items.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.inbox.domain.item import LEASE
from services.inbox.reads import ShownPool, show_pools
from shared.database import Pool

WEEK: Final = timedelta(days=7)
LATE_MAX: Final = 10_000
"""So many late items of a pool are counted; more are as bad."""

_LATE: Final = f"""
    select p.pool, late.items from unnest($1::text[]) p(pool), lateral (
        select count(*) as items from (
            select from item where pool = p.pool and due_at <= $2::timestamptz and state = 'open'
            order by due_at limit {LATE_MAX}
        ) found
    ) late
"""
_FLOW: Final = """
    select pool, count(*) filter (where what = 'new') as arrived, count(*) filter (where what = 'done') as done
    from item_history where pool = any($1::text[]) and what in ('new', 'done') and at > $2::timestamptz
    group by pool
"""
_FIRST_REPLIES: Final = """
    select pool, count(*) as items, percentile_cont(array[0.5, 0.9]) within group (
        order by extract(epoch from replied_at - created_at)::float8
    ) as waited_s
    from item where pool = any($1::text[]) and replied_at > $2::timestamptz group by pool
"""
# Each by its key: joined as a whole, all items would be read.
_HELD: Final = """
    select item.pool, item.assignee, count(*) as items, count(*) filter (where item.state = 'open') as waiting
    from (
        select distinct item_id from item_history
        where pool = any($1::text[]) and what in ('claimed', 'replied') and at >= $3::timestamptz
    ) claimed, lateral (
        select pool, assignee, state from item
        where item_id = claimed.item_id and lease_ends_at > $2::timestamptz offset 0
    ) item
    where item.pool = any($1::text[])
    group by item.pool, item.assignee order by items desc, item.assignee
"""


@dataclass(frozen=True, slots=True)
class Held:
    """How many items of a pool somebody holds, and how many of these wait for staff."""

    holder: str
    items: int
    waiting: int


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """A pool in numbers.

    Attributes:
        shown: what is in it.
        late: items that wait for staff and are past their limit; at most `LATE_MAX` are counted.
        held: who holds how much, most first.
        arrived: items that are new since a week.
        done: times that an item was done since a week.
        first_replies: items that staff answered for the first time since a week.
        first_reply_s: how long half of them waited at most, and nine in ten; seconds by the clock.
    """

    shown: ShownPool
    late: int
    held: Sequence[Held]
    arrived: int
    done: int
    first_replies: int
    first_reply_s: tuple[float, float] | None


async def figures(pool: Pool, roles: frozenset[str], now: datetime) -> list[PoolFigures]:
    """Return the figures of the pools that somebody with these roles sees."""
    shown = await show_pools(pool, roles, now)
    names = [one.entry.pool for one in shown]
    late: Mapping[str, int] = {row["pool"]: row["items"] for row in await pool.fetch(_LATE, names, now)}
    flow = {row["pool"]: row for row in await pool.fetch(_FLOW, names, now - WEEK)}
    replies = {row["pool"]: row for row in await pool.fetch(_FIRST_REPLIES, names, now - WEEK)}
    held: dict[str, list[Held]] = defaultdict(list)
    for row in await pool.fetch(_HELD, names, now, now - LEASE):
        held[row["pool"]].append(Held(*row[1:]))
    return [
        PoolFigures(
            shown=one,
            late=late[name],
            held=held.get(name, []),
            arrived=flow[name]["arrived"] if name in flow else 0,
            done=flow[name]["done"] if name in flow else 0,
            first_replies=replies[name]["items"] if name in replies else 0,
            first_reply_s=tuple(replies[name]["waited_s"]) if name in replies else None,
        )
        for name, one in zip(names, shown, strict=True)
    ]
