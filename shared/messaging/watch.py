"""What a process looks at every few seconds: how much waits, and what nobody needs any more."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from shared.database import AWAY, Pool, end_abandoned
from shared.messaging import metrics, offsets

_WATCH_S: Final = 5

# Counted up to a bound: how much more there is would cost more to know than it is worth. Not so the age of the
# oldest due task: the index has tasks by kind.
_BACKLOG: Final = """
    select (select coalesce(sum(count), 0)::bigint from (select count from outbox limit 100000) o)
            as outbox_records,
        (select extract(epoch from now() - created_at) from outbox order by seq limit 1) as outbox_age,
        (select count(*) from (select from task where due_at <= $1 limit 100000) t) as due,
        (select count(*) from (select from task where due_at > $1 limit 100000) t) as later,
        (select extract(epoch from $1 - min(due_at)) from task
            where due_at <= $1 and (leased_until is null or leased_until < now())) as task_age,
        (select count(*) from (select from parked_record limit 100000) p) as parked
"""
_DEAD: Final = "select reason, count(*) from dead_letter where state <> 'discarded' group by reason"

log = structlog.get_logger(__name__)


async def watch(pool: Pool, now: Callable[[], datetime]) -> None:
    """Measure the backlog, forget what cannot come again, free what stopped processes hold; for ever."""
    while True:
        try:
            row = await pool.fetchrow(_BACKLOG, now())
            dead = await pool.fetch(_DEAD)
            await offsets.forget_old(pool)
            abandoned = await end_abandoned(pool)
        except AWAY as error:
            metrics.DATABASE_AWAY.inc()
            log.warning("database away", error_type=type(error).__name__)
        else:
            if abandoned:
                log.warning("sessions ended that waited for their process", count=abandoned)
            assert row is not None  # noqa: S101  # a select of aggregates has one row
            metrics.OUTBOX_RECORDS.set(row["outbox_records"])
            metrics.OUTBOX_AGE.set(row["outbox_age"] or 0)
            metrics.TASKS_DUE.set(row["due"])
            metrics.TASKS_WAITING.set(row["later"])
            metrics.TASK_AGE.set(row["task_age"] or 0)
            metrics.PARKED.set(row["parked"])
            metrics.DEAD.clear()
            for reason, number in dead:
                metrics.DEAD.labels(reason).set(number)
        await asyncio.sleep(_WATCH_S)
