"""Tasks: what has to be done outside, or later. A row each, in the same transaction as what caused it.

A worker leases rows that are due (`skip locked`), performs them outside any transaction with a key that stays
the same, and hands the results back to `decide` in batches; a task is deleted in the transaction of its result.
So a worker that dies leaves a task whose lease runs out, and a worker that comes back too late finds its lease
gone and its result is dropped. Due times follow the business's clock, leases the database's.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Protocol

import structlog
from prometheus_client import Counter as Counted
from pydantic_core import from_json, to_json

from shared import telemetry
from shared.database import AWAY, Connection, Pool, arrays, insert_statement
from shared.events.envelope import Data
from shared.messaging import metrics
from shared.messaging.handlers import Handlers, TaskFailedError
from shared.messaging.records import identity_of
from shared.messaging.tables import TaskRow

_LEASE_S: Final = 30
_END_S: Final = 5
_IDLE_S: Final = 0.5
_CLAIM_MAX: Final = 1000
_RESULTS_MAX: Final = 2000
_UNDER_WAY_MAX: Final = 6000

log = structlog.get_logger(__name__)

NewTask = tuple[bytes, str, str, str, datetime, str]
"""id, kind, key, data, due_at, cause"""

_INSERT = insert_statement(TaskRow, ("id", "kind", "key", "data", "due_at", "cause"), "do nothing")
# Of each kind as many as there is room for: one kind's backlog hides no other kind.
_CLAIM = """
    update task set leased_until = now() + $2::float8 * interval '1 second', attempts = attempts + 1
    where id in (
        select due.id from unnest($3::text[], $4::int[]) wanted(kind, room), lateral (
            select id from task
            where kind = wanted.kind and due_at <= $1 and (leased_until is null or leased_until < now())
            order by due_at limit wanted.room for update skip locked) due)
    returning id, kind, key, data, attempts, cause, due_at
"""
_RENEW = """
    update task t set leased_until = now() + $3::float8 * interval '1 second'
    from unnest($1::bytea[], $2::int[]) u(id, attempts) where t.id = u.id and t.attempts = u.attempts
"""
_AGAIN = "update task set due_at = $3, leased_until = null where id = $1 and attempts = $2"
# What was cut short is tried once more, not once less.
_GIVE_BACK = """
    update task t set leased_until = null, attempts = t.attempts - 1
    from unnest($1::bytea[], $2::int[]) u(id, attempts)
    where t.id = u.id and t.attempts = u.attempts and t.leased_until is not null
"""
_FINISH = """
    delete from task t using unnest($1::bytea[], $2::int[]) u(id, attempts)
    where t.id = u.id and t.attempts = u.attempts returning t.id
"""


@dataclass(frozen=True, slots=True)
class Cause:
    """Whence a task comes, so that its result continues the same chain."""

    id: str
    correlation: str
    traceparent: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Lease:
    """A task that this worker holds, itself and no other; `attempts` counts this one."""

    id: bytes
    kind: str
    key: str
    data: str
    attempts: int
    cause: Cause


class Results(Protocol):
    """Where results go: each becomes a message for `decide`, in one transaction for many."""

    async def results(self, finished: Sequence[tuple[Lease, Data]]) -> None:
        """Decide about the results and delete their tasks."""

    @property
    def own(self) -> Mapping[str, Callable[[Lease], Awaitable[None]]]:
        """How the kit's own tasks are done, by kind."""


async def put(connection: Connection, tasks: Sequence[NewTask]) -> None:
    """Write tasks within the caller's transaction; one that is there already stays as it is."""
    if tasks:
        await connection.execute(_INSERT, *arrays(tasks))


async def finish(connection: Connection, leases: Sequence[Lease]) -> set[bytes]:
    """Delete tasks that are still ours within the caller's transaction; return the ids of those that were."""
    rows = await connection.fetch(_FINISH, *_held(leases))
    return {row["id"] for row in rows}


