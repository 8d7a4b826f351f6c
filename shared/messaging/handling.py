"""One batch, one transaction: take, load, decide, save, tell. The heart of the kit.

Everything that reaches a service's rules passes here: records from Kafka, results of tasks, parked records whose
time has come, and dead letters that are replayed. Only this module commits.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, Generic

import asyncpg
import structlog

from shared.database import AWAY, Connection, Pool, insert, is_misuse
from shared.events.envelope import Command, Data, Message, message_of, write
from shared.messaging import metrics, offsets, outbox, tasks
from shared.messaging.dead_letters import REPLAY, bury
from shared.messaging.deciding import Deciding, Effects, count
from shared.messaging.handlers import Handlers, S
from shared.messaging.offsets import LostClaimError, Partition
from shared.messaging.records import (
    Arrival,
    Fault,
    Reading,
    Record,
    Understood,
    Unread,
    identity_of,
    record_from_json,
    record_json,
)
from shared.messaging.tables import ParkedRecord

RELEASE: Final = "messaging.release-lane"
"""The kind of the kit's task that lets a parked lane go on."""

# Locked, so that a lane that is being let go on right now is waited for. Only the first of each: many may wait.
_WAITING: Final = """
    select first.lane from unnest($1::text[]) wanted(lane), lateral (
        select lane from parked_record where lane = wanted.lane order by seq limit 1 for share) first
"""
_PARKED: Final = """
    select seq, record, attempts from parked_record where lane = $1 order by seq limit $2 for update
"""
_TRIED: Final = "update parked_record set attempts = attempts + 1, reason = $2 where seq = $1"
_LET_GO: Final = "delete from parked_record where seq = any($1::bigint[])"
_MORE: Final = "select exists (select from parked_record where lane = $1)"

_PARKED_WAITS: Final = tuple(timedelta(seconds=s) for s in (1, 5, 30, 120))
_UNDECIDED_WAITS: Final = (*_PARKED_WAITS, timedelta(minutes=10), timedelta(hours=1))
"""A result that the rules cannot take is a bug: it waits, ever longer, for the code that can."""

_RELEASE_MAX: Final = 200
_AWAY_WAIT_S: Final = 0.5
_ASKED_AGAIN_MAX: Final = 2
_ASKED_AT_ONCE_MAX: Final = 4
"""Of the pool's connections: however many ask about one busy key, messages and tasks find the others free."""

log = structlog.get_logger(__name__)


