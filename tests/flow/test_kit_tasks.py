"""Tasks: performed until done or given up, one worker at a time, thousands at once, and none holds up another."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.infrastructure import Endpoints
from shared.messaging.handlers import TaskFailedError
from shared.messaging.run import Messaging
from tests.example.domain import OPEN_FOR, CloseFeedback, ThankVisitor
from tests.example.messages import FeedbackClosed, VisitorThanked
from tests.flow.kit import Feedback, eventually, feedback, ids, lost_claims, move

JUST_BEFORE = timedelta(minutes=1)


@pytest.mark.parametrize("error", [TaskFailedError("line_busy"), ValueError("a bug")])
async def test_a_failed_task_is_tried_again_under_the_same_key(
    infrastructure: Endpoints, error: Exception
) -> None:
    failing = [error, error]

    async def thank(_visit_id: str, _key: str) -> None:
        if failing:
            raise failing.pop()

    async with feedback(infrastructure) as world:
        await world.start(world.handlers(thank))
        await leave_feedback(world, 1)
        assert await thanks(world) == {"visit-0": [True]}
        assert len(world.thanked) == 3
        assert len({key for _, key in world.thanked}) == 1


async def test_a_task_that_fails_every_time_is_given_up_and_the_rules_hear_of_it(
    infrastructure: Endpoints,
) -> None:
    async def thank(_visit_id: str, _key: str) -> None:
        raise TaskFailedError("line_busy")

    async with feedback(infrastructure) as world:
        await world.start(world.handlers(thank))
        await leave_feedback(world, 1)
        assert await thanks(world) == {"visit-0": [False]}
        assert len(world.thanked) == 3


async def test_a_task_that_takes_too_long_is_ended_and_has_failed(infrastructure: Endpoints) -> None:
    async def thank(_visit_id: str, _key: str) -> None:
        await asyncio.Event().wait()

    async with feedback(infrastructure) as world:
        await world.start(world.handlers(thank, timeout=timedelta(seconds=0.1)))
        await leave_feedback(world, 1)
        assert await thanks(world) == {"visit-0": [False]}
        assert len(world.thanked) == 3


async def test_a_timer_comes_back_when_its_time_has_come_and_not_before(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.start()
        await leave_feedback(world, 3)
        await thanks(world)
        move(world.clock, OPEN_FOR - JUST_BEFORE)
        # A task that is due now shows that the worker has looked.
        await world.publish_facts(world.ended("another"))
        await world.publish(world.leave("another", "f-another"))
        await world.settled()
        assert (await thanks(world))["another"] == [True]
        assert await events(world, FeedbackClosed.TYPE) == []
        move(world.clock, JUST_BEFORE)
        await eventually(lambda: world.pool.fetchval("select count(*) = 3 from visit where closed"), "closed")
        await world.settled()
        closed = await events(world, FeedbackClosed.TYPE)
        assert sorted(event["subject"] for event in closed) == ["visit-0", "visit-1", "visit-2"]


async def test_a_slow_task_holds_up_no_other_and_no_command_of_its_key(infrastructure: Endpoints) -> None:
    released = asyncio.Event()

    async def thank(visit_id: str, _key: str) -> None:
        if visit_id == "visit-0":
            await released.wait()

    async with feedback(infrastructure) as world:
        await world.start(world.handlers(thank, timeout=timedelta(minutes=1)))
        await leave_feedback(world, 201)
        command = world.leave("visit-0", "meanwhile")
        await world.publish(command)
        await world.settled()
        assert command["id"] in ids(await world.outcomes())
        await eventually(lambda: under_way(world, 1), "200 are done and one is not")
        await world.settled()
        assert "visit-0" not in thanked(await world.said())
        released.set()
        assert await thanks(world) == {f"visit-{n}": [True] for n in range(201)}


async def test_a_task_whose_worker_died_is_done_by_another_when_its_lease_is_over(
    infrastructure: Endpoints,
) -> None:
    async with under_way_for_ever(infrastructure) as (world, died):
        await world.stop(died)
        # It gives back what it cannot end; as if it had not come to that.
        await world.pool.execute("update task set leased_until = now() + interval '30 seconds'")
        await world.start()
        await world.settled()
        assert len(world.thanked) == 1
        await end_leases(world)
        assert await thanks(world) == {"visit-0": [True]}
        (_, first), (_, second) = world.thanked
        assert first == second


async def test_a_task_that_does_not_end_while_its_worker_stops_is_done_by_another_at_once(
    infrastructure: Endpoints,
) -> None:
    async with under_way_for_ever(infrastructure) as (world, stopped):
        await world.stop(stopped)
        kept = await world.pool.fetch("select attempts, leased_until from task where kind = $1", ThankVisitor.TYPE)
        assert [tuple(row) for row in kept] == [(0, None)]
        # As a newer release may.
        await world.pool.execute("update task set cause = (cause::jsonb || '{\"added\": 1}')::text")
        await world.start()
        assert await thanks(world) == {"visit-0": [True]}
        (_, first), (_, second) = world.thanked
        assert first == second


async def test_a_task_that_ends_while_its_worker_stops_is_not_done_again(infrastructure: Endpoints) -> None:
    released = asyncio.Event()

    async def thank(_visit_id: str, _key: str) -> None:
        await released.wait()

    async with feedback(infrastructure) as world:
        stopped = await world.start(world.handlers(thank))
        await leave_feedback(world, 1)
        await eventually(lambda: world.thanked, "the call is under way")
        stopping = asyncio.create_task(world.stop(stopped))
        ended, _ = await asyncio.wait([stopping], timeout=0.5)
        assert not ended
        released.set()
        await stopping
        assert await thanks(world) == {"visit-0": [True]}
        assert len(world.thanked) == 1


@asynccontextmanager
async def under_way_for_ever(infrastructure: Endpoints) -> AsyncIterator[tuple[Feedback, Messaging]]:
    """A service with one task, and its one process, which never gets an answer."""

    async def thank(_visit_id: str, _key: str) -> None:
        await asyncio.Event().wait()

    async with feedback(infrastructure) as world:
        process = await world.start(world.handlers(thank, timeout=timedelta(minutes=5)))
        await leave_feedback(world, 1)
        await eventually(lambda: world.thanked, "the call is under way")
        yield world, process


async def test_the_late_result_of_a_lost_lease_changes_nothing(infrastructure: Endpoints) -> None:
    late = asyncio.Event()

    async def thank(_visit_id: str, _key: str) -> None:
        await late.wait()

    async with feedback(infrastructure) as world:
        # One at once, so that it does not take its own lost lease up again.
        await world.start(world.handlers(thank, at_once_max=1, timeout=timedelta(minutes=1)))
        await leave_feedback(world, 1)
        await eventually(lambda: world.thanked, "the call is under way")
        await world.start()
        await end_leases(world)
        assert await thanks(world) == {"visit-0": [True]}
        dropped = lost_claims()
        late.set()
        await eventually(lambda: lost_claims() == dropped + 1, "the late result is dropped")
        await world.settled()
        assert await thanks(world) == {"visit-0": [True]}


async def test_processes_share_tasks_and_never_make_the_same_attempt(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        for _ in range(3):
            await world.start(world.handlers(at_once_max=20))
        await leave_feedback(world, 500)
        assert await thanks(world) == {f"visit-{n}": [True] for n in range(500)}
        assert set(Counter(world.thanked).values()) == {1}
        assert len(world.thanked) == 500


async def test_two_thousand_tasks_are_in_flight_at_once(infrastructure: Endpoints) -> None:
    waiting = 0
    all_there = asyncio.Event()

    async def thank(_visit_id: str, _key: str) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 2000:
            all_there.set()
        await all_there.wait()

    async with feedback(infrastructure) as world:
        await world.start(world.handlers(thank, at_once_max=2000, timeout=timedelta(minutes=1)))
        await leave_feedback(world, 2000)
        assert await thanks(world) == {f"visit-{n}": [True] for n in range(2000)}
        assert len(world.thanked) == 2000


async def test_a_process_has_no_more_tasks_of_a_kind_under_way_than_it_may(infrastructure: Endpoints) -> None:
    now, most = 0, 0

    async def thank(_visit_id: str, _key: str) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        # Lets every other task run that is under way.
        for _ in range(10):
            await asyncio.sleep(0)
        now -= 1

    async with feedback(infrastructure) as world:
        await world.start(replace(world.handlers(), performers={}))
        await leave_feedback(world, 100)
        await world.stop()
        await world.start(world.handlers(thank, at_once_max=7))
        assert await thanks(world) == {f"visit-{n}": [True] for n in range(100)}
        assert most == 7


async def test_a_process_leaves_tasks_that_it_does_not_know_to_those_that_do(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        older = await world.start(replace(world.handlers(), performers={}))
        await leave_feedback(world, 20)
        move(world.clock, OPEN_FOR)
        await eventually(lambda: none_left(world, CloseFeedback.TYPE), "what it does know is done")
        attempts = await world.pool.fetch("select attempts from task where kind = $1", ThankVisitor.TYPE)
        assert [row["attempts"] for row in attempts] == [0] * 20
        await world.start()
        await world.stop(older)
        assert await thanks(world) == {f"visit-{n}": [True] for n in range(20)}


async def leave_feedback(world: Feedback, visits: int) -> None:
    """Have so many visits ended, and feedback left about each, for which its visitor is to be thanked."""
    names = [f"visit-{n}" for n in range(visits)]
    await world.publish_facts(*map(world.ended, names))
    await world.settled()
    await world.publish(*(world.leave(name, f"f-{name}") for name in names))
    await world.settled()


async def thanks(world: Feedback) -> dict[str, list[bool]]:
    """Return by visit what came of thanking, once no visitor is left to be thanked."""
    await eventually(lambda: none_left(world, ThankVisitor.TYPE), "no visitor is left to be thanked")
    await world.settled()
    return thanked(await world.said())


def thanked(said: list[dict[str, Any]]) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = {}
    for event in said:
        if event["type"] == VisitorThanked.TYPE:
            found.setdefault(event["subject"], []).append(event["data"]["thanked"])
    return found


async def events(world: Feedback, kind: str) -> list[dict[str, Any]]:
    return [event for event in await world.said() if event["type"] == kind]


async def none_left(world: Feedback, kind: str) -> bool:
    return bool(await world.pool.fetchval("select not exists (select from task where kind = $1)", kind))


async def under_way(world: Feedback, number: int) -> bool:
    left = await world.pool.fetchval("select count(*) from task where kind = $1", ThankVisitor.TYPE)
    return bool(left == number)


async def end_leases(world: Feedback) -> None:
    """Let the leases of all tasks run out, as they do half a minute after their worker has died."""
    await world.pool.execute("update task set leased_until = now() - interval '1 second'")
