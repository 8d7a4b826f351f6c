from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from local.infrastructure import Endpoints
from shared.events.envelope import Reader
from shared.events.topics import HOST_BILLING, HOST_REGISTRATION, HOST_SCHEDULING
from shared.settings import KafkaSettings
from tests.outside.sandbox.world import DAY_S, World, served

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"
TOPICS = (HOST_BILLING, HOST_REGISTRATION, HOST_SCHEDULING)
READER = Reader(*(data for topic in TOPICS for data in topic.carries))
ARRIVAL_MS_MAX = 20_000


@pytest.fixture
async def kafka(infrastructure: Endpoints) -> KafkaSettings:
    """Kafka with the hosts' topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=infrastructure.kafka)
    await admin.start()
    # One that another test has made is as good.
    await admin.create_topics([NewTopic(topic.name, topic.partitions, 1) for topic in TOPICS])
    await admin.close()
    return KafkaSettings(bootstrap_servers=infrastructure.kafka)


@pytest.fixture
async def world(tmp_path: Path, kafka: KafkaSettings) -> AsyncIterator[World]:
    async with served(tmp_path, kafka) as world:
        yield world


@pytest.fixture
async def topics(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaConsumer]:
    """The hosts' topics, from now on."""
    consumer = AIOKafkaConsumer(
        *(topic.name for topic in TOPICS), **kafka.connection(), auto_offset_reset="latest"
    )
    await consumer.start()
    await consumer.seek_to_end()
    yield consumer
    await consumer.stop()


async def records(topics: AIOKafkaConsumer, count: int) -> list[Record]:
    """Return the next `count` records, and fail when there are others or too few."""
    found: list[Record] = []
    while len(found) < count:
        batches = await topics.getmany(timeout_ms=ARRIVAL_MS_MAX)
        assert batches, f"{len(found)} of {count} records came"
        found += [record for batch in batches.values() for record in batch]
    assert len(found) == count
    return found


async def test_a_scenario_that_is_posted_again_repeats_the_same_messages_whatever_the_day(
    world: World, topics: AIOKafkaConsumer
) -> None:
    status, first = await world.post("/host/scenarios/small")
    assert status == 200
    before = await records(topics, first["messages"])
    await world.advance(3 * DAY_S)
    assert await world.post("/host/scenarios/small", params={"seed": 9}) == (200, first)
    after = await records(topics, first["messages"])
    assert sorted(record.value or b"" for record in after) == sorted(record.value or b"" for record in before)


async def test_every_fact_travels_under_its_key_in_the_order_it_was_told(
    world: World, topics: AIOKafkaConsumer
) -> None:
    _, told = await world.post("/host/scenarios/hospital", params={"accounts": 30, "seed": 4})
    assert len(told["accounts"]) == 30
    first = {"billing.guarantor-account-opened.v1", "registration.patient-registered.v1"}
    opened = {topic.name: set[str]() for topic in TOPICS}
    counts = Counter[str]()
    for record in await records(topics, told["messages"]):
        message = READER.read(record.value or b"")
        assert record.key == message.subject.encode()
        assert dict(record.headers) == {"content-type": b"application/cloudevents+json"}
        counts[record.topic] += 1
        if message.type in first or record.topic == HOST_SCHEDULING.name:
            opened[record.topic].add(message.subject)
        assert message.subject in opened[record.topic]
    assert counts == told["topics"]
    assert opened[HOST_BILLING.name] == {account["account_number"] for account in told["accounts"]}
    assert opened[HOST_REGISTRATION.name] == {patient["patient_id"] for patient in told["patients"]}


async def test_a_statement_run_bills_the_first_accounts_of_the_scenario_posted_last(
    world: World, topics: AIOKafkaConsumer
) -> None:
    for name in ("small", "hospital"):
        _, scenario = await world.post(f"/host/scenarios/{name}", params={"accounts": 9, "seed": 4})
        await records(topics, scenario["messages"])
    await world.advance(40 * DAY_S)
    _, told = await world.post("/host/statement-run", params={"accounts": 5})
    assert (told["messages"], told["accounts"]) == (5, scenario["accounts"][:5])
    _, clock = await world.get("/clock")
    issued = [READER.read(record.value or b"").data.model_dump(mode="json") for record in await records(topics, 5)]
    assert {fact["issued_on"] for fact in issued} == {clock["now"][:10]}
    assert {fact["account_number"]: fact["amount_due_minor"] for fact in issued} == {
        account["account_number"]: account["balance_minor"] for account in told["accounts"]
    }


async def test_kafka_that_cannot_be_reached_is_told_and_tried_again(tmp_path: Path) -> None:
    nobody = KafkaSettings(bootstrap_servers="127.0.0.1:9")
    async with served(tmp_path, nobody) as world:
        for _ in range(2):
            status, problem = await world.post("/host/scenarios/small")
            assert (status, problem["detail"]) == (503, "Kafka cannot be reached.")
