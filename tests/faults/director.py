"""Does faults to the system, one after another, at moments that chance chooses, and waits until it goes on."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Final, TypeVar

import psutil

from local.infrastructure import Server
from local.processes import Process
from tests.faults.group import POLL_S, Group, start
from tests.faults.load import Load
from tests.faults.system import System

Say = Callable[[str], None]
T = TypeVar("T")

_RUSH: Final = 400
_SESSION_S: Final = 12.0
"""Longer than the broker waits for a sign of life of a consumer."""

_GOES_ON_WITHIN_S: Final = 120.0
_HELD_WITHIN_S: Final = 3.0
_CUTS: Final = 5
_LOOK_S: Final = 0.01
_STALL_S: Final = 5.0

_ANY_TIME: Final = "select"
# Locks that hold services half way: with everything written but nothing committed; with new rows on their way;
# with events sent, and their rows still in the outbox; or wherever it is.
_MOMENTS: Final = {
    "before a commit": "lock table outbox in share row exclusive mode",
    "before new rows": "lock table {new_rows} in share row exclusive mode",
    "after sending": "select from outbox for update",
    "any time": _ANY_TIME,
}
_NEW_ROWS: Final = {
    "payments": "posting",
    "insurance": "coverage_history",
    "inbox": "item",
    "notifications": "alert",
}
"""By service, the table that it adds most rows to."""

_HELD: Final = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
_CUT: Final = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
"""


