"""A service on real Kafka and PostgreSQL, with topics and a database of its own for each test."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from prometheus_client import REGISTRY

from local.infrastructure import Endpoints
from shared.clock import Clock
from shared.database import Pool, connect
from shared.events.envelope import HEADERS
from shared.events.topics import Service
from shared.messaging import topics
from shared.messaging.handlers import Handlers
from shared.messaging.run import Messaging
from shared.migrations import upgrade
from shared.settings import KafkaSettings
from tests.example.domain import Visit
from tests.example.handlers import Thank, handlers
from tests.example.messages import service

DEADLINE_S = 90
REVISIONS = Path(__file__).parent.parent / "example" / "migrations"

_numbers = count(1)


async def eventually(holds: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return what `holds` gives once it is true; fail with `what` when it is not in time."""
    async with asyncio.timeout(deadline_s) as limit:
        try:
            while True:
                found = holds()
                found = await found if asyncio.iscoroutine(found) else found
                if found:
                    return found
                await asyncio.sleep(0.02)
        except TimeoutError:
            if limit.expired():
                raise AssertionError(f"not within {deadline_s} s: {what}") from None
            raise


async def ready(*processes: Messaging) -> bool:
    """Return whether each process says that it is ready."""
    checks = [check for process in processes for check in (await process.readiness()).values()]
    return all(check.ok for check in checks)


class _Bytes(bytes):
    """Bytes where a text is expected."""

    def encode(self, *_: Any) -> bytes:
        return bytes(self)


