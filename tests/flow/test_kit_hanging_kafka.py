"""Kafka hangs: it keeps its connections and answers nothing. Operators see it."""

from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from local.infrastructure import Endpoints
from shared.messaging import consumer
from tests.flow.hanging_broker import hanging, own_broker
from tests.flow.kit import eventually, feedback, ready


def silent_s() -> float:
    return REGISTRY.get_sample_value("messaging_broker_silent_seconds") or 0


async def test_a_process_that_hears_nothing_from_the_broker_is_not_ready_and_says_for_how_long(
    infrastructure: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "SILENT_S_MAX", 3)
    with own_broker(tmp_path) as (process, kafka):
        async with feedback(infrastructure, kafka=kafka) as world:
            service = await world.start()
            await eventually(lambda: ready(service), "it is ready")
            assert silent_s() < 3
            with hanging(process):
                await eventually(lambda: silent_s() > 3, "it says that it hears nothing")
                checks = await service.readiness()
                assert "nothing heard from the broker" in checks["consumer 0"].detail
            await eventually(lambda: ready(service), "it is ready again")
            await eventually(lambda: silent_s() < 3, "it hears the broker again")
