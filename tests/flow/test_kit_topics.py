"""What the broker has no longer, or anew: the consumer says so, and goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from local.infrastructure import Endpoints
from shared.messaging import topics
from tests.flow.kit import Feedback, eventually, feedback, ids

YOUNGER = "topic is younger than the stored offset"
DELETED = "records were deleted unread"
YEAR_2100_MS = 4_102_444_800_000


async def test_a_topic_made_anew_while_nobody_read_it_is_read_from_its_beginning(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await with_history(world)
        await world.stop()
        await make_commands_anew(world)
        command = world.leave("visit-1", "anew")
        await world.publish(command)
        with capture_logs() as logs:
            await world.start()
            await eventually(lambda: world.has_outcome(command), "the new topic's command is handled")
        assert YOUNGER in [entry["event"] for entry in logs]
        assert missing(world) == 1


async def test_a_topic_made_anew_under_a_running_consumer_is_read_from_its_beginning(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await with_history(world)
        with capture_logs() as logs:
            await make_commands_anew(world)
            command = world.leave("visit-1", "anew")
            await world.publish(command)
            await eventually(lambda: world.has_outcome(command), "the new topic's command is handled")
        assert YOUNGER in [entry["event"] for entry in logs]


async def test_records_deleted_while_nobody_read_them_are_told_and_the_rest_is_handled(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        handled = await with_history(world)
        await world.stop()
        commands = [world.leave("visit-1", f"f-{n}") for n in range(10)]
        await world.publish(*commands)
        await delete_before(world, len(handled) + 7)
        with capture_logs() as logs:
            await world.start()
            await world.settled()
        assert [entry["count"] for entry in logs if entry["event"] == DELETED] == [7]
        assert missing(world) == 1
        assert ids(await world.outcomes()) == ids([*handled, *commands[7:]], "id")


async def test_a_consumer_whose_unread_records_are_all_deleted_is_not_taken_to_be_stuck(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        handled = await with_history(world)
        await world.stop()
        await world.publish(*(world.leave("visit-1", f"f-{n}") for n in range(10)))
        await delete_before(world, len(handled) + 10)
        process = await world.start()
        await world.settled()

        async def nothing_behind() -> bool:
            checks = await process.readiness()
            behind = [check.detail for name, check in checks.items() if name.startswith("consumer")]
            return all(detail.endswith(" 0 records behind") for detail in behind)

        await eventually(nothing_behind, "it says that no record waits")


async def test_records_deleted_under_a_running_consumer_are_told_and_the_rest_is_handled(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        handled = await with_history(world)
        # More than the consumer fetches ahead.
        commands = [world.leave("visit-1", f"f-{n}") for n in range(60)]
        for command in commands:
            command["data"]["padding"] = "x" * 60_000
        async with world.pool.acquire() as other, other.transaction():
            await other.execute("select from visit for update")
            await world.publish(*commands)
            await eventually(world.waits_for_a_lock, "the consumer waits with its batch")
            await delete_before(world, len(handled) + 58)
            with capture_logs() as logs:
                await other.execute("commit")
                await world.settled()
        lost = sum(entry["count"] for entry in logs if entry["event"] == DELETED)
        assert 0 < lost < 58
        told = ids(await world.outcomes())
        assert told == ids([*handled, *commands[: 58 - lost], *commands[58:]], "id")


async def test_a_record_is_kept_from_when_it_came_whatever_time_its_writer_gave_it(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        given_ms = (1_000, YEAR_2100_MS)
        for at in given_ms:
            await world.publish(world.leave("visit-1", f"f-{at}"), timestamp_ms=at)
        topic = world.service.reads[0].topic.name
        reader = AIOKafkaConsumer(topic, **world.kafka.connection(), auto_offset_reset="earliest")
        await reader.start()
        first, last = [(await reader.getone()).timestamp for _ in given_ms]
        await reader.stop()
        assert given_ms[0] < first <= last < given_ms[1]


async def with_history(world: Feedback) -> list[dict[str, object]]:
    """Let the service handle some commands, so that its offsets have moved; return them."""
    await world.publish_facts(world.ended("visit-1"))
    await world.start()
    await world.settled()
    commands = [world.leave("visit-1", f"before-{n}") for n in range(5)]
    await world.publish(*commands)
    await world.settled()
    return commands


def missing(world: Feedback) -> float | None:
    """Return what an operator sees of commands that were not there."""
    labels = {"topic": world.service.reads[0].topic.name}
    return REGISTRY.get_sample_value("messaging_records_missing_total", labels)


@asynccontextmanager
async def admin(world: Feedback) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**world.kafka.connection())
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def delete_before(world: Feedback, offset: int) -> None:
    """Delete the commands before an offset, as retention does."""
    async with admin(world) as client:
        partition = TopicPartition(world.service.reads[0].topic.name, 0)
        await client.delete_records({partition: RecordsToDelete(before_offset=offset)})


async def make_commands_anew(world: Feedback) -> None:
    """Delete the topic of commands, and make it again."""
    topic = world.service.reads[0].topic

    async def gone() -> bool:
        return topic.name not in await client.list_topics()

    async with admin(world) as client:
        await client.delete_topics([topic.name])
        await eventually(gone, "the topic is deleted")
    await topics.create(world.kafka.connection(), [topic])
