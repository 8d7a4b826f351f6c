"""Publishes intents without rest, whatever is done to the system, and remembers where each record went."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from shared.messaging.metadata import ask_calmly
from tests.faults.intents import Intent, World
from tests.faults.system import Place

_TICK_S: Final = 0.05
# Longer than any fault, so that nothing published is ever given up.
_DELIVERED_WITHIN_MS: Final = 180_000


@dataclass(frozen=True, slots=True)
class Published:
    """An intent, and where its record is."""

    place: Place
    offset: int
    intent: Intent


class Load:
    """The outside world at work: `ledger` holds what it published, once `stop` has returned."""

    def __init__(self, kafka: str, world: World, per_second: int) -> None:
        self.ledger: list[Published] = []
        self._world = world
        self._per_tick = per_second * _TICK_S
        self._producer = AIOKafkaProducer(
            bootstrap_servers=kafka,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=_DELIVERED_WITHIN_MS,
        )
        self._sent: deque[tuple[Intent, asyncio.Future[Any]]] = deque()
        self._publishing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Publish the opening, and go on from there."""
        await self._producer.start()
        ask_calmly(self._producer)
        await self._publish(self._world.opening())
        self._publishing = asyncio.create_task(self._go_on())

    async def rush(self, records: int) -> None:
        """Publish many at once."""
        await self._publish(self._world.next() for _ in range(records))

    async def stop(self) -> None:
        """End with poison, and wait for the last acknowledgement."""
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.wait([self._publishing])
            await self._publish(self._world.poison())
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
