"""Dead letters: records that could not be handled, kept whole with why, told on a topic, and replayed by id.

A replay goes through the service that buried the record, as a task of its own: the shared topics see nothing of
it, and whatever the record comes to is committed with its removal from here. Replaying twice repeats nothing.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

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
_MATCHING: Final = """
    select *, r ->> 'topic' as topic, r ->> 'partition' as partition, r ->> 'offset' as "offset"
    from (select *, convert_from(record, 'utf8')::json as r from dead_letter) letter
    where state <> 'discarded' and ($1::text[] is null or id = any($1)) and ($2::text is null or reason = $2)
    order by first_seen_at, id
"""
_PARKED: Final = """
    select split_part(lane, '/', 1) as topic, count(*) as records,
        (array_agg(reason order by seq))[1] as reason, (array_agg(attempts order by seq))[1] as attempts
    from parked_record group by lane order by min(seq)
"""
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
        record = arrival.record
        assert record is not None  # noqa: S101  # only records die
        kept = json.dumps(record_json(record)).encode()
        attempts = arrival.attempts + 1
        rows.append((letter_id(service.name, record), arrival.key, kept, fault.reason, fault.detail, attempts))
    return [_outgoing(service, row) for row in await connection.fetch(_BURY, *arrays(rows), now)]


def _outgoing(service: Service, row: asyncpg.Record) -> outbox.Outgoing:
    """Return what to tell of a dead letter; one that its topic would not take goes without what its record held.

    A record is far larger than it was on its topic when it was compressed there, or has very many headers.
    """
    letter, topic = told(service.name, row), service.dead_letters
    key = letter["key_base64"] and base64.b64decode(letter["key_base64"])
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


async def matching(
    connection: Connection, *, ids: Sequence[str] = (), reason: str | None = None
) -> list[asyncpg.Record]:
    """Return the dead letters with these ids or this reason, or all of them, that are not discarded."""
    return list(await connection.fetch(_MATCHING, list(ids) or None, reason))


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