class Handling(Generic[S]):
    """Handles batches for one service, in as many pipelines as there are callers."""

    def __init__(self, handlers: Handlers[S], pool: Pool, now: Callable[[], datetime]) -> None:
        self._handlers = handlers
        self._pool = pool
        self._now = now
        self._deciding = Deciding(handlers)
        self._reading = Reading(handlers.service, handlers.screen)
        self._source = f"service:{handlers.service.name}"
        self._asking = asyncio.Semaphore(_ASKED_AT_ONCE_MAX)
        self.own = {RELEASE: self._release, REPLAY: self._replay}
        """How the kit's own tasks are done, by kind."""
        self.wake: Callable[[], None] = lambda: None
        """Called when there are new tasks."""

    # Records from Kafka

    async def records(self, records: Sequence[Record], positions: dict[Partition, int]) -> None:
        """Handle records, and move `positions` (the next offset of each partition) on as they are committed.

        Waits while the database is away.

        Raises:
            LostClaimError: another process has a partition now; nothing since the last commit happened.
        """
        await self._or_halves([self._reading.read(record) for record in records], positions)

    async def _or_halves(self, arrivals: Sequence[Arrival], positions: dict[Partition, int]) -> None:
        """Handle arrivals in one transaction; when the database refuses it, find the one at fault by halving."""
        if len(arrivals) == 1:
            await self._or_failed(lambda failed: self._arrivals(arrivals, positions, failed))
            return
        try:
            await self._patiently(lambda: self._arrivals(arrivals, positions))
        except LostClaimError:
            raise
        except Exception:  # noqa: BLE001  # logged where the record at fault is found
            middle = len(arrivals) // 2
            await self._or_halves(arrivals[:middle], positions)
            await self._or_halves(arrivals[middle:], positions)

    async def _or_failed(self, step: Callable[[str | None], Awaitable[None]]) -> None:
        """Do a step with one record; when the database refuses it, do it again with the name of the error."""
        try:
            await self._patiently(lambda: step(None))
        except LostClaimError:
            raise
        except Exception as error:
            log.exception("record failed")
            failed = type(error).__name__
            await self._patiently(lambda: step(failed))

    async def _patiently(self, step: Callable[[], Any]) -> None:
        """Do a step again until the database is there; what it left half done was rolled back."""
        while True:
            try:
                await step()
            except AWAY as error:
                if is_misuse(error):
                    raise
                metrics.DATABASE_AWAY.inc()
                log.warning("database away", error_type=type(error).__name__)
                await asyncio.sleep(_AWAY_WAIT_S)
            else:
                return

    async def _arrivals(
        self, arrivals: Sequence[Arrival], positions: dict[Partition, int], failed: str | None = None
    ) -> None:
        started = time.perf_counter()
        after: dict[Partition, int] = {}
        for arrival in arrivals:
            record = arrival.record
            after[record.topic, record.partition] = record.offset + 1
        moves = {partition: (positions[partition], following) for partition, following in after.items()}
        effects: Effects[S] = Effects({}, self._now())
        async with self._pool.acquire() as connection, connection.transaction():
            fresh, some_wait = await offsets.take(connection, moves, _identities(arrivals))
            waiting = await self._waiting(connection, arrivals) if some_wait else set()
            await self._decide(connection, effects, arrivals, fresh, waiting, failed)
            await self._commit(connection, effects)
        positions.update(after)
        self._after(effects)
        metrics.BATCH_SIZE.observe(len(arrivals))
        metrics.BATCH_SECONDS.observe(time.perf_counter() - started)

    async def _waiting(self, connection: Connection, arrivals: Sequence[Arrival]) -> set[str]:
        """Return the lanes of this batch that have parked records."""
        rows = await connection.fetch(_WAITING, list({arrival.lane for arrival in arrivals}))
        return {lane for (lane,) in rows}

    async def _decide(
        self,
        connection: Connection,
        effects: Effects[S],
        arrivals: Sequence[Arrival],
        fresh: set[bytes],
        waiting: set[str],
        failed: str | None,
    ) -> None:
        """Load what the new messages are about, and decide; what the database refused before is parked instead."""
        if failed is not None:
            effects.park(arrivals[0], failed)
            return
        messages = [
            arrival.read.message
            for arrival in arrivals
            if isinstance(arrival.read, Understood)
            and arrival.read.identity in fresh
            and not (waiting and arrival.lane in waiting)
        ]
        if messages:
            effects.before = await self._handlers.load(connection, messages)
        self._deciding.decide(effects, arrivals, fresh, waiting)

    # Results of tasks

    async def results(self, finished: Sequence[tuple[tasks.Lease, Data]]) -> None:
        """Decide about the results of tasks and delete them; results of a lost lease are dropped."""
        try:
            await self._patiently(lambda: self._results(finished))
        except Exception as error:
            if len(finished) > 1:
                for one in finished:
                    await self.results([one])
                return
            lease = finished[0][0]
            log.exception("task result failed", kind=lease.kind, error_type=type(error).__name__)
            wait = tasks.wait_before(min(lease.attempts, len(_UNDECIDED_WAITS)), _UNDECIDED_WAITS)
            async with self._pool.acquire() as connection:
                await tasks.again(connection, lease, self._now() + (wait or timedelta()))

    async def _results(self, finished: Sequence[tuple[tasks.Lease, Data]]) -> None:
        now = self._now()
        async with self._pool.acquire() as connection, connection.transaction():
            ours = await tasks.finish(connection, [lease for lease, _ in finished])
            messages = [self._result(lease, data, now) for lease, data in finished if lease.id in ours]
            metrics.LOST_CLAIMS.inc(len(finished) - len(messages))
            effects: Effects[S] = Effects(await self._handlers.load(connection, messages), now)
            for message in messages:
                self._deciding.apply(effects, message, identity_of(message.source, message.id))
            await self._commit(connection, effects)
        self._after(effects)

    def _result(self, lease: tasks.Lease, data: Data, now: datetime) -> Message[Any]:
        return message_of(
            data,
            id=f"{lease.id.hex()}:{data.TYPE}",
            source=self._source,
            time=now,
            subject=lease.key,
            actor=self._source,
            causationid=lease.cause.id,
            correlationid=lease.cause.correlation,
            traceparent=lease.cause.traceparent,
        )

    # Commands over HTTP

    async def ask(self, command: Command, subject: str, actor: str) -> Data:
        """Decide about a command whose sender waits, and return the event that ends it.

        The same as for a command on a topic: one transaction, and the event is told on the service's topic too.
        What the service's screen finds something in is refused before that, and neither kept nor told.

        Raises:
            TryLaterError: the rules cannot decide yet.
            OSError and the like (`shared.database.AWAY`): the database is away; it may have been decided.
        """
        now = self._now()
        message = message_of(
            command,
            id=str(uuid.uuid4()),  # noqa: TID251  # a call begins a chain, nothing caused it
            source=self._source,
            time=now,
            subject=subject,
            actor=actor,
        )
        if (found := self._handlers.screen(write(message))) is not None:
            return self._handlers.refusal(command_type=command.TYPE, reason=found.reason, detail=found.detail)
        async with self._asking:
            for _ in range(_ASKED_AGAIN_MAX):
                with suppress(asyncpg.TransactionRollbackError):  # a deadlock, of which nothing is left
                    return await self._asked(message, now)
            return await self._asked(message, now)

    async def _asked(self, message: Message[Any], now: datetime) -> Data:
        async with self._pool.acquire() as connection, connection.transaction():
            effects: Effects[S] = Effects(await self._handlers.load(connection, [message]), now)
            decided = self._deciding.apply(effects, message, identity_of(message.source, message.id))
            await self._commit(connection, effects)
        self._after(effects)
        return next(event.data for event in decided.events if event.outcome is not None)

    # Parked records and dead letters

    async def _release(self, lease: tasks.Lease) -> None:
        """Let a parked lane go on; when the database refuses its records together, with the first alone."""
        try:
            await self._patiently(lambda: self._let_go(lease, _RELEASE_MAX))
        except Exception:  # noqa: BLE001  # logged where the record at fault is found
            await self._or_failed(lambda failed: self._let_go(lease, 1, failed))

    async def _let_go(self, lease: tasks.Lease, records_max: int, failed: str | None = None) -> None:
        """Handle the records of a parked lane in their order, up to the first that still has to wait."""
        now = self._now()
        async with self._pool.acquire() as connection, connection.transaction():
            if not await tasks.finish(connection, [lease]):
                return
            rows = await connection.fetch(_PARKED, lease.key, records_max)
            arrivals = [self._kept(row) for row in rows]
            effects = await self._noted(connection, arrivals, now, failed)
            await offsets.forget(connection, effects.undone())
            still = [one.arrival for one in effects.parked]
            gone = [row["seq"] for row, arrival in zip(rows, arrivals, strict=True) if arrival not in still]
            wait: timedelta | None = timedelta()
            if still:
                first = effects.parked[0]
                head = rows[arrivals.index(first.arrival)]["seq"]
                wait = tasks.wait_before(first.arrival.attempts + 1, _PARKED_WAITS)
                if wait is None:
                    effects.give_up(first)
                    gone.append(head)
                await connection.execute(_TRIED, head, first.reason)
            await connection.execute(_LET_GO, gone)
            effects.parked = []
            # Asked again: a batch may have parked some while its locks were waited for above.
            if await connection.fetchval(_MORE, lease.key):
                due = now + (wait or timedelta())
                effects.tasks.append(tasks.own_task(RELEASE, lease.key, due))
            await self._commit(connection, effects)
        self._after(effects)

    async def _replay(self, lease: tasks.Lease) -> None:
        await self._or_failed(lambda failed: self._replayed(lease, failed))

    async def _replayed(self, lease: tasks.Lease, failed: str | None) -> None:
        """Handle a dead letter again: it is gone, or dead as before with one more attempt."""
        now = self._now()
        async with self._pool.acquire() as connection, connection.transaction():
            if not await tasks.finish(connection, [lease]):
                return
            rows = await connection.fetch(
                "select record, attempts, reason, detail from dead_letter"
                " where id = $1 and state = 'replaying' for update",
                lease.key,
            )
            arrivals = [self._kept(row) for row in rows]
            for arrival, row in zip(arrivals, rows, strict=True):
                if arrival.record.value is None:
                    # There was none, or it was withheld: either way nothing has changed.
                    arrival.read = Unread(Fault(row["reason"], row["detail"]))
            effects = await self._noted(connection, arrivals, now, failed)
            for one in tuple(effects.parked):
                effects.give_up(one)
            if rows and not effects.dead:
                await connection.execute("delete from dead_letter where id = $1", lease.key)
            await self._commit(connection, effects)
        self._after(effects)

    def _kept(self, row: Any) -> Arrival:
        arrival = self._reading.read(record_from_json(row["record"]))
        arrival.attempts = row["attempts"]
        return arrival

    async def _noted(
        self, connection: Connection, arrivals: Sequence[Arrival], now: datetime, failed: str | None
    ) -> Effects[S]:
        effects: Effects[S] = Effects({}, now)
        fresh = await offsets.note(connection, _identities(arrivals))
        await self._decide(connection, effects, arrivals, fresh, set(), failed)
        return effects

    # What a transaction leaves behind

    async def _commit(self, connection: Connection, effects: Effects[S]) -> None:
        """Write all effects; the caller's transaction commits them."""
        changes = effects.changes()
        if changes:
            await self._handlers.save(connection, changes)
        if undone := effects.undone():
            await offsets.forget(connection, undone)
        if effects.parked:
            await self._park(connection, effects)
        if effects.dead:
            effects.rows += await bury(connection, self._handlers.service, effects.dead, effects.now)
        await tasks.put(connection, effects.tasks)
        # Last, so that rows of one key are numbered while its state is locked.
        await outbox.put(connection, effects.rows)

    async def _park(self, connection: Connection, effects: Effects[S]) -> None:
        rows = []
        for arrival, reason, tried in effects.parked:
            rows.append((arrival.lane, json.dumps(record_json(arrival.record)).encode(), reason, int(tried)))
            if tried:
                due = effects.now + (tasks.wait_before(1, _PARKED_WAITS) or timedelta())
                effects.tasks.append(tasks.own_task(RELEASE, arrival.lane, due))
        await insert(connection, ParkedRecord, ("lane", "record", "reason", "attempts"), rows)

    def _after(self, effects: Effects[S]) -> None:
        count(effects)
        if effects.tasks:
            self.wake()


def _identities(arrivals: Sequence[Arrival]) -> list[bytes]:
    """Return the identities in one order, so that two transactions with the same ones do not deadlock."""
    return sorted(arrival.identity for arrival in arrivals if arrival.identity is not None)
