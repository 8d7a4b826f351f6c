"""What the portal publishes: commands of the people at its pages, and who logged in and out.

A command's natural key (`payment_id`, `contact_id`, …) is made when its form is shown (`new_id`), so that a second
click asks for the same thing again, which the services answer as the first.
"""

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client import Histogram

from portal.events import Events, Heard
from shared.clock import Clock
from shared.events.envelope import HEADERS, Command, Data, message_of, write
from shared.events.topics import TOPICS
from shared.settings import KafkaSettings

SOURCE: Final = "portal"
SEND_TIMEOUT_S = 10.0
GIVE_UP_MS = 8_000

_TOPIC: Final = {cls: topic.name for topic in TOPICS for cls in topic.carries}
_ENDED = Histogram("portal_command_seconds", "From a click to its outcome", ["type", "outcome"])


class MaybeSentError(Exception):
    """Kafka did not say in time that it took the message: it may have it, or not; sent again, it does no harm."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended: done, refused with a reason, or not known yet after the time that a page waits."""

    command_id: str
    state: Literal["done", "refused", "pending"]
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why it was refused."""
        return str(self.data.get("reason", ""))


def new_id(kind: str) -> str:
    """Return a new natural key such as `pay-…`; call it when a form is shown, not when it is sent."""
    return f"{kind}-{uuid.uuid4()}"  # noqa: TID251  # a gateway invents the ids of what people ask for


def new_producer(kafka: KafkaSettings) -> AIOKafkaProducer:
    """Return what publishes, and gives up before its page does.

    It is not idempotent, since such a producer gives nothing up: when Kafka is back after hours, it would send
    what nobody counts on any more. A record that it repeats is the same message to who reads it, by its id.
    """
    return AIOKafkaProducer(acks="all", request_timeout_ms=GIVE_UP_MS, **kafka.connection())


class Commands:
    """Publishes, and waits for outcomes."""

    def __init__(self, producer: AIOKafkaProducer, events: Events, clock: Clock, wait_s: float) -> None:
        self._producer = producer
        self._events = events
        self._clock = clock
        self._wait_s = wait_s

    async def ask(self, command: Command, *, subject: str, actor: str) -> Outcome:
        """Publish a command and return its outcome, or `pending` when none came in time.

        Args:
            command: what is asked for.
            subject: the key: of an account, a patient or a person, as the command's topic wants.
            actor: who asks, as in the envelope.

        Raises:
            MaybeSentError: Kafka did not say that it took it.
        """
        command_id = str(uuid.uuid4())  # noqa: TID251  # a click begins a chain, nothing caused it
        clicked_at = time.monotonic()
        waiter = self._events.expect(command_id)
        try:
            await self._publish(command, command_id, subject, actor)
            async with asyncio.timeout(self._wait_s):
                heard = await waiter
            outcome = Outcome(command_id, "done" if heard.outcome == "done" else "refused", heard.data)
        except TimeoutError:
            outcome = Outcome(command_id, "pending")
        except MaybeSentError:
            _ENDED.labels(command.TYPE, "maybe-sent").observe(time.monotonic() - clicked_at)
            raise
        finally:
            waiter.cancel()
        _ENDED.labels(command.TYPE, outcome.state).observe(time.monotonic() - clicked_at)
        return outcome

    async def tell(self, fact: Data, *, subject: str, actor: str) -> None:
        """Publish a fact.

        Raises:
            MaybeSentError: Kafka did not say that it took it.
        """
        await self._publish(fact, str(uuid.uuid4()), subject, actor)  # noqa: TID251  # as above

    def chain(self, command_id: str) -> list[Heard] | None:
        """Return what has been said because of a command; nothing of one that this process cannot follow."""
        return self._events.chain(command_id)

    async def _publish(self, data: Data, message_id: str, subject: str, actor: str) -> None:
        message = message_of(
            data,
            id=message_id,
            source=SOURCE,
            time=self._clock.now(),
            subject=subject,
            actor=actor,
        )
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._producer.send_and_wait(
                    _TOPIC[type(data)], write(message), key=subject.encode(), headers=HEADERS
                )
        except (KafkaError, TimeoutError) as error:
            raise MaybeSentError from error
