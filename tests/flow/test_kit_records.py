"""Records as all kinds of clients write them: compressed, in transactions, larger than on the wire."""

import json
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from prometheus_client import REGISTRY

from local.infrastructure import Endpoints
from tests.flow.kit import Feedback, eventually, feedback, ids, ready

CODECS = ("gzip", "snappy", "lz4", "zstd")


async def test_records_are_read_however_their_client_compressed_them(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await world.publish_facts(world.ended("visit-1"))
        await world.start()
        await world.settled()
        commands = [world.leave("visit-1", f"f-{codec}") for codec in CODECS]
        for command, codec in zip(commands, CODECS, strict=True):
            await send(world, command, compression_type=codec)
        await world.settled()
        assert ids(await world.outcomes()) == ids(commands, "id")


async def test_what_a_transaction_takes_back_was_never_said(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await world.publish_facts(world.ended("visit-1"))
        process = await world.start()
        await world.settled()
        topic = world.service.reads[0].topic.name
        kept, taken_back = world.leave("visit-1", "f-1"), world.leave("visit-1", "f-2")
        for command, ends in ((taken_back, "abort_transaction"), (kept, "commit_transaction")):
            producer = AIOKafkaProducer(**world.kafka.connection(), transactional_id=command["id"])
            await producer.start()
            await producer.begin_transaction()
            await producer.send_and_wait(topic, json.dumps(command).encode(), b"visit-1")
            await getattr(producer, ends)()
            await producer.stop()
        await eventually(lambda: world.has_outcome(kept), "what was kept is done")
        assert not await world.has_outcome(taken_back)
        # The transaction's end has an offset of its own, behind the last record.
        await eventually(lambda: lag(world) == 0, "nothing waits")
        assert await ready(process)


async def test_a_record_that_fits_on_no_dead_letter_topic_is_told_without_what_it_held(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await world.publish_facts(world.ended("visit-1"))
        await world.start()
        await world.settled()
        await world.publish_facts(b"small")
        await send(world, b"[" + b"1," * 2_500_000 + b"1]", topic=1, compression_type="gzip")
        command = world.leave("visit-1", "f-1")
        await world.publish_facts(b"small")
        await world.publish(command)
        await world.settled()

        small, large, last = await world.dead()
        assert (small["value_base64"], last["value_base64"]) == ("c21hbGw=", "c21hbGw=")
        assert (large["reason"], large["value_base64"], large["headers"]) == ("too_large", None, [])
        assert "too large for this topic" in large["detail"]
        kept = json.loads(await world.pool.fetchval("select record from dead_letter where id = $1", large["id"]))
        assert len(kept["value_base64"]) > 6_000_000
        assert ids(await world.outcomes()) == [command["id"]]


async def test_a_dead_letter_has_the_key_of_its_record_also_an_empty_one_or_none(
    infrastructure: Endpoints,
) -> None:
    keys = {b"visit-1", b"\xff", b"", None}
    async with feedback(infrastructure, partitions=1) as world:
        await world.start()
        for key in keys:
            await world.publish(b"poison", key=key)
        await world.settled()
        told = AIOKafkaConsumer(
            world.service.dead_letters.name, **world.kafka.connection(), auto_offset_reset="earliest"
        )
        await told.start()
        assert {(await told.getone()).key for _ in keys} == keys
        await told.stop()
        assert {letter["key_base64"] for letter in await world.dead()} == {"dmlzaXQtMQ==", "/w==", "", None}


async def send(world: Feedback, message: dict[str, Any] | bytes, topic: int = 0, **how: Any) -> None:
    """Publish as another client than the world's own."""
    producer = AIOKafkaProducer(**world.kafka.connection(), max_request_size=2**24, **how)
    await producer.start()
    value = message if isinstance(message, bytes) else json.dumps(message).encode()
    await producer.send_and_wait(world.service.reads[topic].topic.name, value, b"visit-1")
    await producer.stop()


def lag(world: Feedback) -> float | None:
    """Return how many commands are said to wait."""
    where = {"topic": world.service.reads[0].topic.name, "partition": "0"}
    return REGISTRY.get_sample_value("messaging_lag", where)
