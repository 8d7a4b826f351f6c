"""What is heard reaches who waits for it and who follows it, once and in order."""

import asyncio
import json
import tracemalloc
from collections import deque
from typing import Any

import pytest

from portal.events import WAITING_MAX, Events, key
from shared.events.topics import PORTAL_SESSIONS
from shared.settings import KafkaSettings

TOPIC = "payments.events.v1"


@pytest.fixture
def events() -> Events:
    return Events(KafkaSettings(bootstrap_servers="127.0.0.1:9"), 900)


def told(number: int, subject: str = "ACC-1", **more: Any) -> bytes:
    event = {"id": f"e-{number}", "type": f"told-{number}", "subject": subject, "data": {"reason": number}}
    return json.dumps(event | more).encode()


async def heard_by(events: Events, count: int, *keys: str, after: int = 0) -> list[int]:
    found = []
    async for heard in events.follow(keys, after):
        found.append(int(heard.type.rpartition("-")[2]))
        if len(found) == count:
            break
    return found


async def test_only_the_outcome_of_a_command_ends_the_wait_for_it(events: Events) -> None:
    waiter = events.expect("c-1")
    events.take(TOPIC, told(1, causationid="c-1"))
    events.take(TOPIC, told(2, causationid="c-2", outcome="done"))
    await asyncio.sleep(0)
    assert not waiter.done()
    events.take(TOPIC, told(3, causationid="c-1", outcome="refused"))
    events.take(TOPIC, told(4, causationid="c-1", outcome="refused"))
    assert (await waiter).data == {"reason": 3}


async def test_a_follower_hears_what_concerns_it_in_order(events: Events) -> None:
    following = asyncio.create_task(heard_by(events, 3, key("payments", "ACC-1"), "c-9"))
    await asyncio.sleep(0)
    for number, subject in enumerate(("ACC-1", "ACC-2", "ACC-1", "ACC-3")):
        events.take(TOPIC, told(number, subject))
    events.take(TOPIC, told(7, "elsewhere", correlationid="c-9"))
    assert await following == [0, 2, 7]


async def test_what_was_said_between_the_page_and_its_news_is_told_too(events: Events) -> None:
    events.take(TOPIC, told(1))
    rendered_at = events.number
    events.take(TOPIC, told(2))
    events.take(TOPIC, told(3, "ACC-2"))
    assert await heard_by(events, 1, key("payments", "ACC-1"), after=rendered_at) == [2]


async def test_it_knows_whether_something_was_forgotten_since(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_recent", deque(maxlen=2))
    assert events.knows_since(0)
    for number in range(3):
        events.take(TOPIC, told(number))
    assert [events.knows_since(number) for number in range(4)] == [False, True, True, True]


async def test_what_is_said_because_of_a_command_is_remembered(events: Events) -> None:
    events.expect("c-1").cancel()
    events.take(TOPIC, told(1, causationid="c-1", correlationid="c-1", outcome="done"))
    events.take(TOPIC, told(2, causationid="e-1", correlationid="c-1"))
    events.take(TOPIC, told(3, correlationid="c-2"))
    assert [heard.data["reason"] for heard in events.chain("c-1") or ()] == [1, 2]
    assert events.chain("c-2") is None


async def test_however_long_events_are_what_is_remembered_of_them_is_short(events: Events) -> None:
    number, length = 200, 100_000
    events.expect("c-1").cancel()
    value = json.loads(told(1, correlationid="c-1")) | {"data": {"pool": "billing", "benefits": length * "-"}}
    tracemalloc.start()
    try:
        for kind in range(number):
            events.take(TOPIC, json.dumps(value | {"type": f"told-{kind % 10}"}).encode())
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    chain = events.chain("c-1") or []
    assert [heard.data for heard in chain] == 10 * [{"pool": "billing"}]
    assert await heard_by(events, number, "c-1") == [kind % 10 for kind in range(number)]
    assert kept < number * length / 10


async def test_a_slow_follower_loses_the_oldest_and_stops_nobody(events: Events) -> None:
    news = events.follow([key("payments", "ACC-1")], 0)
    events.take(TOPIC, told(0))
    assert (await anext(news)).type == "told-0"
    for number in range(1, WAITING_MAX + 11):
        events.take(TOPIC, told(number))
    assert (await anext(news)).type == "told-11"


async def test_all_followers_end_when_the_portal_does(events: Events) -> None:
    following = asyncio.create_task(heard_by(events, 1, "x"))
    await asyncio.sleep(0)
    events.close()
    assert await following == []
    assert await heard_by(events, 1, "x") == []


@pytest.mark.parametrize("topic", [TOPIC, PORTAL_SESSIONS.name])
@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"id": 1}',
        b"[" * 20_000,
        b'{"id": "1", "type": "t", "subject": "s", "data": 1}',
        b'{"type": "portal.session-ended.v1", "data": []}',
    ],
)
async def test_what_is_no_event_disturbs_nobody(events: Events, topic: str, value: bytes | None) -> None:
    events.take(topic, value)
    assert events.number == 0


async def test_ids_that_are_no_text_disturb_nobody_who_waits_or_follows(events: Events) -> None:
    waiter = events.expect("c-1")
    events.take(TOPIC, told(1, causationid=["c-1"], correlationid={}, outcome="done"))
    events.take(TOPIC, told(3, causationid="e-1", correlationid="c-1", outcome=["done"]))
    events.take(TOPIC, told(2, causationid="c-1", correlationid=["c-1"], outcome="done"))
    assert (await waiter).data == {"reason": 2}
    assert await heard_by(events, 3, key("payments", "ACC-1")) == [1, 3, 2]
