"""The operators' tool: dead letters are listed, shown, replayed and discarded, and nothing is repeated by it."""

import asyncio
import base64
import json
import os
import resource
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

from local.infrastructure import Endpoints
from shared.messaging.dead_letters import REPLAY
from shared.messaging.records import Fault
from shared.messaging.tasks import Cause, Lease
from tests.flow.kit import Feedback, eventually, feedback, ids, move, new_database

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
_MEMORY_BYTES_MAX = 2**30


class Said(NamedTuple):
    status: int
    out: list[str]
    err: list[str]


async def test_dead_letters_are_listed_by_reason_with_the_keys_that_wait_and_shown_whole(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.start()
        await world.publish(b"\xff poison", key=b"\xfe", headers=[("note", b"\xfd"), ("none", None)])
        await world.publish(None, world.leave("visit-1", "f-1"), world.leave("visit-1", "f-2"))
        await world.settled()
        letters = {letter["reason"]: letter for letter in await world.dead()}
        listed = await tool(world, "list")
        assert len(listed.out) == 4
        assert {letter["id"] for letter in letters.values()} == {line.split()[0] for line in listed.out[:2]}
        assert listed.out[2].startswith("parked  visit_not_over")
        assert " 2 records" in listed.out[2]
        assert listed.out[3] == "2 dead letters, 1 parked keys"
        only = await tool(world, "list", "--reason", "null_value")
        assert [line.split()[0] for line in only.out[:-2]] == [letters["null_value"]["id"]]
        shown = await tool(world, "show", "--id", letters["unreadable"]["id"])
        letter = json.loads("\n".join(shown.out))
        assert letter == {**letters["unreadable"], "service": "payments"}
        assert base64.b64decode(letter["value_base64"]) == b"\xff poison"
        assert base64.b64decode(letter["key_base64"]) == b"\xfe"
        assert letter["headers"] == [["note", "/Q=="], ["none", None]]


async def test_a_dry_run_changes_nothing(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        (letter,) = await bury(world, b"poison")
        everything = (
            "select (select array_agg(d) from dead_letter d)::text, (select array_agg(t) from task t)::text"
        )
        before = await world.pool.fetchrow(everything)
        for command in (["replay"], ["discard", "--why", "why"]):
            said = await tool(world, *command, "--all", "--dry-run")
            assert said.out[0] == letter["id"]
            assert said.out[1].startswith("1 dead letters would be ")
        assert await world.pool.fetchrow(everything) == before


async def test_a_replay_that_is_still_bad_is_the_same_dead_letter_with_one_more_attempt(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        first, other = await bury(world, b"poison", None)
        await tool(world, "replay", "--reason", first["reason"])
        await eventually(lambda: attempts(world, first["id"], 2), "it is dead again")
        await tool(world, "replay", "--id", first["id"])
        await eventually(lambda: attempts(world, first["id"], 3), "and again")
        await world.settled()
        told = [letter for letter in await world.dead() if letter["id"] == first["id"]]
        assert [letter["attempts"] for letter in told] == [1, 2, 3]
        assert {**told[2], "attempts": 1, "dead_at": first["dead_at"]} == first
        assert await attempts(world, other["id"], 1)
        assert await world.pool.fetchval("select count(*) from dead_letter") == 2


async def test_a_replay_has_its_one_outcome_however_often_it_is_asked_for(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        command = await given_up(world)
        (letter,) = await world.dead()
        await world.publish_facts(world.ended("visit-1"))
        await world.settled()
        await world.stop()
        assert (await tool(world, "replay", "--all")).out[-1] == "1 dead letters replayed"
        assert (await tool(world, "replay", "--all")).out[-1] == "0 dead letters replayed"
        await world.start()
        await eventually(lambda: world.none("dead_letter"), "it is handled")
        await world.settled()
        again = await tool(world, "replay", "--id", letter["id"])
        assert again.status != 0
        assert again.err == [f"no such dead letter: {letter['id']}"]
        await world.publish(command)
        await world.settled()
        assert ids(await world.outcomes()) == [command["id"]]


async def test_a_replay_of_what_its_sender_sent_again_meanwhile_repeats_nothing(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        command = await given_up(world)
        await world.publish_facts(world.ended("visit-1"))
        await world.settled()
        await world.publish(command)
        await world.settled()
        await tool(world, "replay", "--all")
        await eventually(lambda: world.none("dead_letter"), "it is handled")
        await world.settled()
        assert ids(await world.outcomes()) == [command["id"]]


async def test_a_replay_that_the_database_refuses_is_dead_again(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-1"))
        await given_up(world, comment="unsavable")
        (letter,) = await world.dead()
        await tool(world, "replay", "--all")
        await eventually(lambda: attempts(world, letter["id"], letter["attempts"] + 1), "it is dead again")


async def test_a_replay_of_what_was_withheld_is_dead_for_the_same_reason(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        secret = Fault("secret_refused", "a field holds a secret", refusable=True)
        screened = replace(world.handlers(), screen=lambda value: secret if b"secret" in value else None)
        await world.start(screened)
        await world.publish(b"no envelope, and a secret")
        await world.settled()
        (letter,) = await world.dead()
        assert (letter["reason"], letter["value_base64"]) == ("secret_refused", None)
        await tool(world, "replay", "--all")
        await eventually(lambda: attempts(world, letter["id"], 2), "it is dead again")
        assert await world.pool.fetchval("select reason from dead_letter") == "secret_refused"


async def test_a_replay_whose_lease_was_lost_leaves_the_dead_letter_alone(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        (letter,) = await bury(world, b"poison")
        await tool(world, "replay", "--all")
        await eventually(lambda: attempts(world, letter["id"], 2), "one worker has done it")
        # Another took it up before, and comes back only now.
        cause = Cause(letter["id"], letter["id"], None)
        late = Lease(b"gone", REPLAY, letter["id"], "{}", 1, cause)
        await (await world.start()).handling.own[REPLAY](late)
        assert await attempts(world, letter["id"], 2)


async def test_what_is_discarded_keeps_why_and_is_neither_listed_nor_replayed(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        (letter,) = await bury(world, b"poison")
        said = await tool(world, "discard", "--id", letter["id"], "--why", "a test of the gateway's")
        assert said.out == [letter["id"], "1 dead letters discarded"]
        kept = await world.pool.fetchrow("select state, detail from dead_letter")
        assert tuple(kept) == ("discarded", f"{letter['detail']}; discarded: a test of the gateway's")
        shown = json.loads("\n".join((await tool(world, "show", "--id", letter["id"])).out))
        assert (shown["id"], shown["detail"]) == (letter["id"], kept["detail"])
        assert (await tool(world, "list")).out == ["0 dead letters, 0 parked keys"]
        assert (await tool(world, "replay", "--all")).out == ["0 dead letters replayed"]


async def test_what_cannot_be_done_is_told_in_one_line(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        wrong = (
            (["list", "--service", "billing"], "invalid choice: 'billing'"),
            (["show", "--id", "none"], "no such dead letter: none"),
            (["replay", "--id", "none", "neither"], "no such dead letter: neither, none"),
            (["replay", "--id", "none", "--id", "neither"], "no such dead letter: neither, none"),
            (["replay"], "one of the arguments --id --reason --all is required"),
            (["replay", "--all", "--reason", "unreadable"], "not allowed with argument --all"),
            (["discard", "--all"], "--why"),
        )
        said = await asyncio.gather(*(tool(world, *arguments) for arguments, _ in wrong))
        said += await asyncio.gather(
            tool(world, "list", url=NOWHERE),
            tool(world, "list", url=await new_database(infrastructure)),
            tool(world, "list", url=NOWHERE.replace(":1/", ":port/")),
        )
        expected = [
            *(text for _, text in wrong),
            "the database cannot be reached",
            "the database refuses",
            "PAYMENTS_DATABASE_URL: ",
        ]
        for one, text in zip(said, expected, strict=True):
            assert one.status != 0
            assert one.out == []
            assert len(one.err) == 1
            assert text in one.err[0]


async def test_a_reader_who_has_seen_enough_ends_the_list_without_a_word(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await bury(world, b"poison", b"more poison")
        reader, writer = os.pipe()
        os.close(reader)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shared.messaging", "list", "--service", "payments"),
            env={**os.environ, "PAYMENTS_DATABASE_URL": world.url},
            stdout=writer,
            stderr=asyncio.subprocess.PIPE,
        )
        os.close(writer)
        _, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")


async def test_with_a_flood_of_large_dead_letters_the_tool_still_does_its_work(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        topic = world.service.reads[0].topic.name
        large = {"topic": topic, "partition": 3, "offset": 5, "key_base64": None, "value_base64": "A" * 400_000}
        record = json.dumps({**large, "headers": [["a \0 in its name", None]], "timestamp_ms": 1}).encode()
        flood = """
            insert into dead_letter (id, record, reason, detail, attempts, first_seen_at, dead_at)
            select 'letter-' || n, $1, 'unreadable', '', 1, now() + n % 7 * interval '1 s', now()
            from generate_series(1, 2500) n
        """
        await world.pool.execute(flood, record)
        listed = await tool(world, "list", "--reason", "unreadable")
        assert len({line.split()[0] for line in listed.out[:-1]}) == 2500
        assert {line.split()[2] for line in listed.out[:-1]} == {f"{topic}/3/5"}
        assert listed.out[-1] == "2500 dead letters, 0 parked keys"
        assert (await tool(world, "replay", "--all")).out[-1] == "2500 dead letters replayed"
        assert await world.pool.fetchval("select count(distinct key) from task") == 2500


async def tool(world: Feedback, command: str, *arguments: str, url: str | None = None) -> Said:
    """Run the tool as an operator does, on the database of the test's service."""
    service = [] if "--service" in arguments else ["--service", "payments"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.messaging", command, *service, *arguments),
        env={**os.environ, "PAYMENTS_DATABASE_URL": url or world.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY_BYTES_MAX, _MEMORY_BYTES_MAX))
    out, err = await process.communicate()
    assert process.returncode is not None
    return Said(process.returncode, out.decode().splitlines(), err.decode().splitlines())


async def bury(world: Feedback, *values: bytes | None) -> list[dict[str, Any]]:
    """Have records that are no messages die; return their dead letters in order."""
    await world.start()
    for value in values:
        await world.publish(value)
    await world.settled()
    return sorted(await world.dead(), key=lambda letter: int(letter["offset"]))


async def given_up(world: Feedback, **command: Any) -> dict[str, Any]:
    """Have a command wait until it is given up; return it."""
    await world.start()
    await world.settled()
    waits = world.leave("visit-1", "f-1", **command)
    await world.publish(waits)
    await world.settled()

    async def dead() -> bool:
        move(world.clock, timedelta(minutes=5))
        return not await world.none("dead_letter")

    await eventually(dead, "it is given up")
    await world.settled()
    return waits


async def attempts(world: Feedback, letter: str, number: int) -> bool:
    """Return whether a letter is dead after so many attempts."""
    row = await world.pool.fetchrow("select attempts, state from dead_letter where id = $1", letter)
    return row is not None and tuple(row) == (number, "dead")
