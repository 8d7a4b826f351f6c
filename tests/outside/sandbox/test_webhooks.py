from datetime import datetime
from pathlib import Path

import pytest

from sandbox.webhooks import MANNERS, RETRY_DOUBLINGS_MAX
from tests.outside.sandbox.world import DAY_S, World, served

QUIET_S = 0.5
"""How long nothing must come for it to be said that nothing comes: some rounds of the sender."""


async def test_a_charge_is_told_with_what_it_takes_to_ask_for_it(world: World) -> None:
    _, charge = await world.charge("key-1")
    event = await world.receiver.event()
    assert event["event_id"].startswith("evt_")
    assert event["type"] == "charge.succeeded"
    assert event["charge_id"] == charge["charge_id"]
    assert (event["idempotency_key"], event["payment_id"]) == ("key-1", "payment-1")


async def test_a_webhook_is_signed_with_the_time_of_the_sandbox(world: World) -> None:
    await world.advance(10 * DAY_S)
    await world.charge("key-1")
    await world.receiver.event()  # whose signature the receiver has verified
    _, clock = await world.get("/clock")
    (signature,) = world.receiver.signatures
    assert signature.startswith("t=")
    sent_at = int(signature[2:].partition(",")[0])
    assert abs(sent_at - datetime.fromisoformat(clock["now"]).timestamp()) < 60


async def test_a_decline_is_not_told(world: World) -> None:
    await world.charge("key-1", "tok_declined")
    await world.charge("key-2")
    assert (await world.receiver.event())["idempotency_key"] == "key-2"


@pytest.mark.parametrize(
    ("token", "kind", "reason"),
    [
        ("tok_bank_return_R10", "charge.returned", "R10"),
        ("tok_dispute", "charge.disputed", "fraudulent"),
    ],
)
async def test_what_becomes_of_a_charge_is_told_when_its_day_has_come(
    world: World, token: str, kind: str, reason: str
) -> None:
    _, charge = await world.charge("key-1", token)
    assert (await world.receiver.event())["type"] == "charge.succeeded"
    with pytest.raises(TimeoutError):
        await world.receiver.event(QUIET_S)
    await world.advance(4 * DAY_S)
    event = await world.receiver.event()
    assert (event["type"], event["reason"], event["charge_id"]) == (kind, reason, charge["charge_id"])


async def test_refunds_are_told_when_they_are_made_and_when_they_fail(world: World) -> None:
    _, charge = await world.charge("key-1", "tok_refund_fails")
    _, refund = await world.refund("refund-1", charge["charge_id"], 100)
    events = [await world.receiver.event() for _ in range(2)]
    await world.advance(DAY_S)
    events.append(await world.receiver.event())
    assert [event["type"] for event in events] == ["charge.succeeded", "refund.succeeded", "refund.failed"]
    assert [event.get("refund_id") for event in events] == [None, refund["refund_id"], refund["refund_id"]]
    assert len({event["event_id"] for event in events}) == 3


async def test_a_webhook_is_sent_again_until_it_is_taken(world: World) -> None:
    world.receiver.statuses = [500, 302]
    await world.charge("key-1")
    events = []
    for _ in range(3):
        events.append(await world.receiver.event())
        await world.advance(2**RETRY_DOUBLINGS_MAX)
    assert [event["answered"] for event in events] == [500, 302, 204]
    assert len({event["event_id"] for event in events}) == 1
    with pytest.raises(TimeoutError):
        await world.receiver.event(QUIET_S)


async def test_a_webhook_that_was_not_taken_is_not_sent_again_at_once(world: World) -> None:
    world.receiver.statuses = [500]
    await world.charge("key-1")
    await world.receiver.event()
    with pytest.raises(TimeoutError):
        await world.receiver.event(QUIET_S)


async def test_twice_sends_each_event_twice_under_one_id(world: World) -> None:
    await world.webhooks("twice")
    await world.charge("key-1")
    first, second = await world.receiver.event(), await world.receiver.event()
    assert first == second
    with pytest.raises(TimeoutError):
        await world.receiver.event(QUIET_S)


async def test_off_holds_everything_back_until_another_mode_follows(world: World) -> None:
    await world.webhooks("off")
    _, charge = await world.charge("key-1")
    with pytest.raises(TimeoutError):
        await world.receiver.event(QUIET_S)
    await world.webhooks("on")
    assert (await world.receiver.event())["charge_id"] == charge["charge_id"]


async def test_late_is_an_hour_later_by_the_clock(world: World) -> None:
    await world.webhooks("late")
    await world.charge("key-1")
    await world.advance(3540)
    with pytest.raises(TimeoutError):
        await world.receiver.event(QUIET_S)
    await world.advance(60)
    assert (await world.receiver.event())["idempotency_key"] == "key-1"


async def test_out_of_order_tells_the_refund_before_its_charge(world: World) -> None:
    await world.webhooks("out-of-order")
    _, charge = await world.charge("key-1")
    await world.refund("refund-1", charge["charge_id"], 100)
    await world.advance(MANNERS["out-of-order"].hold_s)
    events = [await world.receiver.event() for _ in range(2)]
    assert [event["type"] for event in events] == ["refund.succeeded", "charge.succeeded"]


async def test_out_of_order_tells_nothing_before_it_happens(world: World) -> None:
    await world.webhooks("out-of-order")
    await world.charge("key-1", "tok_dispute")
    await world.advance(MANNERS["out-of-order"].hold_s)
    assert (await world.receiver.event())["type"] == "charge.succeeded"
    with pytest.raises(TimeoutError):
        await world.receiver.event(QUIET_S)


async def test_what_was_not_sent_before_a_restart_is_sent_after_it(tmp_path: Path) -> None:
    async with served(tmp_path) as world:
        await world.webhooks("off")
        _, charge = await world.charge("key-1")
    async with served(tmp_path) as world:
        assert (await world.receiver.event())["charge_id"] == charge["charge_id"]


async def test_an_unknown_mode_is_refused(world: World) -> None:
    status, problem = await world.post("/processor/behaviour", {"webhooks": "sometimes"})
    assert (status, problem["fields"][0]["field"]) == (422, "body.webhooks")
