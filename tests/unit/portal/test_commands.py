"""What becomes of a click is counted, also when its command could not be sent."""

from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from prometheus_client import REGISTRY

from portal.commands import Commands, MaybeSentError
from portal.events import Events
from shared.clock import Clock
from shared.events.notifications import ResendCode
from shared.settings import KafkaSettings


class Nobody:
    """A producer that nobody answers."""

    async def send_and_wait(self, *_: Any, **__: Any) -> None:
        raise KafkaTimeoutError


async def test_a_click_that_kafka_does_not_take_is_counted_like_any_other() -> None:
    def counted() -> float:
        labels = {"type": ResendCode.TYPE, "outcome": "maybe-sent"}
        return REGISTRY.get_sample_value("portal_command_seconds_count", labels) or 0

    events = Events(KafkaSettings(bootstrap_servers="127.0.0.1:9"), 900)
    commands = Commands(cast(AIOKafkaProducer, Nobody()), events, Clock(), wait_s=1)
    before = counted()
    with pytest.raises(MaybeSentError):
        await commands.ask(ResendCode(contact_id="c-1", person_id="p-1"), subject="p-1", actor="patient:p-1")
    assert counted() == before + 1
