"""For whom a person acts, and the list of their threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.inbox.domain.item import Item
from services.inbox.reads import full_name
from services.inbox.rows import ITEM, to_item
from shared.database import Pool

_PATIENTS_OF: Final = """
    select patient_id, first_name, last_name, person_id from patient
    where (person_id = $1 or proxies ? $1) and told_at is not null
    order by person_id is not distinct from $1 desc, patient_id
"""
_MAY_ACT: Final = """
    select exists (select from patient where patient_id = $1 and (person_id = $2 or proxies ? $2))
"""
_EXISTS: Final = "select exists (select from patient where patient_id = $1 and told_at is not null)"
_THREADS: Final = f"""
    with i as materialized (
        select {", ".join(ITEM)} from item
        where patient_id = any($1::text[]) and thread_id is not null
            and (updated_at, item_id) < ($3::timestamptz, $4)
        order by updated_at desc, item_id desc limit $5
    )
    select {", ".join(f"i.{name}" for name in ITEM)}, v.name, last.author = 'staff' and (
        i.state <> 'done' or not exists (
            select from read_log
            where reader = $2 and at >= last.at and what = 'thread' and what_id = i.thread_id
        )
    )
    from i left join provider v using (provider_id), lateral (
        select author, at from message where thread_id = i.thread_id order by at desc, message_id desc limit 1
    ) last
    order by i.updated_at desc, i.item_id desc
"""


@dataclass(frozen=True, slots=True)
class ListedThread:
    """A thread in a list.

    Attributes:
        item: the thread's.
        provider_name: of the provider whom the thread is for.
        answered: whether staff had the last word; where they are done, whether the reader has yet to see it.
    """

    item: Item
    provider_name: str | None
    answered: bool


@dataclass(frozen=True, slots=True)
class ActedFor:
    """A patient for whom a person may act."""

    patient_id: str
    name: str
    own: bool


async def patients_of(pool: Pool, person_id: str) -> list[ActedFor]:
    """Return the patients for whom a person may act, their own record first."""
    rows = await pool.fetch(_PATIENTS_OF, person_id)
    return [ActedFor(row[0], full_name(row[1], row[2]) or "", row[3] == person_id) for row in rows]


async def may_act(pool: Pool, patient_id: str, person_id: str) -> bool:
    """Return whether a person may act for a patient."""
    return bool(await pool.fetchval(_MAY_ACT, patient_id, person_id))


async def patient_exists(pool: Pool, patient_id: str) -> bool:
    """Return whether the registration host has told of a patient."""
    return bool(await pool.fetchval(_EXISTS, patient_id))


async def threads_of(
    pool: Pool, patient_ids: Sequence[str], reader: str, before: tuple[datetime, str], limit: int
) -> list[ListedThread]:
    """Return threads of patients, as a reader finds them, the last changed first.

    Args:
        pool: the database.
        patient_ids: whose threads.
        reader: a person, as the log of reads has them.
        before: when the last one of the page before was changed, and its item's id.
        limit: at most so many.
    """
    rows = await pool.fetch(_THREADS, list(patient_ids), reader, *before, limit)
    return [ListedThread(to_item(row), *row[len(ITEM) :]) for row in rows]