class Feedback:
    """The example service: what is published to it, what it says, and its processes."""

    def __init__(self, own: Service, kafka: KafkaSettings, url: str, pool: Pool) -> None:
        self.service = own
        self.kafka = kafka
        self.url = url
        self.pool = pool
        self.clock = Clock()
        self.thanked: list[tuple[str, str]] = []
        """Each attempt to thank: the visit and the key."""
        self._producer = AIOKafkaProducer(**kafka.connection(), max_request_size=2**22, enable_idempotence=True)
        self._reader = AIOKafkaConsumer(**kafka.connection(), auto_offset_reset="earliest")
        self._running: list[tuple[Messaging, asyncio.Task[None]]] = []

    def handlers(self, thank: Thank | None = None, **how: Any) -> Handlers[Visit]:
        """Return the service with an outside system that thanks; `how` changes what a `Performer` says."""

        async def outside(visit_id: str, key: str) -> None:
            self.thanked.append((visit_id, key))
            if thank is not None:
                await thank(visit_id, key)

        made = handlers(self.service, outside)
        return replace(made, performers={task: replace(one, **how) for task, one in made.performers.items()})

    # Processes

    async def start(self, handled: Handlers[Any] | None = None) -> Messaging:
        """Start one more process of the service."""
        # An own pool for each process: one that is killed takes its connections with it.
        pool = await connect(self.url, connections_max=6)
        made = handled or self.handlers()
        messaging = Messaging(made, self.kafka, self.url, self.clock, pool)
        self._running.append((messaging, asyncio.create_task(messaging.run())))
        return messaging

    async def stop(self, messaging: Messaging | None = None) -> None:
        """Stop one process, or all, the way a signal does."""
        for running, task in list(self._running):
            if messaging in (None, running):
                self._running.remove((running, task))
                task.cancel()
                await asyncio.wait([task])
                await running.pool.close()
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error

    # What goes in

    def message(self, data: dict[str, Any], kind: str, visit: str, **envelope: Any) -> dict[str, Any]:
        """Return a message as a gateway or host would write it."""
        number = next(_numbers)
        return {
            "specversion": "1.0",
            "id": f"m-{number}",
            "source": "test",
            "type": kind,
            "time": datetime.now(UTC).isoformat(),  # noqa: TID251  # a gateway's own clock
            "subject": visit,
            "actor": "patient:p-1",
            "data": data,
            **envelope,
        }

    def leave(
        self, visit: str, feedback: str, stars: int = 5, comment: str = "", **envelope: Any
    ) -> dict[str, Any]:
        """Return a command to leave feedback."""
        data = {"feedback_id": feedback, "visit_id": visit, "stars": stars, "comment": comment}
        return self.message(data, "feedback.leave-feedback.v1", visit, **envelope)

    def ended(self, visit: str, **envelope: Any) -> dict[str, Any]:
        """Return the fact that a visit ended."""
        return self.message({"visit_id": visit}, "visits.visit-ended.v1", visit, **envelope)

    async def publish(self, *messages: dict[str, Any] | bytes | None, **record: Any) -> None:
        """Publish commands, in order; `record` may set the topic, key, headers or partition."""
        sent = []
        topic = record.pop("topic", self.service.reads[0].topic.name)
        for message in messages:
            value = json.dumps(message).encode() if isinstance(message, dict) else message
            key = message["subject"].encode() if isinstance(message, dict) else b"visit-1"
            sent.append(await self._producer.send(topic, value, **{"key": key, **record}))
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*sent)

    async def publish_with_header_name(self, value: bytes, name: bytes) -> None:
        """Publish a command whose header has a name that is no text, as only other clients can."""
        builder = _DefaultRecordBatchBuilderPy(2, 0, False, -1, -1, -1, 2**20)
        builder.append(0, int(time.time() * 1000), b"visit-1", value, [(_Bytes(name), b"x")])
        # Not idempotent, or it would want to number the batch itself.
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers)
        await producer.start()
        batch = producer.create_batch()
        batch._builder, batch._relative_offset = builder, 1  # noqa: SLF001  # its own builder takes text only
        await (await producer.send_batch(batch, self.service.reads[0].topic.name, partition=0))
        await producer.stop()

    async def publish_facts(self, *messages: dict[str, Any] | bytes | None, **record: Any) -> None:
        """Publish what the scheduling host says."""
        await self.publish(*messages, topic=self.service.reads[1].topic.name, **record)

    @asynccontextmanager
    async def load(self, visits: Sequence[str]) -> AsyncIterator[list[dict[str, Any]]]:
        """Publish commands about the visits all the while, as a busy gateway does; gives the list of them."""
        commands: list[dict[str, Any]] = []
        ended = asyncio.Event()

        async def publish() -> None:
            while not ended.is_set():
                first = len(commands)
                some = [self.leave(visits[n % len(visits)], f"f-{n}") for n in range(first, first + 50)]
                commands.extend(some)
                await self.publish(*some)
                await asyncio.sleep(0.05)

        publishing = asyncio.create_task(publish())
        try:
            yield commands
        finally:
            ended.set()
            await publishing

    # What comes out

    async def said(self, topic: str | None = None) -> list[dict[str, Any]]:
        """Return all that is on the service's topic of events by now, in order within each key."""
        name = topic or self.service.events.name
        partitions = [TopicPartition(name, number) for number in await self._producer.partitions_for(name)]
        self._reader.assign(partitions)
        await self._reader.seek_to_beginning()
        ends = await self._reader.end_offsets(partitions)
        headers = tuple(HEADERS) if name == self.service.events.name else ()
        found: list[dict[str, Any]] = []
        while any([await self._reader.position(one) < end for one, end in ends.items()]):
            for records in (await self._reader.getmany(timeout_ms=100)).values():
                assert {record.headers for record in records} == {headers}
                found += [json.loads(record.value) for record in records if record.value]
        return found

    async def outcomes(self) -> list[dict[str, Any]]:
        """Return the events that ended commands."""
        return [event for event in await self.said() if "outcome" in event]

    async def outcomes_by_key(self) -> dict[str, list[str]]:
        """Return the commands that have an outcome, by key, in the order of their outcomes."""
        return self.by_key(await self.outcomes(), "causationid")

    @staticmethod
    def by_key(messages: Sequence[dict[str, Any]], field: str = "id") -> dict[str, list[str]]:
        """Return one attribute of messages, by key, in their order."""
        found: dict[str, list[str]] = defaultdict(list)
        for message in messages:
            found[message["subject"]].append(message[field])
        return found

    async def dead(self) -> list[dict[str, Any]]:
        """Return the dead letters on their topic."""
        return await self.said(self.service.dead_letters.name)

    async def has_outcome(self, command: dict[str, Any]) -> bool:
        """Return whether a command was answered."""
        return command["id"] in ids(await self.outcomes())

    async def gets_on(self) -> None:
        """Wait until more feedback is taken in."""
        before = await self.pool.fetchval("select count(*) from feedback")
        more = "select count(*) > $1 from feedback"
        await eventually(lambda: self.pool.fetchval(more, before), "more feedback is taken in")

    async def waits_for_a_lock(self) -> bool:
        """Return whether some transaction waits for another."""
        waits = (
            "select exists (select from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock')"
        )
        return bool(await self.pool.fetchval(waits))

    async def parked(self) -> int:
        """Return how many records wait."""
        return int(await self.pool.fetchval("select count(*) from parked_record"))

    async def none(self, table: str) -> bool:
        """Return whether a table is empty."""
        return not await self.pool.fetchval(f"select exists (select from {table})")

    async def settled(self) -> None:
        """Wait until every published record is handled and all that was to be said is said."""
        await eventually(self._settled, "every record handled and the outbox empty")

    async def _settled(self) -> bool:
        names = [heard.topic.name for heard in self.service.reads]
        partitions = [TopicPartition(name, n) for name in names for n in await self._producer.partitions_for(name)]
        ends = await self._reader.end_offsets(partitions)
        handled = await self.pool.fetchval("select coalesce(sum(next_offset), 0) from consumer_offset")
        waiting = await self.pool.fetchval("select count(*) from outbox")
        return bool(handled >= sum(ends.values()) and waiting == 0)