def _held(leases: Iterable[Lease]) -> tuple[list[bytes], list[int]]:
    """Return what tells that tasks are still ours: their ids and attempts."""
    held = list(leases)
    return [lease.id for lease in held], [lease.attempts for lease in held]


async def again(connection: Connection, lease: Lease, due_at: datetime) -> None:
    """Give a task back, to be tried at `due_at`."""
    await connection.execute(_AGAIN, lease.id, lease.attempts, due_at)


def wait_before(attempt: int, waits: Sequence[timedelta]) -> timedelta | None:
    """Return how long to wait after a failed attempt, with up to a fifth of jitter; nothing after the last."""
    if attempt > len(waits):
        return None
    return waits[attempt - 1] * (1 + random.random() / 5)  # noqa: S311  # spreads load, keeps no secret


class Worker:
    """Performs the tasks of a service in one process: thousands at once, and none holds up another."""

    def __init__(
        self,
        handlers: Handlers[Any],
        pool: Pool,
        now: Callable[[], datetime],
        results: Results,
        progress: Callable[[], None],
        heard: Callable[[], bool],
    ) -> None:
        self._pool = pool
        self._performers = {cls.TYPE: (cls, how) for cls, how in handlers.performers.items()}
        self._timers = {cls.TYPE: cls for cls in handlers.timers}
        self._after_hearing = {cls.TYPE for cls in handlers.after_hearing}
        self._now = now
        self._results = results
        self._progress = progress
        self._heard = heard
        self._woken = asyncio.Event()
        self._stopping = False
        self._under_way: dict[Lease, asyncio.Task[None]] = {}
        self._counts: Counter[str] = Counter()
        self._finished: asyncio.Queue[tuple[Lease, Data]] = asyncio.Queue()

    def wake(self) -> None:
        """Look for due tasks now."""
        self._woken.set()

    def stop(self) -> None:
        """Take no more tasks."""
        self._stopping = True
        self.wake()

    async def run(self) -> None:
        """Work until stopped; then end what is under way, and give back at once what does not end in time."""
        async with asyncio.TaskGroup() as loops:
            others = [loops.create_task(self._forever(step)) for step in (self._hand_back, self._renew)]
            try:
                while not self._stopping:
                    await self._or_wait(self._claim)
                await self._end_in_time()
            finally:
                for task in (*others, *self._under_way.values()):
                    task.cancel()
        if self._under_way:
            # What is still on its way to the database would be taken for the next holder's.
            await asyncio.wait(self._under_way.values(), timeout=_END_S)
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(_END_S):
                await self._pool.execute(_GIVE_BACK, *_held(self._under_way))

    async def _end_in_time(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                while self._under_way:
                    self._woken.clear()
                    await self._woken.wait()

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._or_wait(step)

    async def _or_wait(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do a step, or wait a moment when the database is away."""
        try:
            await step()
        except AWAY as error:
            metrics.DATABASE_AWAY.inc()
            log.warning("database away", error_type=type(error).__name__)
            await asyncio.sleep(_IDLE_S)

    async def _claim(self) -> None:
        """Lease what is due and start it; kinds that this process does not know are left to those that do."""
        self._woken.clear()
        wait = () if self._heard() else self._after_hearing
        kinds = [*(kind for kind in self._timers if kind not in wait), *self._results.own, *self._performers]
        room = max(min(_CLAIM_MAX, (_UNDER_WAY_MAX - len(self._under_way)) // len(kinds)), 0)
        wanted = dict.fromkeys(kinds, room)
        for kind, (_, how) in self._performers.items():
            wanted[kind] = max(min(room, how.at_once_max - self._counts[kind]), 0)
        rows = await self._pool.fetch(_CLAIM, self._now(), _LEASE_S, list(wanted), list(wanted.values()))
        self._progress()
        for row in sorted(rows, key=lambda row: row["due_at"]):
            self._start(
                Lease(row["id"], row["kind"], row["key"], row["data"], row["attempts"], _cause(row["cause"]))
            )
        metrics.TASKS_UNDER_WAY.set(len(self._under_way))
        if not rows:
            try:
                async with asyncio.timeout(_IDLE_S):
                    await self._woken.wait()
            except TimeoutError:
                return

    def _start(self, lease: Lease) -> None:
        self._counts[lease.kind] += 1
        self._under_way[lease] = asyncio.create_task(self._perform(lease))

    def _end(self, lease: Lease) -> None:
        """Make room: an attempt was given back, or its result is decided. Until then its lease is renewed."""
        del self._under_way[lease]
        self._counts[lease.kind] -= 1
        self._woken.set()

    async def _perform(self, lease: Lease) -> None:
        """Perform a task, and hand in its result if there is one."""
        answer = None
        try:
            answer = await self._attempt(lease)
        except Exception as error:
            log.exception("attempt ended without a result", kind=lease.kind, error_type=type(error).__name__)
        if answer is None:
            self._end(lease)
        else:
            self._finished.put_nowait((lease, answer))

    async def _attempt(self, lease: Lease) -> Data | None:
        """Return the result of an attempt, or nothing if the task is to be tried again or was the kit's own."""
        if lease.kind in self._timers:
            return self._timers[lease.kind].model_validate_json(lease.data)
        if lease.kind in self._results.own:
            await self._results.own[lease.kind](lease)
            return None
        cls, how = self._performers[lease.kind]
        data = cls.model_validate_json(lease.data)
        reason = "timeout"
        try:
            with telemetry.child(lease.cause.traceparent, lease.kind, {"attempt": lease.attempts}):
                async with asyncio.timeout(how.timeout.total_seconds()):
                    answer = await how.perform(data, lease.id.hex())
        except TimeoutError:
            pass
        except TaskFailedError as error:
            reason = error.reason
        except Exception as error:
            reason = type(error).__name__
            log.exception("task failed", kind=lease.kind)
        else:
            _attempts(lease.kind, "done").inc()
            return answer
        wait = wait_before(lease.attempts, how.waits)
        if wait is None:
            _attempts(lease.kind, "gave_up").inc()
            return how.gave_up(data, reason)
        _attempts(lease.kind, "again").inc()
        async with self._pool.acquire() as connection:
            await again(connection, lease, self._now() + wait)
        return None

    async def _hand_back(self) -> None:
        """Hand finished tasks to `decide`, as many together as there are."""
        finished = [await self._finished.get()]
        while len(finished) < _RESULTS_MAX and not self._finished.empty():
            finished.append(self._finished.get_nowait())
        try:
            await self._results.results(finished)
        finally:
            for lease, _ in finished:
                self._end(lease)

    async def _renew(self) -> None:
        """Renew the leases of what is still under way, well before they run out."""
        await asyncio.sleep(_LEASE_S / 3)
        if self._under_way:
            await self._pool.execute(_RENEW, *_held(self._under_way), _LEASE_S)


def new_task(identity: bytes, data: Data, key: str, due_at: datetime, cause: Cause) -> NewTask:
    """Return a row for a task."""
    kept = data.__pydantic_serializer__.to_json(data, exclude_none=True).decode()
    return (identity, data.TYPE, key, kept, due_at, _json(cause))


def own_task(kind: str, key: str, due_at: datetime) -> NewTask:
    """Return one of the kit's own tasks, for a parked lane or a dead letter's id."""
    return (identity_of(kind, key, str(due_at)), kind, key, "{}", due_at, _json(Cause(key, key, None)))


def _json(cause: Cause) -> str:
    return to_json(cause).decode()


def _cause(kept: str) -> Cause:
    """Return what `_json` kept, and maybe a newer release, whose other fields are left alone."""
    told = from_json(kept)
    return Cause(told["id"], told["correlation"], told["traceparent"])


@cache
def _attempts(kind: str, result: str) -> Counted:
    """Return the counter of a kind's attempts; looking it up by its labels costs more than counting."""
    return metrics.TASK_RESULTS.labels(kind, result)
