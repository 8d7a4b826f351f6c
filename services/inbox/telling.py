"""Writes what happens to items: for those who look on now, and into the history that only grows.

What those who look on are told is kept as long as somebody might come back and ask what they missed. Each writer
forgets a bounded part of what is older, so that the table stays small whether anybody looks on or not.
"""

from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from services.inbox.domain.item import ItemChange
from shared.database import Connection, arrays

CHANNEL: Final = "item_change"
"""Notified by each transaction that changes items."""

KEPT: Final = 100_000
"""So many changes are kept: many times what anybody who comes back is told one by one."""

_FORGOTTEN_MIN: Final = 100

_happened = attrgetter(
    "item_id", "pool", "left_pool", "thread_id", "patient_id", "what", "version", "at", "by", "reason"
)

# One writer at a time forgets, and the others go on without waiting for it.
_TELL: Final = f"""
    with happened as materialized (
        select * from unnest(
            $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::timestamptz[], $9::text[], $10::text[]
        ) u(item_id, pool, left_pool, thread_id, patient_id, what, version, at, by, reason)
    ),
    noted as (
        insert into item_history (item_id, pool, what, by, reason, at)
        select item_id, pool, what, by, reason, at from happened
    ),
    told as (
        insert into item_change (item_id, pool, thread_id, patient_id, what, version, at)
        select item_id, seen_in.pool, thread_id, patient_id, what, version, at
        from happened, unnest(array_remove(array[left_pool, happened.pool], null)) seen_in(pool)
        returning seq
    ),
    turn as materialized (select pg_try_advisory_xact_lock(hashtext('{CHANNEL}')) as mine),
    forgotten as (
        delete from item_change where ctid = any (array(
            select oldest.ctid
            from (select ctid, seq from item_change order by tx, seq limit $11) oldest
            where (select mine from turn) and oldest.seq <= (select max(seq) from told) - {KEPT}
        ))
    )
    select pg_notify('{CHANNEL}', '')
"""


async def tell(connection: Connection, changes: Sequence[ItemChange]) -> None:
    """Write what happened to items, in its order; those who look on hear of it when it is committed."""
    if changes:
        columns = arrays([_happened(change) for change in changes])
        # More than are added: of one that moves, two pools are told.
        await connection.execute(_TELL, *columns, _FORGOTTEN_MIN + 2 * len(changes))