async def new_database(infrastructure: Endpoints) -> str:
    """Make an empty database; return its URL."""
    server, name = infrastructure.databases["inbox"], f"test_{next(_numbers)}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"create database {name}")
    await admin.close()
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


@asynccontextmanager
async def feedback(
    infrastructure: Endpoints, partitions: int = 8, kafka: KafkaSettings | None = None
) -> AsyncIterator[Feedback]:
    """Offer the example service with topics and a database of its own; its processes end with the block."""
    own = service(f"feedback-{next(_numbers)}", partitions)
    kafka = kafka or KafkaSettings(bootstrap_servers=infrastructure.kafka)
    url = await new_database(infrastructure)
    await upgrade(url, REVISIONS)
    every = [*(heard.topic for heard in own.reads), own.events, own.dead_letters]
    await topics.create(kafka.connection(), every)
    async with AsyncExitStack() as stack:
        pool = await connect(url)
        stack.push_async_callback(pool.close)
        world = Feedback(own, kafka, url, pool)
        for client in (world._producer, world._reader):  # noqa: SLF001  # its own
            await client.start()
            stack.push_async_callback(client.stop)
        stack.push_async_callback(world.stop)
        yield world


def first_told(events: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the commands by key in the order of their outcomes; an event that was sent again counts once."""
    firsts: dict[str, dict[str, Any]] = {}
    for event in events:
        firsts.setdefault(event["id"], event)
    return Feedback.by_key(list(firsts.values()), "causationid")


def lost_claims() -> float:
    """Return how often something was dropped here because somebody else had taken it over."""
    return REGISTRY.get_sample_value("messaging_lost_claims_total") or 0


def move(clock: Clock, ahead: timedelta) -> None:
    """Move a clock ahead."""
    clock.move_to(clock.offset_s + ahead.total_seconds())


def ids(events: Sequence[dict[str, Any]], field: str = "causationid") -> list[str]:
    """Return one attribute of each event."""
    return [event[field] for event in events]
