"""The system under test: Kafka, PostgreSQL, the sandbox, and the processes of services."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from local.infrastructure import Endpoints, infrastructure
from local.plan import PLAN, Addresses, Program
from local.ports import free_port
from local.processes import Process, answers
from local.tether import Tether
from shared.events.topics import SERVICES, Topic
from tests.faults.group import POLL_S, Group, Place, start

MODULES: Final[Mapping[str, tuple[str, ...]]] = {name: (f"services.{name}",) for name in SERVICES}
"""What follows `python -m` to start a process of each service."""

_MEMBERS: Final = 3
# Shorter than what neighbours take when they are slow; and no more calls than one of them here can answer.
_SETTINGS: Final[Mapping[str, dict[str, str]]] = {
    "payments": {"PAYMENTS_PROCESSOR_TIMEOUT_S": "3"},
    "insurance": {"INSURANCE_CLEARINGHOUSE_TIMEOUT_S": "3", "INSURANCE_PAYER_CALLS_PER_S": "20"},
    "inbox": {},
    "notifications": {"NOTIFICATIONS_PROVIDER_TIMEOUT_S": "3"},
}
_ROOT: Final = Path(__file__).parents[2]


class StuckError(Exception):
    """What had to happen did not happen in time."""


class System:
    """What runs, and how it is looked at from outside; each look waits while a server is away."""

    def __init__(self, servers: Endpoints, at: Addresses, sandbox: Process, groups: Sequence[Group]) -> None:
        self.servers = servers
        self.sandbox = sandbox
        self.groups = {group.name: group for group in groups}
        self._at = at
        self._consumer = AIOKafkaConsumer(bootstrap_servers=servers.kafka, auto_offset_reset="earliest")

    async def revive(self) -> None:
        """Start again what ended by itself."""
        await asyncio.gather(*(group.revive() for group in self.groups.values()))

    async def ends(self) -> dict[Place, int]:
        """Return by partition the end of what there is to read."""
        read = {topic.name: topic for group in self.groups.values() for topic in group.reads}
        return {
            tuple(one): end for one, end in (await self._consumer.end_offsets(_partitions(*read.values()))).items()
        }

    async def catches_up(self, within_s: float) -> float:
        """Wait until all that was published before now is handled; return after how many seconds.

        Raises:
            StuckError: it is not in time.
        """
        started, ends = time.monotonic(), await self.ends()
        while behind := await self._behind(ends):
            if time.monotonic() - started > within_s:
                raise StuckError(f"not handled within {within_s:.0f} s: {behind}")
            await self.revive()
            await asyncio.sleep(POLL_S)
        return time.monotonic() - started

    async def _behind(self, ends: Mapping[Place, int]) -> dict[str, dict[Place, int]]:
        """Return by service and partition how many records are still to be handled."""
        found = {}
        for group in self.groups.values():
            offsets, topics = await group.offsets(), {topic.name for topic in group.reads}
            left = {place: end - offsets.get(place, 0) for place, end in ends.items() if place[0] in topics}
            if behind := {place: records for place, records in left.items() if records > 0}:
                found[group.name] = behind
        return found

    async def state(self) -> list[str]:
        """Return what all processes and sessions are doing, for who wants to know why nothing moves."""
        return [line for group in self.groups.values() for line in await group.state()]

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
async def system(directory: Path, modules: Mapping[str, tuple[str, ...]]) -> AsyncIterator[System]:
    """All of it, made anew in a directory; `modules` start a process of each service, of which one runs."""
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
        needed = ("create-topics", *(f"{name}-migrate" for name in modules))
        once = [_process(program, at, logs, tether) for program in PLAN.once if program.name in needed]
        for process in once:
            process.start()
        for process in once:
            process.wait_done()
        sandbox = _process(programs["sandbox"], at, logs, tether)
        stack.callback(sandbox.kill)
        groups = [_group(programs[name], module, at, logs, tether) for name, module in modules.items()]
        for member in (member for group in groups for member in group.resting()):
            stack.callback(member.kill)
        found = System(servers, at, sandbox, groups)
        await start([sandbox])
        await start([group.first for group in groups])
        await found.connect()
        try:
            yield found
        finally:
            await found.close()


def _group(program: Program, module: tuple[str, ...], at: Addresses, logs: Path, tether: Tether) -> Group:
    """Return the processes of a service; the first has the port that all others are told of."""
    ports = [at.ports[program.name], *(free_port() for _ in range(_MEMBERS - 1))]
    members = {port: _member(program, module, at, port, logs, tether) for port in ports}
    return Group(SERVICES[program.name], at.databases[program.name], members)


def _member(
    program: Program, module: tuple[str, ...], at: Addresses, port: int, logs: Path, tether: Tether
) -> Process:
    """Return a process of a service with a port of its own."""
    env = program.env(at) | {f"{program.name.upper()}_HTTP_PORT": str(port)} | _SETTINGS[program.name]
    name, *arguments = module
    told = replace(
        program,
        name=f"{program.name} on {port}",
        module=name,
        arguments=tuple(arguments),
        env=lambda _: env,
    )
    return _process(told, at, logs, tether, port)


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


def _partitions(*read: Topic) -> list[TopicPartition]:
    return [TopicPartition(topic.name, number) for topic in read for number in range(topic.partitions)]
