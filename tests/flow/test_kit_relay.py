"""The outbox: shared out among processes, sent in order, sent again rather than lost, and empty in the end."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgpack
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from local.infrastructure import Endpoints
from shared.events.topics import MIB, Topic
from shared.messaging import topics
from shared.messaging.outbox import SHARDS
from tests.flow.kit import Feedback, eventually, feedback, first_told, ids

VISITS = [f"visit-{number}" for number in range(40)]
SHARD_LOCKS = 0x0B0C


async def test_processes_share_the_shards_evenly_as_they_come_and_go(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        first = await world.start()
        await eventually(lambda: shares(world, [8]), "one process has all shards")
        second = await world.start()
        await eventually(lambda: shares(world, [4, 4]), "two have half of them each")
        await world.start()
        await eventually(lambda: shares(world, [2, 3, 3]), "three have a third of them each")
        await world.stop(second)
        await world.stop(first)
        await eventually(lambda: shares(world, [8]), "the last has all of them")


async def test_when_a_relay_loses_its_session_or_its_process_stops_others_go_on_in_order(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(*map(world.ended, VISITS))
        first = await world.start()
        await world.start()
        await world.settled()
        await eventually(lambda: shares(world, [4, 4]), "two have half of the shards each")
        commands = [world.leave(VISITS[n % 40], f"f-{n}") for n in range(4000)]
        publishing = asyncio.create_task(world.publish(*commands))
        for _ in range(3):
            cut = min(await shards(world))
            await world.pool.execute("select pg_terminate_backend(pid) from unnest($1::int[]) pid", [cut])
            await eventually(partial(taken_over, world, cut), "all its shards are taken over")
        await world.stop(first)
        await publishing
        await world.settled()
        told = await world.outcomes()
        assert first_told(told) == world.by_key(commands)
        assert await world.none("outbox")


async def test_events_that_were_sent_but_not_deleted_are_sent_again_as_the_same_events(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(*map(world.ended, VISITS))
        await world.start()
        await world.settled()
        # The relay dies between the broker's acknowledgement and the deletion.
        await world.pool.execute(
            """
            create function die() returns trigger language plpgsql
                as $$ begin raise exception using errcode = '57P01'; end $$;
            create trigger die before delete on outbox execute function die();
            """
        )
        commands = [world.leave(VISITS[n % 40], f"f-{n}") for n in range(200)]
        await world.publish(*commands)
        await eventually(lambda: each_told(world, commands, times=2), "each event is sent twice at least")
        await world.start()
        await world.pool.execute("drop trigger die on outbox")
        await world.settled()
        told = await world.outcomes()
        assert first_told(told) == world.by_key(commands)
        assert len({event["id"] for event in told}) == len(commands)
        same = defaultdict(list)
        for event in told:
            same[event["id"]].append(event)
        assert all(event == events[0] for events in same.values() for event in events)


async def test_events_that_the_broker_refuses_are_sent_once_it_takes_them(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(*map(world.ended, VISITS))
        await world.start()
        await world.settled()
        await limit(world, world.service.events, message_bytes_max=10)
        commands = [world.leave(VISITS[n % 40], f"f-{n}") for n in range(200)]
        await world.publish(*commands)
        await eventually(lambda: all_in_outbox(world, commands), "every event waits in the outbox")
        await limit(world, world.service.events, message_bytes_max=1024 * 1024)
        await world.settled()
        assert await world.outcomes_by_key() == world.by_key(commands)


async def test_what_one_topic_does_not_take_holds_up_no_other_and_is_sent_later(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await world.publish_facts(*map(world.ended, VISITS), b"poison 1")
        await world.start()
        await world.settled()
        await limit(world, world.service.dead_letters, message_bytes_max=10)
        await world.publish_facts(b"poison 2")
        waits = "select exists (select from outbox where created_at < now() - interval '1 second')"
        await eventually(lambda: world.pool.fetchval(waits), "a dead letter is refused")
        commands = [world.leave(VISITS[n % 40], f"f-{n}") for n in range(200)]
        await world.publish(*commands)
        await eventually(lambda: all_told(world, commands), "every outcome is told")
        await limit(world, world.service.dead_letters, message_bytes_max=4 * MIB)
        await world.settled()
        assert await world.outcomes_by_key() == world.by_key(commands)
        assert [letter["value_base64"] for letter in await world.dead()] == ["cG9pc29uIDE=", "cG9pc29uIDI="]


async def test_a_topic_that_is_not_there_holds_up_no_other_however_much_waits_for_it(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await world.publish_facts(*map(world.ended, VISITS))
        admin = AIOKafkaAdminClient(**world.kafka.connection())
        await admin.start()
        await admin.delete_topics([world.service.dead_letters.name])
        await admin.close()
        # More rows than the relay reads at once.
        packed = msgpack.packb([(b"key", b"{}")])
        row = (0, world.service.dead_letters.name, 1, packed)
        await world.pool.executemany(
            "insert into outbox (shard, topic, count, records) values ($1, $2, $3, $4)", [row] * 100
        )
        await world.start()
        commands = [world.leave(VISITS[n % 40], f"f-{n}") for n in range(200)]
        await world.publish(*commands)
        await eventually(lambda: all_told(world, commands), "every outcome is told")
        await topics.create(world.kafka.connection(), [world.service.dead_letters])
        await world.settled()
        assert await world.outcomes_by_key() == world.by_key(commands)
        assert len(await world.dead()) == 100


async def test_what_was_kept_with_a_text_for_an_empty_key_is_sent(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        row = (0, world.service.dead_letters.name, 1, msgpack.packb([("", b"{}")]))
        await world.pool.execute("insert into outbox (shard, topic, count, records) values ($1, $2, $3, $4)", *row)
        await world.start()
        await world.settled()
        assert await world.dead() == [{}]


async def shards(world: Feedback) -> dict[int, list[int]]:
    """Return the shards that are held, by the session that holds them."""
    rows = await world.pool.fetch(
        "select pid, array_agg(objid::int) as shards from pg_locks, pg_database"
        " where locktype = 'advisory' and classid = $1::int::oid and granted"
        " and database = pg_database.oid and datname = current_database() group by pid",
        SHARD_LOCKS,
    )
    return {row["pid"]: row["shards"] for row in rows}


async def shares(world: Feedback, wanted: list[int]) -> bool:
    held = await shards(world)
    assert len(set().union(*held.values())) == sum(map(len, held.values()))
    return sorted(map(len, held.values())) == wanted


async def taken_over(world: Feedback, cut: int) -> bool:
    held = await shards(world)
    return cut not in held and sum(map(len, held.values())) == SHARDS


async def each_told(world: Feedback, commands: list[dict[str, Any]], times: int) -> bool:
    told = Counter(ids(await world.outcomes()))
    return all(told[command["id"]] >= times for command in commands)


async def all_in_outbox(world: Feedback, commands: list[dict[str, Any]]) -> bool:
    waiting = await world.pool.fetchval(
        "select coalesce(sum(count), 0) from outbox where topic = $1", world.service.events.name
    )
    return bool(waiting == len(commands))


async def all_told(world: Feedback, commands: Sequence[dict[str, Any]]) -> bool:
    """Return whether all commands have an outcome."""
    return len(await world.outcomes()) >= len(commands)


async def limit(world: Feedback, topic: Topic, message_bytes_max: int) -> None:
    """Set how large a record the broker takes on a topic."""
    admin = AIOKafkaAdminClient(**world.kafka.connection())
    await admin.start()
    try:
        limit = {"max.message.bytes": str(message_bytes_max)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=limit)])
    finally:
        await admin.close()
