"""Records in, effects and events out: once each, in order, and nothing spoils anything else."""

import asyncio
import json
from collections import Counter, defaultdict

from local.infrastructure import Endpoints
from tests.flow.kit import Feedback, eventually, feedback, ids


async def test_a_command_has_one_outcome_under_its_own_key(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-1"))
        await world.start()
        await world.settled()
        command = world.leave(
            "visit-1", "f-1", correlationid="chain-1", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"
        )
        await world.publish(command)
        await world.settled()
        (outcome,) = await world.outcomes()
        assert outcome["type"] == "feedback.feedback-left.v1"
        assert outcome["outcome"] == "done"
        assert outcome["causationid"] == command["id"]
        assert outcome["correlationid"] == "chain-1"
        assert outcome["subject"] == "visit-1"
        assert outcome["source"] == f"service:{world.service.name}"
        assert outcome["actor"] == command["actor"]
        assert outcome["traceparent"] == command["traceparent"]
        assert outcome["data"] == {"feedback_id": "f-1", "visit_id": "visit-1", "stars": 5}


async def test_the_same_message_again_has_no_effect_and_a_new_one_with_the_same_content_is_done_again(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-1"))
        await world.start()
        await world.settled()
        command = world.leave("visit-1", "f-1")
        again = {**command, "id": "another"}
        other = {**again, "id": "third", "data": {**command["data"], "stars": 1}}
        await world.publish(command, command, again, command)
        await world.settled()
        await world.publish(again, other, other)
        await world.settled()
        outcomes = await world.outcomes()
        assert ids(outcomes) == [command["id"], "another", "third"]
        assert [event["outcome"] for event in outcomes] == ["done", "done", "refused"]
        assert outcomes[2]["data"]["reason"] == "idempotency_conflict"
        assert await world.pool.fetchval("select count(*) from feedback") == 1


async def test_an_id_that_was_used_under_another_key_is_refused_also_in_the_same_batch(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await world.publish_facts(world.ended("visit-1"), world.ended("visit-2"))
        await world.start()
        await world.settled()
        await world.stop()
        together = [world.leave("visit-1", "f-1"), world.leave("visit-2", "f-1")]
        await world.publish(*together)
        await world.start()
        await world.settled()
        later = world.leave("visit-2", "f-1")
        await world.publish(later)
        await world.settled()
        outcomes = await world.outcomes()
        assert ids(outcomes) == ids([*together, later], "id")
        assert [event["data"].get("reason") for event in outcomes] == [None, *["idempotency_conflict"] * 2]


async def test_order_holds_for_each_key_across_thousands_of_commands(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        visits = [f"visit-{number}" for number in range(40)]
        await world.publish_facts(*map(world.ended, visits))
        await world.start()
        await world.start()
        await world.settled()
        commands = [world.leave(visits[n % 40], f"f-{n}", stars=1 + n % 5) for n in range(3000)]
        await world.publish(*commands)
        await world.settled()
        asked, told = defaultdict(list), defaultdict(list)
        for command in commands:
            asked[command["subject"]].append(command["id"])
        for event in await world.outcomes():
            told[event["subject"]].append(event["causationid"])
        assert told == asked


POISON = {
    "null_value": None,
    "unreadable": b"\xff\xfe not even text",
    "unknown_type": json.dumps(
        {
            "specversion": "1.0",
            "id": "x",
            "source": "test",
            "type": "feedback.no-such-thing.v1",
            "time": "2026-01-01T00:00:00Z",
            "subject": "visit-1",
            "actor": "guest",
            "data": {},
        }
    ).encode(),
    "too_large": b"[" + b"1," * 200_000 + b"1]",
}


async def test_poison_first_middle_and_last_goes_to_dead_letters_and_holds_up_nothing(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await world.publish_facts(world.ended("visit-1"))
        await world.start()
        await world.settled()
        headers = [("plain", b"x"), ("null", None), ("binary", b"\xff\xfe")]
        good = [world.leave("visit-1", f"f-{n}") for n in range(3)]
        for command in good:
            for value in POISON.values():
                await world.publish(value, headers=headers)
            await world.publish(command, headers=headers)
        for value in POISON.values():
            await world.publish(value, headers=headers)
        await world.settled()
        assert ids(await world.outcomes()) == ids(good, "id")
        letters = await world.dead()
        assert Counter(letter["reason"] for letter in letters) == dict.fromkeys(POISON, 4)
        assert len({letter["id"] for letter in letters}) == 16
        offsets = {letter["offset"] for letter in letters}
        assert offsets == {n for n in range(19) if n % 5 != 4}
        assert letters[0]["value_base64"] is None
        assert letters[0]["headers"] == [["plain", "eA=="], ["null", None], ["binary", "//4="]]


async def test_a_command_with_invalid_data_is_refused_and_names_the_fields_without_their_values(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.start()
        command = world.leave("visit-1", "f-1", stars=77)
        await world.publish(command, {**command, "id": "m-large", "data": {"comment": "x" * 300_000}})
        await world.settled()
        invalid, large = await world.outcomes()
        assert invalid["causationid"] == command["id"]
        assert invalid["data"]["reason"] == "invalid_data"
        assert "stars" in invalid["data"]["detail"]
        assert "77" not in invalid["data"]["detail"]
        assert large["causationid"] == "m-large"
        assert large["data"]["reason"] == "too_large"
        assert await world.dead() == []


async def test_a_fact_with_invalid_data_is_a_dead_letter(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.start()
        await world.publish_facts({**world.ended("visit-1"), "data": {"visit_id": 7}})
        await world.settled()
        (letter,) = await world.dead()
        assert letter["reason"] == "invalid_data"
        assert await world.outcomes() == []


async def test_a_record_that_the_database_refuses_costs_one_record(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        visits = [f"visit-{number}" for number in range(20)]
        await world.publish_facts(*map(world.ended, visits))
        await world.start()
        await world.settled()
        await world.stop()
        commands = [world.leave(visits[n], f"f-{n}") for n in range(20)]
        commands[7]["data"]["comment"] = "unsavable"
        await world.publish(*commands)
        await world.start()
        await world.settled()
        outcomes = ids(await world.outcomes())
        assert sorted(outcomes) == sorted(command["id"] for n, command in enumerate(commands) if n != 7)
        assert await world.pool.fetchval("select count(*) from parked_record") == 1


async def test_a_header_whose_name_is_not_text_stalls_nothing(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await world.publish_facts(world.ended("visit-1"))
        await world.start()
        await world.settled()
        command = world.leave("visit-1", "f-1")
        await world.publish_with_header_name(b"poison", b"na\xffme")
        await world.publish(command)
        await world.settled()
        assert ids(await world.outcomes()) == [command["id"]]
        (letter,) = await world.dead()
        assert letter["reason"] == "unreadable_header"
        assert letter["value_base64"] is None


async def test_stopping_in_the_middle_and_going_on_loses_and_repeats_nothing(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        visits = [f"visit-{number}" for number in range(50)]
        await world.publish_facts(*map(world.ended, visits))
        await world.start()
        await world.settled()
        commands = [world.leave(visits[n % 50], f"f-{n}") for n in range(12_000)]
        publishing = asyncio.create_task(world.publish(*commands))
        for _ in range(3):
            before = await world.pool.fetchval("select count(*) from feedback")
            await eventually(lambda: _more(world, before), "some more was handled")  # noqa: B023  # awaited here
            await world.stop()
            await world.start()
        await publishing
        await world.settled()
        assert sorted(ids(await world.outcomes())) == sorted(ids(commands, "id"))


async def _more(world: Feedback, before: int) -> bool:
    return bool(await world.pool.fetchval("select count(*) from feedback") > before)


async def test_a_message_is_known_for_forty_five_days(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        note = "insert into handled_message values ($1, now() - $2::int * interval '1 day')"
        await world.pool.executemany(note, [(b"new", 0), (b"old", 44), (b"older", 46), (b"oldest", 90)])
        await world.start()
        kept = "select array_agg(id order by handled_at) = array['old'::bytea, 'new'] from handled_message"
        await eventually(lambda: world.pool.fetchval(kept), "what is older is forgotten, and nothing else")
