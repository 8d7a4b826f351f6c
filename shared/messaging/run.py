"""A service's messaging in one process: pipelines, relay and tasks together, and whether they make progress."""

import asyncio
import gc
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, UnknownTopicOrPartitionError
from faststream.kafka import KafkaBroker

from shared.clock import Clock
from shared.database import AWAY, Pool
from shared.http import Check
from shared.messaging import metrics
from shared.messaging.consumer import HEARD_S_MAX, Pipeline
from shared.messaging.handlers import Handlers
from shared.messaging.handling import Handling
from shared.messaging.outbox import CLOSED_S_MAX, Relay
from shared.messaging.security import security
from shared.messaging.tasks import Worker
from shared.messaging.watch import watch
from shared.settings import KafkaSettings
from shared.waiting import when_there

PIPELINES: Final = 2
"""Members of the consumer group in each process: while one waits for the database, another decides."""

# A topic that is made after the service has started is found within this time.
_METADATA_MS: Final = 5000
_STUCK_S: Final = 60
_ASKED_S: Final = 2
_BATCH_BYTES_MAX: Final = 512 * 1024
_REQUEST_BYTES_MAX: Final = 5 * 1024 * 1024
_TOLD_S: Final = 2
_BATCH_S: Final = 8
_LEFT_S: Final = 10
_WORKER_S: Final = 12
_OUTBOX_S: Final = 10
STOP_S_MAX: Final = max(_TOLD_S + _LEFT_S, _WORKER_S) + _OUTBOX_S + CLOSED_S_MAX
"""How long `Messaging.run` takes to end at most, also when Kafka or the database hangs."""
_YOUNG_OBJECTS: Final = 100_000
# What aiokafka's clients raise when they are started while there is no broker, or one that cannot tell of a topic.
_AWAY: Final = (KafkaConnectionError, UnknownTopicOrPartitionError)

log = structlog.get_logger(__name__)


class Messaging:
    """Everything that moves messages for one service in one process."""

    def __init__(
        self, handlers: Handlers[Any], kafka: KafkaSettings, database_url: str, clock: Clock, pool: Pool
    ) -> None:
        self._handlers = handlers
        self._kafka = kafka
        self._clock = clock
        self.pool = pool
        self._progress: dict[str, float] = {}
        self.handling = Handling(handlers, pool, clock.now)
        self._worker = Worker(handlers, pool, clock.now, self.handling, self._note("tasks"), self._heard)
        self.handling.wake = self._worker.wake
        self._database_url = database_url
        self._broker = KafkaBroker(
            # As a list: FastStream takes a text for one server.
            kafka.bootstrap_servers.split(","),
            security=security(kafka),
            consumer_only=True,
            allow_auto_create_topics=False,
            metadata_max_age_ms=_METADATA_MS,
            apply_types=False,
            graceful_timeout=_BATCH_S,
            logger=None,
        )
        name = handlers.service.name
        topics = [heard.topic.name for heard in handlers.service.reads]
        self.pipelines = [
            Pipeline(self._broker, topics, kafka.group_id or name, self.handling, pool) for _ in range(PIPELINES)
        ]

    def _heard(self) -> bool:
        """Tell whether all that this process hears is handled, but for the newest; it may hear nothing."""
        hears = any(pipeline.positions for pipeline in self.pipelines)
        return hears and all(pipeline.heard_s() < HEARD_S_MAX for pipeline in self.pipelines)

    def _note(self, loop: str) -> Callable[[], None]:
        def note() -> None:
            self._progress[loop] = time.monotonic()

        note()
        return note

    async def run(self) -> None:
        """Run until cancelled; then take no more, end what is under way, and leave the group."""
        events = self._handlers.service.events.name
        relay = Relay(self._database_url, self._producer, events, self._note("relay"))
        self._clock.when_moved(self._worker.wake)
        metrics.BROKER_SILENT.set_function(lambda: max(pipeline.silent_s() for pipeline in self.pipelines))
        async with asyncio.TaskGroup() as loops:
            watching = loops.create_task(watch(self.pool, self._clock.now))
            following = [loops.create_task(pipeline.follow()) for pipeline in self.pipelines]
            working, relaying = loops.create_task(self._worker.run()), loops.create_task(relay.run())
            for listen in self._handlers.listeners:
                loops.create_task(listen(self.handling.ask))
            try:
                await self._broker.connect()
                for pipeline in self.pipelines:
                    await when_there("Kafka", pipeline.start, _AWAY)
                await asyncio.Event().wait()
            finally:
                watching.cancel()
                await asyncio.shield(self._stop(following, working, relay, relaying))

    def _producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._kafka.connection(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=_BATCH_BYTES_MAX,
            max_request_size=_REQUEST_BYTES_MAX,
        )

    async def _stop(
        self,
        following: list[asyncio.Task[None]],
        working: asyncio.Task[None],
        relay: Relay,
        relaying: asyncio.Task[None],
    ) -> None:
        """Take no more, end what is under way, and say what is to be said; whatever hangs, the rest is stopped."""
        self._worker.stop()
        await asyncio.gather(self._leave(following), _end(working, _WORKER_S))
        relay.stop()
        await _end(relaying, _OUTBOX_S)
        # It still closes its producer, unless that waits for Kafka: then all that is left is cancelled again.
        await asyncio.wait([relaying], timeout=CLOSED_S_MAX)

    async def _leave(self, following: list[asyncio.Task[None]]) -> None:
        """Take no more records, end the batches under way, and leave the group."""
        for pipeline in self.pipelines:
            pipeline.tell_no_more()
        # What aiokafka is telling it tells on when its caller is cancelled, even past the end of its client.
        await asyncio.wait(following, timeout=_TOLD_S)
        # Not cut short: it closes its connections whenever Kafka answers again, unless the process ends before.
        self._leaving = asyncio.create_task(self._broker.stop())
        await asyncio.wait([self._leaving], timeout=_LEFT_S)
        if not self._leaving.done() or self._leaving.exception() is not None:
            log.warning("Kafka was not told that this process ends")
        for task in following:
            task.cancel()

    async def readiness(self) -> Mapping[str, Check]:
        """Tell of each loop, the database and the broker whether they get on; never from a ping alone."""
        checks = {name: self._moving(name) for name in self._progress}
        for number, pipeline in enumerate(self.pipelines):
            checks[f"consumer {number}"] = pipeline.check()
        try:
            async with asyncio.timeout(_ASKED_S):
                await self.pool.fetchval("select 1")
        except AWAY as error:
            checks["database"] = Check(ok=False, detail=type(error).__name__)
        else:
            checks["database"] = Check(ok=True, detail="answers")
        return checks

    def _moving(self, loop: str) -> Check:
        idle_s = time.monotonic() - self._progress[loop]
        return Check(ok=idle_s < _STUCK_S, detail=f"moved {idle_s:.0f} s ago")


async def _end(task: asyncio.Task[None], within_s: float) -> None:
    """Let a task end by itself; one that waits for what does not answer is cancelled then, and not waited for."""
    await asyncio.wait([task], timeout=within_s)
    task.cancel()


def spare_collections() -> None:
    """Collect garbage seldom: batches make many objects that reference counts free, and cycles are few."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)
