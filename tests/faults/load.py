"""Publishes intents without rest, whatever is done to the system, and remembers where each record went."""

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from shared.messaging.metadata import ask_calmly
from tests.faults.group import Place
from tests.faults.intents.making import Intent, Json
from tests.faults.intents.world import World
from tests.faults.mailbox import Mailbox
from tests.faults.staff import Staff
from tests.faults.system import System

_TICK_S: Final = 0.05
# Longer than any fault, so that nothing published is ever given up.
_DELIVERED_WITHIN_MS: Final = 180_000
_OPENED_WITHIN_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Published:
    """An intent, and where its record is."""

    place: Place
    offset: int
    intent: Intent


class Load:
    """The outside world at work.

    Attributes:
        ledger: what it published, once `stop` has returned.
        calls: what staff did over HTTP.
    """

    def __init__(self, system: System, world: World, per_second: int) -> None:
        self.ledger: list[Published] = []
        self.calls: list[Json] = []
        self._system = system
        self._world = world
        self._per_tick = per_second * _TICK_S
        self._producer = AIOKafkaProducer(
            bootstrap_servers=system.servers.kafka,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=_DELIVERED_WITHIN_MS,
        )
        self._sent: deque[tuple[Intent, asyncio.Future[Any]]] = deque()
        self._working: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Publish the opening, and go on from there once it is known.

        Raises:
            StuckError: it is not handled in time.
        """
        await self._producer.start()
        ask_calmly(self._producer)
        await self._publish(self._world.opening())
        await self._producer.flush()
        await self._system.catches_up(_OPENED_WITHIN_S)
        if self._world.readers is not None:
            mailbox = Mailbox(self._system, self._world.readers, self._publish)
            await mailbox.all_read(_OPENED_WITHIN_S)
            self._working.append(asyncio.create_task(mailbox.run()))
        if "inbox" in self._system.groups:
            staff = Staff(self._system, self.calls, self._world.seed)
            self._working.append(asyncio.create_task(staff.run()))
        self._working.append(asyncio.create_task(self._go_on()))

    async def rush(self, records: int) -> None:
        """Publish many at once."""
        await self._publish(self._world.next() for _ in range(records))

    async def stop(self) -> None:
        """End what goes on, with poison behind it, and wait for the last acknowledgement."""
        for task in self._working:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self._working:
            await self._publish(self._world.closing())
        for intent, sent in self._sent:
            at = await sent
            self.ledger.append(Published((at.topic, at.partition), at.offset, intent))
        await self._producer.stop()

    async def _go_on(self) -> None:
        owed = 0.0
        while True:
            owed += self._per_tick
            await self.rush(int(owed))
            owed %= 1
            await asyncio.sleep(_TICK_S)

    async def _publish(self, intents: Iterable[Intent]) -> None:
        for intent in intents:
            sent = await self._producer.send(
                intent.topic, intent.value, key=intent.key.encode(), headers=list(intent.headers)
            )
            self._sent.append((intent, sent))
