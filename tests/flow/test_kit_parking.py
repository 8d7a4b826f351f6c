"""A message that must wait: its key waits in order, other keys do not, and the wait ends one way or the other."""

from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

import pytest

from local.infrastructure import Endpoints
from shared.messaging.handling import RELEASE
from tests.flow.kit import Feedback, eventually, feedback, ids, move

LONGER_THAN_ANY_WAIT = timedelta(minutes=5)


async def test_a_key_that_must_wait_holds_up_no_other_and_goes_on_in_order_when_its_fact_arrives(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure, partitions=1) as world:
        await world.publish_facts(world.ended("over"))
        await world.start()
        await world.settled()
        early = [world.leave("not-yet", f"early-{n}") for n in range(3)]
        late = [world.leave("not-yet", f"late-{n}") for n in range(3)]
        others = [world.leave("over", f"other-{n}") for n in range(6)]
        await world.publish(*early, *others[:3])
        await world.settled()
        await world.publish(*late, *others[3:])
        await world.settled()
        assert ids(await world.outcomes()) == ids(others, "id")
        assert await world.parked() == 6
        await world.publish_facts(world.ended("not-yet"))
        await world.settled()
        await let_go(world)
        assert ids(await world.outcomes()) == ids([*others, *early, *late], "id")


async def test_after_its_last_attempt_a_waiting_command_is_a_dead_letter_and_those_behind_it_go_on(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-1"))
        await world.start()
        await world.settled()
        waits = world.leave("visit-1", "f-1", comment="unsavable")
        behind = [world.leave("visit-1", f"f-{n}") for n in range(2, 5)]
        await world.publish(waits, *behind)
        await world.settled()
        assert await world.parked() == 4
        await let_go(world)
        assert ids(await world.outcomes()) == ids(behind, "id")
        (letter,) = await world.dead()
        assert letter["reason"] == "gave_up"
        assert letter["detail"] == "CheckViolationError"
        assert letter["attempts"] == 5


async def test_each_attempt_waits_longer_than_the_one_before(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.start()
        due = world.clock.now()
        await world.publish(world.leave("never-over", "f-1"))
        for attempts, wait_s in enumerate((1, 5, 30, 120), 1):
            before = due
            due = await eventually(partial(due_after, world, attempts), f"attempt {attempts} was made")
            assert due - before >= timedelta(seconds=wait_s)
            assert due - world.clock.now() <= timedelta(seconds=wait_s * 1.2)
            move(world.clock, LONGER_THAN_ANY_WAIT)
        await eventually(lambda: world.none("parked_record"), "it was given up")
        await world.settled()
        (letter,) = await world.dead()
        assert (letter["reason"], letter["detail"]) == ("gave_up", "visit_not_over")


async def test_a_restart_loses_no_waiting_command_and_keeps_their_order(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.start()
        commands = [world.leave(f"visit-{n % 5}", f"f-{n}") for n in range(50)]
        await world.publish(*commands[:25])
        await world.settled()
        await world.stop()
        await world.publish(*commands[25:])
        await world.start()
        await world.settled()
        assert await world.parked() == 50
        await world.stop()
        await world.publish_facts(*(world.ended(f"visit-{n}") for n in range(5)))
        await world.start()
        await world.settled()
        await let_go(world)
        assert await world.outcomes_by_key() == world.by_key(commands)


async def test_a_repeat_of_a_waiting_command_has_the_one_outcome(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.start()
        waits = world.leave("visit-1", "f-1")
        behind = world.leave("visit-1", "f-2")
        await world.publish(waits, waits, behind)
        await world.settled()
        await world.publish(waits, behind)
        await world.settled()
        await world.publish_facts(world.ended("visit-1"))
        await world.settled()
        await let_go(world)
        await world.publish(waits, behind)
        await world.settled()
        assert ids(await world.outcomes()) == [waits["id"], behind["id"]]


async def test_a_command_that_is_refused_unread_waits_for_nothing(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.start()
        waits = world.leave("visit-1", "f-1")
        invalid = world.leave("visit-1", "f-2", stars=77)
        await world.publish(waits, invalid)
        await world.publish(b"poison", key=b"visit-1")
        await world.settled()
        assert ids(await world.outcomes()) == [invalid["id"]]
        assert [letter["reason"] for letter in await world.dead()] == ["unreadable"]
        assert await world.parked() == 1


async def test_hundreds_behind_one_that_waits_go_on_in_order_while_more_arrive(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.start()
        await world.start()
        first = [world.leave("visit-1", f"f-{n}") for n in range(500)]
        await world.publish(*first)
        await world.settled()
        await world.publish_facts(world.ended("visit-1"))
        await world.settled()
        move(world.clock, LONGER_THAN_ANY_WAIT)
        more = []
        for n in range(60):
            some = [world.leave("visit-1", f"more-{n}-{k}") for k in range(5)]
            more += some
            await world.publish(*some)
        await world.settled()
        await let_go(world)
        assert ids(await world.outcomes()) == ids([*first, *more], "id")


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
async def test_a_command_parked_just_while_its_key_is_let_go_on_is_not_forgotten(
    isolation: str, infrastructure: Endpoints
) -> None:
    async with feedback(infrastructure) as world:
        name = urlsplit(world.url).path.lstrip("/")
        await world.pool.execute(f"alter database {name} set default_transaction_isolation = '{isolation}'")
        await world.start()
        commands = [world.leave("visit-1", f"f-{n}") for n in range(3)]
        await world.publish(*commands)
        await world.settled()
        await world.publish_facts(world.ended("visit-1"))
        await world.settled()
        last = await world.pool.fetchrow("delete from parked_record where seq = 3 returning lane, record")
        assert last is not None
        async with world.pool.acquire() as batch, batch.transaction():
            # What a batch does that finds the key waiting: it locks what is parked, and adds to it.
            await batch.execute("select from parked_record for share")
            await batch.execute(
                "insert into parked_record (lane, record, reason) values ($1, $2, 'behind')", *last.values()
            )
            move(world.clock, LONGER_THAN_ANY_WAIT)
            await eventually(world.waits_for_a_lock, "the key is let go on meanwhile")
        await let_go(world)
        assert ids(await world.outcomes()) == ids(commands, "id")


async def let_go(world: Feedback) -> None:
    """Let time pass until no record waits any more and all is said."""

    async def passed() -> bool:
        move(world.clock, LONGER_THAN_ANY_WAIT)
        return await world.none("parked_record")

    await eventually(passed, "no record waits any more")
    await world.settled()


async def due_after(world: Feedback, attempts: int) -> datetime | None:
    """Return when the parked key is let go on again, once it was tried so often."""
    due: datetime | None = await world.pool.fetchval(
        "select due_at from parked_record, task where parked_record.attempts = $1 and kind = $2", attempts, RELEASE
    )
    return due
