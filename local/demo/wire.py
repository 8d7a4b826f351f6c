"""What the demo hears and says on Kafka, as gateways and analysts do: all commands, events and dead letters."""

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from local.demo.story import Disappointment
from shared.events.topics import SERVICES, TOPICS

Json: TypeAlias = dict[str, Any]

_DEADLINE_S = 45
_COMMANDS = {topic.name for topic in TOPICS if ".commands." in topic.name}
_DEAD = {service.dead_letters.name for service in SERVICES.values()}
_EVENTS = {service.events.name for service in SERVICES.values()}


class Wire:
    """Hears all topics of the services from its start on, and publishes."""

    def __init__(self, kafka: str) -> None:
        self.commands: list[Json] = []
        self.events: list[Json] = []
        self.dead: list[Json] = []
        self.records = 0
        self._changed = asyncio.Condition()
        self._producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
        self._consumer = AIOKafkaConsumer(*_COMMANDS, *_EVENTS, *_DEAD, bootstrap_servers=kafka)

    async def start(self) -> None:
        """Connect, and hear what is said from now on."""
        await self._producer.start()
        await self._consumer.start()
        await self._consumer.seek_to_end()

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()
        await self._producer.stop()

    async def hear(self) -> None:
        """Collect what is said until cancelled."""
        async for record in self._consumer:
            async with self._changed:
                self._take(record.topic, record.value or b"")
                self._changed.notify_all()

    def _take(self, topic: str, value: bytes) -> None:
        if topic in _DEAD:
            self.dead.append(json.loads(value))
        elif topic in _EVENTS:
            self.events.append(json.loads(value))
        else:
            self.records += 1
            try:
                self.commands.append(json.loads(value))
            except ValueError:
                return  # the demo's own poison

    async def publish(self, topic: str, key: str, value: bytes) -> None:
        """Put bytes on a topic."""
        await self._producer.send_and_wait(topic, value, key=key.encode())

    async def ask(self, kind: str, subject: str, actor: str, data: Json, **changes: Any) -> Json:
        """Publish a command as a gateway; return the message."""
        message = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),  # noqa: TID251  # a gateway invents the ids of its commands
            "source": "gateway:demo",
            "type": kind,
            "time": datetime.now(UTC).isoformat(),  # noqa: TID251  # the gateway's own clock
            "subject": subject,
            "actor": actor,
            "data": data,
            **changes,
        }
        await self.publish(f"{kind.partition('.')[0]}.commands.v1", subject, json.dumps(message).encode())
        return message

    async def command(self, kind: str, **wanted: Any) -> Json:
        """Wait for a command that somebody has published, by its type and attributes or data."""
        return await self._found(f"the command {kind}", lambda: self.asked(kind, **wanted))

    def asked(self, kind: str, **wanted: Any) -> list[Json]:
        """Return the commands that were heard so far, by their type and attributes or data."""
        return _matching(self.commands, kind, wanted)

    async def event(self, kind: str, **wanted: Any) -> Json:
        """Wait for an event of a type with these attributes or data."""
        return await self._found(kind, lambda: _matching(self.events, kind, wanted))

    async def comes(self, kind: str, within_s: float, **wanted: Any) -> bool:
        """Tell whether such an event is there, or comes in time."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(lambda: _matching(self.events, kind, wanted))
        except TimeoutError:
            return False
        return True

    async def outcome(self, command: Json) -> Json:
        """Wait for the one event that ends a command."""
        return await self._found(f"the outcome of {command['type']}", lambda: self.outcomes(command))

    def outcomes(self, command: Json) -> list[Json]:
        """Return the events that ended a command; there must never be two."""
        return [e for e in self.events if e.get("causationid") == command["id"] and "outcome" in e]

    async def letter(self, key: str) -> Json:
        """Wait for a dead letter whose key, in base64, is this one."""
        return await self._found("a dead letter", lambda: [one for one in self.dead if one["key_base64"] == key])

    async def _found(self, what: str, look: Callable[[], list[Json]]) -> Json:
        try:
            async with asyncio.timeout(_DEADLINE_S), self._changed:
                await self._changed.wait_for(look)
                return look()[-1]
        except TimeoutError:
            raise Disappointment(f"{what} did not come within {_DEADLINE_S} s") from None


def _matching(messages: list[Json], kind: str, wanted: Json) -> list[Json]:
    return [
        message
        for message in messages
        if message["type"] == kind
        and all((message["data"] | message).get(name) == value for name, value in wanted.items())
    ]