class Director:
    """Knows every kind of fault by its name: `faults`."""

    def __init__(self, system: System, load: Load, seed: int, say: Say) -> None:
        self._system = system
        self._load = load
        self._random = random.Random(seed)  # noqa: S311  # repeatable on purpose
        self._say = say
        self.faults: Mapping[str, Callable[[], Awaitable[str]]] = {
            "kill one": self._kill_one,
            "kill all": self._kill_all,
            "pause one": self._pause_one,
            "scale orderly": self._scale_orderly,
            "scale by force": self._scale_by_force,
            "kill broker": self._kill_broker,
            "restart broker": self._restart_broker,
            "kill database": self._kill_database,
            "restart database": self._restart_database,
            "cut connections": self._cut_connections,
            "stall neighbours": self._stall_neighbours,
            "slow payers": self._slow_payers,
        }
        self._turns = self._shuffled(list(system.groups.values()))

    def deck(self) -> Iterator[str]:
        """Yield the names of all faults in a random order, again and again."""
        return self._shuffled(list(self.faults))

    def _shuffled(self, things: list[T]) -> Iterator[T]:
        while True:
            self._random.shuffle(things)
            yield from things

    async def do(self, name: str) -> None:
        """Do a fault, and wait until what was published before its end is handled."""
        began = time.monotonic()
        told = await self.faults[name]()
        took_s = time.monotonic() - began
        await self._system.revive()
        after_s = await self._system.catches_up(_GOES_ON_WITHIN_S)
        self._say(f"  {name:<17} {told:<58} {took_s:5.1f} s, caught up after {after_s:4.1f} s")

    # Processes of services

    async def _kill_one(self) -> str:
        """Kill one process of each service."""
        return await self._kill([self._random.choice(group.running()) for group in self._groups()])

    async def _kill_all(self) -> str:
        return await self._kill([member for group in self._groups() for member in group.running()])

    async def _kill(self, victims: list[Process]) -> str:
        running = sum(len(group.running()) for group in self._groups())
        async with self._moment() as when:
            for victim in victims:
                victim.kill()
        await start(victims)
        return f"{len(victims)} of {running}, {when}"

    async def _pause_one(self) -> str:
        """Stop one for longer than its session lasts, so that others have its partitions when it comes back."""
        group = next(self._turns)
        if len(group.running()) == 1:
            await start(group.resting()[:1])
        victim = self._random.choice(group.running())
        began = time.monotonic()
        with ExitStack() as paused:
            async with self._moment() as when:
                paused.enter_context(_paused(victim))
            # The others must not need it.
            without_s = await self._system.catches_up(_GOES_ON_WITHIN_S)
            while time.monotonic() - began < _SESSION_S:
                await asyncio.sleep(POLL_S)
            await self._load.rush(_RUSH)
        return f"1 of {len(group.running())} of {group.name}, {when}; without it after {without_s:.1f} s"

    async def _scale_orderly(self) -> str:
        return await self._scale(Process.stop)

    async def _scale_by_force(self) -> str:
        return await self._scale(Process.kill)

    async def _scale(self, end: Callable[[Process], None]) -> str:
        """Take a service from however many processes it has to all, and back to one."""
        group = next(self._turns)
        before = len(group.running())
        await start(group.resting())
        most = group.running()
        leaving = self._random.sample(most, len(most) - 1)
        async with self._moment() as when:
            ending = [asyncio.create_task(asyncio.to_thread(end, member)) for member in leaving]
        await asyncio.gather(*ending)
        return f"{group.name} from {before} to {len(most)} to 1, {when}"

    # What they depend on

    async def _kill_broker(self) -> str:
        return await self._again(self._system.servers.broker, Server.kill)

    async def _restart_broker(self) -> str:
        return await self._again(self._system.servers.broker, Server.stop)

    async def _kill_database(self) -> str:
        return await self._again(self._system.servers.postgres, Server.kill)

    async def _restart_database(self) -> str:
        return await self._again(self._system.servers.postgres, Server.stop)

    async def _again(self, server: Server, end: Callable[[Server], None]) -> str:
        async with self._moment() as when:
            ending = asyncio.create_task(asyncio.to_thread(end, server))
        await ending
        await asyncio.to_thread(server.restart)
        return when

    async def _cut_connections(self) -> str:
        cut, moments = 0, []
        for _ in range(_CUTS):
            async with self._moment() as when:
                for group in self._groups():
                    cut += len(await group.rows(_CUT))
            moments.append(when)
        return f"{cut} of them: {', '.join(moments)}"

    async def _stall_neighbours(self) -> str:
        """Let processor, payers and providers answer nobody for a while; what they were asked they do later."""
        began = time.monotonic()
        with _paused(self._system.sandbox):
            await self._load.rush(_RUSH)
            while time.monotonic() - began < _STALL_S:
                await asyncio.sleep(POLL_S)
        return "longer than services wait for them"

    async def _slow_payers(self) -> str:
        """Let payers take as long as they like for a while: some answers come too late."""
        await self._system.sandbox_says("/clearinghouse/behaviour", {"latency_max_s": _STALL_S})
        began = time.monotonic()
        await self._load.rush(_RUSH)
        while time.monotonic() - began < _STALL_S:
            await asyncio.sleep(POLL_S)
        await self._system.sandbox_says("/clearinghouse/behaviour", {})
        return f"each up to {_STALL_S:.0f} s for an answer"

    def _groups(self) -> list[Group]:
        return list(self._system.groups.values())

    @asynccontextmanager
    async def _moment(self) -> AsyncIterator[str]:
        """Hold all services where a fault hurts most, while there is much to do; tell where that is."""
        await self._load.rush(self._random.randrange(_RUSH))
        name, holding = self._random.choice(list(_MOMENTS.items()))
        async with AsyncExitStack() as held:
            until = time.monotonic() + _HELD_WITHIN_S
            await asyncio.gather(*(_hold(group, holding, until, held) for group in self._groups()))
            await asyncio.sleep(self._random.random() / 5)
            yield name


async def _hold(group: Group, holding: str, until: float, held: AsyncExitStack) -> None:
    """Hold a service until it is let go; as long as there is nothing to hold, wait for it."""
    connection = await group.connection()
    held.callback(connection.terminate)
    await connection.execute("begin")
    statement = holding.format(new_rows=_NEW_ROWS[group.name])
    while await connection.execute(statement) == "SELECT 0" and time.monotonic() < until:
        await asyncio.sleep(0)
    while holding != _ANY_TIME and time.monotonic() < until and not await connection.fetch(_HELD):
        await asyncio.sleep(_LOOK_S)


@contextmanager
def _paused(process: Process) -> Iterator[None]:
    """Stop a process where it stands, and let it go on at the end."""
    running = psutil.Process(process.pid)
    running.suspend()
    try:
        yield
    finally:
        running.resume()
