"""How far each partition is done, kept in the service's own database and moved only in a batch's transaction.

The move is a compare-and-set: a process that lost a partition, knowingly or not, moves nothing, and so nothing
of its batch happens. Kafka's committed offsets follow for the tools that watch lag; nobody reads from there.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from shared.database import Connection, Pool

Partition = tuple[str, int]

_KEEP_DAYS: Final = 45
_FORGET_MAX: Final = 20_000

_TAKE = """
    with moved as (
        update consumer_offset o set next_offset = u.next_offset
        from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) u(topic, partition, expected, next_offset)
        where o.topic = u.topic and o.partition = u.partition and o.next_offset = u.expected
        returning 1
    ), fresh as (
        insert into handled_message (id) select unnest($5::bytea[]) on conflict do nothing returning id
    )
    select (select count(*) from moved) as moved,
        (select case when count(*) < cardinality($5::bytea[]) then array_agg(id) end from fresh) as fresh,
        (select count(*) from fresh) as fresh_count,
        exists (select from parked_record) as some_wait
"""
_READ = """
    select topic, partition, next_offset from consumer_offset
    where (topic, partition) in (select * from unnest($1::text[], $2::int[]))
"""
_RESTART = """
    update consumer_offset o set next_offset = u.next_offset
    from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) u(topic, partition, expected, next_offset)
    where o.topic = u.topic and o.partition = u.partition and o.next_offset = u.expected
"""
_BEGIN = """
    insert into consumer_offset (topic, partition, next_offset)
    select * from unnest($1::text[], $2::int[], $3::bigint[]) on conflict do nothing
"""
# Some at a time, and what another process is forgetting is left to it.
_FORGET_OLD: Final = f"""
    delete from handled_message where id = any(array(
        select id from handled_message where handled_at < now() - {_KEEP_DAYS} * interval '1 day'
        order by handled_at limit {_FORGET_MAX} for update skip locked))
"""


class LostClaimError(Exception):
    """Another process has moved on with a partition or task of this batch: nothing of it may happen here."""


async def take(
    connection: Connection, moves: Mapping[Partition, tuple[int, int]], ids: Sequence[bytes]
) -> tuple[set[bytes], bool]:
    """Move the partitions on (expected, next) and note the messages, in one statement.

    Returns:
        The ids that were not noted before, and whether there are parked records at all.

    Raises:
        LostClaimError: a partition is not where it was expected.
    """
    row = await connection.fetchrow(
        _TAKE,
        [topic for topic, _ in moves],
        [partition for _, partition in moves],
        [expected for expected, _ in moves.values()],
        [following for _, following in moves.values()],
        ids,
    )
    assert row is not None  # noqa: S101  # a select of aggregates has one row
    if row["moved"] != len(moves):
        raise LostClaimError
    fresh = set(ids) if row["fresh_count"] == len(ids) else set(row["fresh"] or ())
    return fresh, row["some_wait"]


async def note(connection: Connection, ids: Sequence[bytes]) -> set[bytes]:
    """Note messages that did not come with a partition's move; return those that were not noted before."""
    rows = await connection.fetch(
        "insert into handled_message (id) select unnest($1::bytea[]) on conflict do nothing returning id", ids
    )
    return {row["id"] for row in rows}


async def forget(connection: Connection, ids: Sequence[bytes]) -> None:
    """Take back the note of messages that were not decided after all: they are parked or dead."""
    await connection.execute("delete from handled_message where id = any($1::bytea[])", ids)


async def forget_old(pool: Pool) -> None:
    """Delete notes of messages that are so old that nobody repeats them; some of them, if there are many."""
    await pool.execute(_FORGET_OLD)


async def read(pool: Pool, partitions: Iterable[Partition]) -> dict[Partition, int]:
    """Return the next offsets of the partitions that have one."""
    wanted = list(partitions)
    rows = await pool.fetch(_READ, [topic for topic, _ in wanted], [partition for _, partition in wanted])
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def begin(pool: Pool, offsets: Mapping[Partition, int]) -> None:
    """Note where partitions begin that were never read; one that somebody noted meanwhile stays as it is."""
    await pool.execute(
        _BEGIN,
        [topic for topic, _ in offsets],
        [partition for _, partition in offsets],
        list(offsets.values()),
    )


async def restart(pool: Pool, moves: Mapping[Partition, tuple[int, int]]) -> None:
    """Move partitions (expected, next) to where their records begin now; one that moved meanwhile stays."""
    await pool.execute(
        _RESTART,
        [topic for topic, _ in moves],
        [partition for _, partition in moves],
        [expected for expected, _ in moves.values()],
        [following for _, following in moves.values()],
    )
