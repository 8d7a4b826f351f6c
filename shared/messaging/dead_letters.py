"""Dead letters: records that could not be handled, kept whole with why, told on a topic, and replayed by id.

A replay goes through the service that buried the record, as a task of its own: the shared topics see nothing of
it, and whatever the record comes to is committed with its removal from here. Replaying twice repeats nothing.
"""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import asyncpg

from shared.database import Connection, arrays
from shared.events.topics import Service
from shared.messaging import outbox, tasks
from shared.messaging.records import Arrival, Fault, Record, record_json

_BURY: Final = """
    insert into dead_letter (id, key, record, reason, detail, attempts, first_seen_at, dead_at)
    select *, $7::timestamptz, $7::timestamptz
    from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::int[])
    on conflict (id) do update set reason = excluded.reason, detail = excluded.detail,
        attempts = dead_letter.attempts + 1, state = 'dead', dead_at = excluded.dead_at
    returning *
"""
# Of the record only where it begins, and that only of one page: there may be very many, of a megabyte each.
_PAGE: Final = """
    select id, reason, attempts, state, first_seen_at, substring(record for 400) as beginning
    from (
        select id, reason, attempts, state, first_seen_at, record from dead_letter
        where state <> 'discarded' and ($1::text[] is null or id = any($1)) and ($2::text is null or reason = $2)
            and (first_seen_at, id) > ($3, $4)
        order by first_seen_at, id limit $5
    ) page order by first_seen_at, id
"""
_PARKED: Final = """
    select split_part(lane, '/', 1) as topic, count(*) as records,
        (array_agg(reason order by seq))[1] as reason, (array_agg(attempts order by seq))[1] as attempts
    from parked_record group by lane order by min(seq)
"""
_PAGE_MAX: Final = 1000
_BEFORE_ALL: Final = datetime(1970, 1, 1, tzinfo=UTC), ""
# As `record_json` begins. PostgreSQL cannot read it as JSON: a header's name may hold a NUL.
_PLACE: Final = re.compile(rb'\{"topic": "(.+?)", "partition": (-?\d+), "offset": (-?\d+), ')
_BATCH_BYTES: Final = 1024
"""More than what a record of its own weighs in a batch beside its key and value."""

REPLAY: Final = "messaging.replay-dead-letter"
"""The kind of the kit's task that replays a dead letter; its key is the letter's id."""


def letter_id(service: str, record: Record) -> str:
    """Return the id of a record's dead letter: the same whenever it dies."""
    place = f"{service}/{record.topic}/{record.partition}/{record.offset}/{record.timestamp}"
    return hashlib.blake2b(place.encode(), digest_size=16).hexdigest()


async def bury(
    connection: Connection, service: Service, dead: Sequence[tuple[Arrival, Fault]], now: datetime
) -> list[outbox.Outgoing]:
    """Keep dead records within the caller's transaction; return what to tell on the service's topic."""
    rows = []
    for arrival, fault in dead:
        letter, kept = letter_id(service.name, arrival.record), json.dumps(record_json(arrival.record)).encode()
        rows.append((letter, arrival.key, kept, fault.reason, fault.detail, arrival.attempts + 1))
    return [_outgoing(service, row) for row in await connection.fetch(_BURY, *arrays(rows), now)]


def _outgoing(service: Service, row: asyncpg.Record) -> outbox.Outgoing:
    """Return what to tell of a dead letter; one that its topic would not take goes without what its record held.

    A record is far larger than it was on its topic when it was compressed there, or has very many headers.
    """
    letter, topic = told(service.name, row), service.dead_letters
    # An empty key is a key.
    key = None if letter["key_base64"] is None else base64.b64decode(letter["key_base64"])
    value = json.dumps(letter).encode()
    if len(value) + len(key or b"") > topic.message_bytes_max - _BATCH_BYTES:
        detail = f"{row['detail']}; {len(value)} bytes are too large for this topic, see the table dead_letter"
        without: dict[str, Any] = {"key_base64": None, "value_base64": None, "headers": [], "detail": detail}
        key, value = None, json.dumps(letter | without).encode()
    return outbox.outgoing(topic.name, key, value)


def told(service: str, row: asyncpg.Record) -> dict[str, Any]:
    """Return a dead letter as it is told on the topic."""
    kept = json.loads(row["record"])
    return {
        "id": row["id"],
        "reason": row["reason"],
        "detail": row["detail"],
        "service": service,
        **{name: kept[name] for name in ("topic", "partition", "offset", "key_base64", "value_base64", "headers")},
        "attempts": row["attempts"],
        "first_seen_at": row["first_seen_at"].isoformat(),
        "dead_at": row["dead_at"].isoformat(),
    }


class Letter(NamedTuple):
    """A dead letter without what its record holds; `place` is the topic, partition and offset of the record."""

    id: str
    reason: str
    attempts: int
    state: str
    first_seen_at: datetime
    place: str


async def pages(
    connection: Connection, *, ids: Sequence[str] = (), reason: str | None = None
) -> AsyncIterator[list[Letter]]:
    """Return the dead letters with these ids or this reason, or all of them, that are not discarded: oldest first.

    None comes twice, also if it is replayed and dies again meanwhile.
    """
    after = _BEFORE_ALL
    while rows := await connection.fetch(_PAGE, list(ids) or None, reason, *after, _PAGE_MAX):
        yield [_letter(*row) for row in rows]
        after = rows[-1]["first_seen_at"], rows[-1]["id"]


def _letter(
    identity: str, reason: str, attempts: int, state: str, first_seen_at: datetime, beginning: bytes
) -> Letter:
    found = _PLACE.match(beginning)
    assert found is not None  # noqa: S101  # every record that is kept begins so
    return Letter(identity, reason, attempts, state, first_seen_at, b"/".join(found.groups()).decode())


async def whole(connection: Connection, identity: str) -> asyncpg.Record | None:
    """Return all of a dead letter, also of one that was discarded."""
    found: asyncpg.Record | None = await connection.fetchrow("select * from dead_letter where id = $1", identity)
    return found


async def parked_keys(connection: Connection) -> list[asyncpg.Record]:
    """Return for each parked key on its topic how many records wait, why, and how often the first was tried."""
    return list(await connection.fetch(_PARKED))


async def ask_replay(connection: Connection, ids: Sequence[str], now: datetime) -> None:
    """Ask the service to handle dead letters again."""
    async with connection.transaction():
        taken = await connection.fetch(
            "update dead_letter set state = 'replaying' where id = any($1) and state = 'dead' returning id", ids
        )
        await tasks.put(connection, [tasks.own_task(REPLAY, row["id"], now) for row in taken])


async def discard(connection: Connection, ids: Sequence[str], why: str) -> None:
    """Give dead letters up; they stay in the table, with why."""
    await connection.execute(
        "update dead_letter set state = 'discarded', detail = detail || '; discarded: ' || $2"
        " where id = any($1) and state = 'dead'",
        ids,
        why,
    )
