"""The system under test: Kafka, PostgreSQL, the sandbox and up to three processes of payments."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from local.infrastructure import Endpoints, infrastructure
from local.plan import PLAN, Addresses, Program
from local.ports import free_port
from local.processes import Process, answers
from local.tether import Tether
from shared.database import AWAY, Connection
from shared.events.topics import SERVICES, Topic

Place = tuple[str, int]
"""A topic and a partition of it."""

PAYMENTS: Final = ("services.payments",)
"""What follows `python -m` to start a process of payments."""

POLL_S: Final = 0.1

_MEMBERS: Final = 3
_PROCESSOR_TIMEOUT_S: Final = 1
_ROOT: Final = Path(__file__).parents[2]
_READ: Final = [heard.topic for heard in SERVICES["payments"].reads]


class StuckError(Exception):
    """What had to happen did not happen in time."""


class System:
    """What runs, and how it is looked at from outside; each look waits while a server is away."""

    def __init__(self, servers: Endpoints, at: Addresses, sandbox: Process, members: dict[int, Process]) -> None:
        self.servers = servers
        self.sandbox = sandbox
        self.ended: list[str] = []
        """Which processes of payments ended by themselves, and how."""
        self._members = members
        self._at = at
        self._consumer = AIOKafkaConsumer(bootstrap_servers=servers.kafka, auto_offset_reset="earliest")

    # Processes of payments

    def running(self) -> list[Process]:
        """Return those that run."""
        return [member for member in self._members.values() if member.pid is not None]

    def resting(self) -> list[Process]:
        """Return those that do not."""
        return [member for member in self._members.values() if member.pid is None]

    async def start(self, members: Sequence[Process]) -> None:
        """Start some, and wait until they are ready."""
        for member in members:
            member.start()
        await asyncio.gather(*(asyncio.to_thread(member.wait_ready) for member in members))

    async def revive(self) -> None:
        """Start again what ended by itself, and remember that it did."""
        fallen = [(member, how) for member in self.running() if (how := member.ended()) is not None]
        self.ended += [f"{member.name} ended by itself ({how})" for member, how in fallen]
        await self.start([member for member, _ in fallen])

    async def not_ready(self) -> list[str]:
        """Return which of those that run do not say that they are ready."""
        ports = [port for port, member in self._members.items() if member.pid is not None]
        ready = await asyncio.gather(*(asyncio.to_thread(answers, port, "/health/ready") for port in ports))
        return [self._members[port].name for port, yes in zip(ports, ready, strict=True) if not yes]

    # Looks from outside

    async def rows(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """Ask the database of payments."""
        while True:
            connection = await self.connection()
            try:
                return list(await connection.fetch(statement, *arguments))
            except AWAY:
                await asyncio.sleep(POLL_S)
            finally:
                connection.terminate()

    async def connection(self) -> Connection:
        """Return a connection to the database of payments, which is the caller's to close."""
        while True:
            try:
                return await asyncpg.connect(self.servers.databases["payments"], timeout=10)
            except AWAY:
                await asyncio.sleep(POLL_S)

    async def ends(self) -> dict[Place, int]:
        """Return by partition the end of what payments has to read."""
        return {tuple(one): end for one, end in (await self._consumer.end_offsets(_partitions(*_READ))).items()}

    async def offsets(self) -> dict[Place, int]:
        """Return by partition how far payments is, by its own word."""
        rows = await self.rows("select topic, partition, next_offset from consumer_offset")
        return {(topic, partition): following for topic, partition, following in rows}

    async def catches_up(self, within_s: float) -> float:
        """Wait until payments has handled all that was published before now; return after how many seconds.

        Raises:
            StuckError: it has not in time.
        """
        started, ends = time.monotonic(), await self.ends()
        while behind := _behind(await self.offsets(), ends):
            if time.monotonic() - started > within_s:
                raise StuckError(f"not handled within {within_s:.0f} s: {behind}")
            await self.revive()
            await asyncio.sleep(POLL_S)
        return time.monotonic() - started

    async def records(self, topic: Topic) -> list[ConsumerRecord[bytes, bytes]]:
        """Return all records of a topic, in their order within each partition."""
        partitions = _partitions(topic)
        self._consumer.assign(partitions)
        ends = await self._consumer.end_offsets(partitions)
        await self._consumer.seek_to_beginning()
        found: list[ConsumerRecord[bytes, bytes]] = []
        while any([await self._consumer.position(one) < end for one, end in ends.items()]):
            for records in (await self._consumer.getmany(timeout_ms=500)).values():
                found += records
        return found

    async def sandbox_says(self, path: str, told: dict[str, Any] | None = None) -> Any:
        """Ask the sandbox, or tell it something; return its answer."""
        url = self._at.url("sandbox") + path
        method = "GET" if told is None else "POST"
        async with aiohttp.ClientSession() as http, http.request(method, url, json=told) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def connect(self) -> None:
        """Begin to look."""
        await self._consumer.start()

    async def close(self) -> None:
        """Look no more."""
        await self._consumer.stop()


@asynccontextmanager
async def system(directory: Path, module: tuple[str, ...]) -> AsyncIterator[System]:
    """All of it, made anew in a directory; `module` starts a process of payments, of which one runs."""
    with ExitStack() as stack:
        servers = stack.enter_context(infrastructure(directory))
        tether = stack.enter_context(Tether())
        programs = {program.name: program for stage in PLAN.stages for program in stage}
        at = Addresses(
            servers.kafka,
            servers.databases,
            {name: free_port() for program in programs.values() for name in program.listeners},
            directory,
        )
        logs = directory / "logs"
        for program in PLAN.once:
            if program.name in ("create-topics", "payments-migrate"):
                once = _process(program, at, logs, tether)
                once.start()
                once.wait_done()
        sandbox = _process(programs["sandbox"], at, logs, tether)
        ports = [at.ports["payments"], *(free_port() for _ in range(_MEMBERS - 1))]
        members = {port: _member(programs["payments"], module, at, port, logs, tether) for port in ports}
        for process in (sandbox, *members.values()):
            stack.callback(process.kill)
        found = System(servers, at, sandbox, members)
        await found.start([sandbox])
        await found.start(found.resting()[:1])
        await found.connect()
        try:
            yield found
        finally:
            await found.close()


def _member(
    program: Program, module: tuple[str, ...], at: Addresses, port: int, logs: Path, tether: Tether
) -> Process:
    """Return a process of payments with a port of its own."""
    own = replace(at, ports={**at.ports, program.name: port})
    name, *arguments = module
    told = replace(program, name=f"payments on {port}", module=name, arguments=tuple(arguments))
    env = program.env(own) | {"PAYMENTS_PROCESSOR_TIMEOUT_S": str(_PROCESSOR_TIMEOUT_S)}
    return _process(replace(told, env=lambda _: env), own, logs, tether, port)


def _process(program: Program, at: Addresses, logs: Path, tether: Tether, port: int | None = None) -> Process:
    answers_on = port or at.ports.get(program.name)
    return Process(
        program.name,
        [sys.executable, "-m", program.module, *program.arguments],
        logs / f"{program.name}.log",
        tether,
        ready=lambda _: answers_on is None or answers(answers_on, "/health/ready"),
        env=os.environ | program.env(at),
        directory=_ROOT,
    )


def _partitions(*topics: Topic) -> list[TopicPartition]:
    return [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]


def _behind(offsets: dict[Place, int], ends: dict[Place, int]) -> dict[Place, int]:
    """Return by partition how many records are still to be handled."""
    return {place: end - offsets.get(place, 0) for place, end in ends.items() if offsets.get(place, 0) < end}
