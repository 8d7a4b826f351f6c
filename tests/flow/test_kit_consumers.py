"""Consumers that come, go and come back too late: each command has its one outcome, in order."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from local.infrastructure import Endpoints
from shared.messaging.run import Messaging
from tests.flow.kit import Feedback, eventually, feedback, ids, lost_claims

VISITS = [f"visit-{number}" for number in range(40)]


async def test_one_process_then_three_then_one_handle_each_command_once_and_in_order(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(*map(world.ended, VISITS))
        first = await world.start()
        await world.settled()
        async with world.load(VISITS) as commands:
            await eventually(lambda: partitions(first) == [16], "the first has all partitions")
            second, third = await world.start(), await world.start()
            await eventually(lambda: shared_out(first, second, third), "all have some")
            await world.gets_on()
            await world.stop(second)
            await world.stop(first)
            await eventually(lambda: partitions(third) == [16], "the last has all partitions")
            await world.gets_on()
        await world.settled()
        assert await world.outcomes_by_key() == world.by_key(commands)


async def test_a_process_that_lost_its_partition_changes_nothing_and_goes_on_where_the_other_is(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        before = await with_history(world)
        lost = lost_claims()
        theirs = [world.leave("visit-0", f"theirs-{n}") for n in range(3)]
        ours = [world.leave("visit-0", f"ours-{n}") for n in range(3)]
        async with world.pool.acquire() as other, other.transaction():
            # Somebody else handles the next three at the same moment, and commits first.
            await other.execute(
                "update consumer_offset set next_offset = next_offset + 3 where topic = $1",
                world.service.reads[0].topic.name,
            )
            await world.publish(*theirs)
            await eventually(world.waits_for_a_lock, "the batch waits for the other's commit")
        await world.publish(*ours)
        await world.settled()
        assert lost_claims() > lost
        assert ids(await world.outcomes()) == ids([*before, *ours], "id")
        saved = await world.pool.fetchval("select array_agg(feedback_id) from feedback")
        assert not {command["data"]["feedback_id"] for command in theirs} & set(saved)


async def test_a_process_whose_stored_offset_was_set_back_repeats_nothing(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        before = await with_history(world)
        await world.pool.execute("update consumer_offset set next_offset = 0")
        after = [world.leave("visit-0", f"after-{n}") for n in range(3)]
        await world.publish(*after)
        await eventually(lambda: world.has_outcome(after[-1]), "it went on from there")
        await world.settled()
        assert ids(await world.outcomes()) == ids([*before, *after], "id")


async def test_a_process_that_stood_still_while_it_took_its_partitions_sets_nothing_back(
    infrastructure: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with feedback(infrastructure) as world:
        first = await world.start()
        await eventually(lambda: partitions(first) == [16], "the first has all partitions")
        theirs = [pipeline.consumer for pipeline in first.pipelines]
        stands, goes_on = asyncio.Event(), asyncio.Event()
        end_offsets = AIOKafkaConsumer.end_offsets

        async def slowly(consumer: AIOKafkaConsumer, asked: list[TopicPartition]) -> dict[TopicPartition, int]:
            ends: dict[TopicPartition, int] = await end_offsets(consumer, asked)
            if consumer.subscription() and consumer not in theirs:
                stands.set()
                await goes_on.wait()
            return ends

        monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", slowly)
        second = await world.start()
        await stands.wait()
        # After the second's session the first has all again, and goes on.
        for partition in range(8):
            await world.publish(b"poison", partition=partition)
        await world.settled()
        goes_on.set()
        await eventually(lambda: partitions(first, second) == [8, 8], "they share the partitions")
        await world.publish(world.ended("visit-0"), partition=0)
        await world.settled()
        assert len(await world.dead()) == len({letter["id"] for letter in await world.dead()}) == 9


async def with_history(world: Feedback) -> list[dict[str, Any]]:
    """Let the service handle some commands; return them."""
    await world.publish_facts(world.ended("visit-0"))
    await world.start()
    await world.settled()
    commands = [world.leave("visit-0", f"before-{n}") for n in range(5)]
    await world.publish(*commands)
    await world.settled()
    return commands


def shared_out(*processes: Messaging) -> bool:
    """Return whether each process has partitions, and together they have all."""
    held = partitions(*processes)
    return held[0] > 0 and sum(held) == 16


def partitions(*processes: Messaging) -> list[int]:
    """Return how many partitions each process has, the fewest first."""
    return sorted(sum(len(pipeline.positions) for pipeline in process.pipelines) for process in processes)
