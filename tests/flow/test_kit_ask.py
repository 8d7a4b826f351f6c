"""Commands whose sender waits for the answer pass through the same rules, transaction and outbox as any other."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from local.infrastructure import Endpoints
from shared.database import Connection
from shared.events.envelope import Data, Message
from shared.messaging.decision import TryLaterError
from shared.messaging.handlers import Ask
from shared.messaging.records import Fault
from shared.messaging.run import Messaging
from tests.example import store
from tests.example.domain import Visit
from tests.example.messages import CommandRefused, FeedbackLeft, LeaveFeedback
from tests.flow.kit import DEADLINE_S, Feedback, eventually, feedback


async def asked(messaging: Messaging, stars: int, feedback_id: str = "f-1") -> Data:
    command = LeaveFeedback(feedback_id=feedback_id, visit_id="visit-1", stars=stars)
    return await messaging.handling.ask(command, "visit-1", "patient:p-1")


async def told(world: Feedback) -> list[tuple[str, str]]:
    return [(event["subject"], event["outcome"]) for event in await world.outcomes()]


async def test_who_asks_gets_the_event_that_everybody_else_hears_too(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-1"))
        messaging = await world.start()
        await world.settled()

        answer = await asked(messaging, 5)
        other = await asked(messaging, 1)

        await world.settled()
        assert answer == FeedbackLeft(feedback_id="f-1", visit_id="visit-1", stars=5)
        assert isinstance(other, CommandRefused)
        assert other.reason == "idempotency_conflict"
        assert await told(world) == [("visit-1", "done"), ("visit-1", "refused")]
        assert world.thanked != [], "what follows from a command that was asked is done"


async def test_of_many_who_ask_at_once_one_wins_and_the_others_are_told_so(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-1"))
        messagings = [await world.start(), await world.start()]
        await world.settled()

        answers = await asyncio.gather(*(asked(messagings[n % 2], 1 + n % 5) for n in range(20)))

        left = {answer.stars for answer in answers if isinstance(answer, FeedbackLeft)}
        assert len(left) == 1
        assert {await world.pool.fetchval("select stars from feedback")} == left
        await world.settled()
        assert len(await told(world)) == 20


async def test_a_listener_asks_as_a_route_does_for_as_long_as_the_process_runs_and_ends_it_when_it_fails(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-1"))
        heard: asyncio.Queue[int] = asyncio.Queue()
        answers: asyncio.Queue[Data] = asyncio.Queue()

        async def listen(ask: Ask) -> None:
            while stars := await heard.get():
                command = LeaveFeedback(feedback_id="f-1", visit_id="visit-1", stars=stars)
                answers.put_nowait(await ask(command, "visit-1", "patient:p-1"))
            raise ValueError("nothing is left of what it listened to")

        listening = replace(world.handlers(), listeners=(listen,))
        messaging = Messaging(listening, world.kafka, world.url, world.clock, world.pool)
        running = asyncio.create_task(messaging.run())
        await world.settled()

        heard.put_nowait(5)
        assert await answers.get() == FeedbackLeft(feedback_id="f-1", visit_id="visit-1", stars=5)
        await eventually(lambda: world.thanked, "what follows is done")

        heard.put_nowait(0)
        with pytest.raises(ExceptionGroup) as failed:
            await asyncio.wait_for(running, DEADLINE_S)
        assert failed.group_contains(ValueError, match="nothing is left")


async def test_what_the_screen_finds_something_in_is_refused_and_neither_kept_nor_told(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-1"))
        secret = Fault("secret_refused", "a field holds a secret", refusable=True)
        screen = replace(world.handlers(), screen=lambda value: secret if b"secret" in value else None)
        messaging = await world.start(screen)
        await world.settled()

        refused, taken = await asked(messaging, 5, "a secret"), await asked(messaging, 5)

        await world.settled()
        assert isinstance(refused, CommandRefused)
        assert refused.reason == "secret_refused"
        assert isinstance(taken, FeedbackLeft)
        assert await told(world) == [("visit-1", "done")]


async def test_who_asks_is_told_of_a_deadlock_only_if_it_comes_again_and_again(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-1"))
        deadlocks = 0

        async def load(connection: Connection, messages: Sequence[Message[Any]]) -> dict[str, Visit]:
            nonlocal deadlocks
            loaded = await store.load(connection, messages)
            # Not with what comes of thanks meanwhile.
            if deadlocks > 0 and any(isinstance(message.data, LeaveFeedback) for message in messages):
                deadlocks -= 1
                raise asyncpg.DeadlockDetectedError("deadlock detected")
            return loaded

        messaging = await world.start(replace(world.handlers(), load=load))
        await world.settled()

        deadlocks = 2
        answer = await asked(messaging, 5)
        deadlocks = 3
        with pytest.raises(asyncpg.DeadlockDetectedError):
            await asked(messaging, 5, "f-2")

        await world.settled()
        assert isinstance(answer, FeedbackLeft)
        assert await told(world) == [("visit-1", "done")]


async def test_what_cannot_be_decided_yet_leaves_nothing_behind(infrastructure: Endpoints) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-2"))
        messaging = await world.start()
        await world.settled()

        with pytest.raises(TryLaterError):
            await asked(messaging, 5)

        assert await world.pool.fetchval("select count(*) from feedback") == 0
        assert await world.pool.fetchval("select count(*) from parked_record") == 0


async def test_however_many_ask_about_one_busy_key_messages_about_others_are_handled(
    infrastructure: Endpoints,
) -> None:
    async with feedback(infrastructure) as world:
        await world.publish_facts(world.ended("visit-1"), world.ended("visit-2"))
        messaging = await world.start()
        await world.settled()

        async with world.pool.acquire() as connection, connection.transaction():
            await connection.execute("select from visit where visit_id = 'visit-1' for update")
            asking = [asyncio.create_task(asked(messaging, 5)) for _ in range(20)]
            await eventually(world.waits_for_a_lock, "those who ask wait for the visit")
            command = world.leave("visit-2", "f-2")
            await world.publish(command)
            await eventually(lambda: world.has_outcome(command), "what is not busy is handled")
            assert not any(one.done() for one in asking)
        answers = await asyncio.gather(*asking)

        assert all(isinstance(answer, FeedbackLeft) for answer in answers)
