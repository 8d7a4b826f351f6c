"""A service under test: up to three processes, their database, and what they have to read."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
import asyncpg

from local.processes import Process, answers
from shared.database import AWAY, Connection
from shared.events.topics import Service, Topic

Place = tuple[str, int]
"""A topic and a partition of it."""

POLL_S: Final = 0.1

_READY_WITHIN_S: Final = 300.0
"""On a machine where much else runs."""

_SESSIONS: Final = """
    select state, wait_event, round(extract(epoch from now() - state_change)) as for_s, left(query, 80) as query
    from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and xact_start < now() - interval '1 s'
"""


class Group:
    """The processes of a service by their ports, and how they are looked at from outside."""

    def __init__(self, service: Service, database_url: str, members: dict[int, Process]) -> None:
        self.service = service
        self.name = service.name
        self.ended: list[str] = []
        """Which processes ended by themselves, and how."""
        self._database_url = database_url
        self._members = members

    @property
    def first(self) -> Process:
        """The one whose address the outside world knows."""
        return next(iter(self._members.values()))

    @property
    def reads(self) -> list[Topic]:
        """The topics that the service reads."""
        return [heard.topic for heard in self.service.reads]

    def running(self) -> list[Process]:
        """Return those that run."""
        return [member for member in self._members.values() if member.pid is not None]

    def resting(self) -> list[Process]:
        """Return those that do not."""
        return [member for member in self._members.values() if member.pid is None]

    def ports(self) -> list[int]:
        """Return the ports of those that run."""
        return [port for port, member in self._members.items() if member.pid is not None]

    async def revive(self) -> None:
        """Start again what ended by itself, and remember that it did."""
        fallen = [(member, how) for member in self.running() if (how := member.ended()) is not None]
        self.ended += [f"{member.name} ended by itself ({how})" for member, how in fallen]
        await start([member for member, _ in fallen])

    async def not_ready(self) -> list[str]:
        """Return which of those that run do not say that they are ready."""
        ports = self.ports()
        ready = await asyncio.gather(*(asyncio.to_thread(answers, port, "/health/ready") for port in ports))
        return [self._members[port].name for port, yes in zip(ports, ready, strict=True) if not yes]

    async def state(self) -> list[str]:
        """Return what the processes that run say of themselves, and what the database says of their sessions."""
        said = await asyncio.gather(*map(_says, self.ports()))
        sessions = await self.rows(_SESSIONS)
        return [f"{self.name} {line}" for line in (*said, *map(dict, sessions))]

    async def rows(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Ask the database; wait while it is away."""
        while True:
            connection = await self.connection()
            try:
                return list(await connection.fetch(statement, *arguments))
            except AWAY:
                await asyncio.sleep(POLL_S)
            finally:
                connection.terminate()

    async def connection(self) -> Connection:
        """Return a connection to the database, which is the caller's to close."""
        while True:
            try:
                return await asyncpg.connect(self._database_url, timeout=10)
            except AWAY:
                await asyncio.sleep(POLL_S)

    async def offsets(self) -> dict[Place, int]:
        """Return by partition how far the service is, by its own word."""
        rows = await self.rows("select topic, partition, next_offset from consumer_offset")
        return {(topic, partition): following for topic, partition, following in rows}


async def _says(port: int) -> str:
    """Return what a process says of its readiness, or why it says nothing."""
    url, patience = f"http://127.0.0.1:{port}/health/ready", aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=patience) as http, http.get(url) as answer:
            return f"{port}: {await answer.text()}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"{port}: {type(error).__name__}"


async def start(members: Sequence[Process]) -> None:
    """Start some processes, and wait until they are ready."""
    for member in members:
        member.start()
    await asyncio.gather(*(asyncio.to_thread(member.wait_ready, _READY_WITHIN_S) for member in members))
