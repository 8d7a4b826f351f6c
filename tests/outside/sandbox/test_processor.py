import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox import processor
from sandbox.tokens import SLOW_S, TOKENS, Turn
from tests.outside.sandbox.world import BEARER, DAY_S, World, served


@pytest.mark.parametrize("token", ["tok_ok", "tok_bank_ok", "tok_bank_return_R01", "tok_dispute"])
async def test_a_good_token_is_charged_and_answered_at_once(world: World, token: str) -> None:
    status, charge = await world.charge("key-1", token)
    assert (status, charge["status"], charge["reason"]) == (200, "succeeded", None)
    assert (charge["amount_minor"], charge["currency"], charge["payment_id"]) == (2_500, "USD", "payment-1")
    assert [listed["charge_id"] for listed in await world.happened()] == [charge["charge_id"]]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("tok_declined", "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_of_somebody_else", "invalid_token"),
    ],
)
async def test_a_decline_gives_the_reason_and_charges_nothing(world: World, token: str, reason: str) -> None:
    first = await world.charge("key-1", token)
    assert (first[0], first[1]["status"], first[1]["reason"]) == (200, "declined", reason)
    assert await world.charge("key-1", token) == first
    assert (await world.by_key("key-1")) == first
    assert await world.happened() == []


async def test_a_charge_that_is_done_but_never_answered_can_be_asked_for(world: World) -> None:
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await world.charge("key-1", "tok_timeout_done", timeout_s=0.3)
    status, charge = await world.by_key("key-1")
    assert (status, charge["status"]) == (200, "succeeded")
    assert len(await world.happened()) == 1


@pytest.mark.parametrize(
    ("token", "told_after_s"), [("tok_timeout_done", 60), ("tok_500_done", 60), ("tok_slow", 6)]
)
async def test_a_charge_is_not_told_before_its_answer_and_without_one_a_minute_later(
    world: World, monkeypatch: pytest.MonkeyPatch, token: str, told_after_s: float
) -> None:
    monkeypatch.setattr(processor, "SLOW_S", 0.1)
    with suppress(TimeoutError):
        await world.charge("key-1", token, timeout_s=0.3)
    await world.charge("key-2")
    assert (await world.receiver.event())["idempotency_key"] == "key-2"
    await world.advance(told_after_s)
    assert (await world.receiver.event())["idempotency_key"] == "key-1"


async def test_a_charge_that_got_lost_was_never_received(world: World) -> None:
    with pytest.raises(TimeoutError):
        await world.charge("key-1", "tok_timeout_lost", timeout_s=0.3)
    status, problem = await world.by_key("key-1")
    assert (status, problem["reason"]) == (404, "not_received")
    assert await world.happened() == []


async def test_who_waits_for_ever_is_let_go_in_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "HANG_S", 0.2)
    status, _ = await world.charge("key-1", "tok_timeout_lost")
    assert status == 504


async def test_a_charge_that_ends_in_an_error_is_done_once_and_can_be_asked_for(world: World) -> None:
    assert [(await world.charge("key-1", "tok_500_done"))[0] for _ in range(2)] == [500, 500]
    assert (await world.by_key("key-1"))[1]["status"] == "succeeded"
    assert len(await world.happened()) == 1


async def test_a_slow_charge_answers_all_who_repeat_it_meanwhile_alike(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SLOW_S == 5
    monkeypatch.setattr(processor, "SLOW_S", 0.5)
    loop = asyncio.get_running_loop()
    began = loop.time()
    answers = await asyncio.gather(*(world.charge("key-1", "tok_slow") for _ in range(3)))
    assert loop.time() - began >= 0.5
    assert answers[0] == answers[1] == answers[2]
    assert len(await world.happened()) == 1


async def test_a_key_charges_once_however_many_use_it_at_the_same_time(world: World) -> None:
    answers = await asyncio.gather(*(world.charge("key-1") for _ in range(50)))
    assert answers == [answers[0]] * 50
    assert len(await world.happened()) == 1


async def test_a_key_with_other_content_is_a_conflict_and_charges_nothing(world: World) -> None:
    await world.charge("key-1")
    for other in ({"amount_minor": 2_501}, {"payment_id": "payment-2"}, {"account_number": "SBX-1002"}):
        status, problem = await world.charge("key-1", **other)
        assert (status, problem["reason"]) == (409, "idempotency_conflict")
    status, problem = await world.charge("key-1", "tok_declined")
    assert (status, problem["reason"]) == (409, "idempotency_conflict")
    assert len(await world.happened()) == 1


async def test_a_key_answers_the_same_until_its_24_hours_are_over_and_then_charges_anew(
    world: World,
) -> None:
    first = await world.charge("key-1")
    await world.advance(DAY_S - 60)
    assert await world.charge("key-1") == first
    await world.advance(60)
    assert await world.by_key("key-1") == first
    _, second = await world.charge("key-1", amount_minor=99)
    assert second["charge_id"] != first[1]["charge_id"]
    assert (await world.by_key("key-1"))[1] == second
    assert [charge["amount_minor"] for charge in await world.happened()] == [2_500, 99]


async def test_a_key_that_was_never_seen_is_not_received_however_old(world: World) -> None:
    await world.advance(2 * DAY_S)
    status, problem = await world.by_key("key-1")
    assert (status, problem["reason"]) == (404, "not_received")


async def test_a_bank_return_comes_after_two_banking_days_with_its_code(world: World) -> None:
    codes = ["R01", "R02", "R03", "R10", "R29"]
    charges = {code: (await world.charge(code, f"tok_bank_return_{code}"))[1] for code in codes}
    await world.advance(2 * DAY_S - 60)
    assert {listed["status"] for listed in await world.happened()} == {"succeeded"}
    # Two days of a weekend may lie in between.
    await world.advance(2 * DAY_S + 60)
    assert {listed["status"] for listed in await world.happened()} == {"returned"}
    for code in codes:
        assert (await world.by_key(code))[1] == charges[code] | {"status": "returned", "reason": code}


@pytest.mark.parametrize(
    ("charged_on", "returned_on"),
    [
        ((2026, 3, 2), (2026, 3, 4)),  # Monday
        ((2026, 3, 5), (2026, 3, 9)),  # Thursday
        ((2026, 3, 6), (2026, 3, 10)),  # Friday
        ((2026, 3, 7), (2026, 3, 10)),  # Saturday
        ((2026, 3, 8), (2026, 3, 10)),  # Sunday
    ],
)
def test_weekends_are_no_banking_days(charged_on: tuple[int, int, int], returned_on: tuple[int, int, int]) -> None:
    turn = TOKENS["tok_bank_return_R01"].turn
    assert isinstance(turn, Turn)
    assert turn.at(datetime(*charged_on, 9, 30, tzinfo=UTC)) == datetime(*returned_on, 9, 30, tzinfo=UTC)


def test_a_dispute_may_open_on_a_weekend() -> None:
    turn = TOKENS["tok_dispute"].turn
    assert isinstance(turn, Turn)
    friday, saturday = datetime(2026, 3, 6, tzinfo=UTC), datetime(2026, 3, 7, tzinfo=UTC)
    assert turn.at(friday) == saturday


async def test_a_dispute_opens_a_day_later(world: World) -> None:
    await world.charge("key-1", "tok_dispute")
    await world.advance(DAY_S - 60)
    assert (await world.happened())[0]["status"] == "succeeded"
    await world.advance(60)
    assert (await world.happened())[0]["status"] == "disputed"


async def test_a_dispute_goes_on_as_the_card_holders_bank_says(world: World) -> None:
    _, charge = await world.charge("key-1", "tok_dispute")
    path = f"/processor/charges/{charge['charge_id']}/dispute"
    early, problem = await world.post(path, {"status": "won"})
    await world.advance(DAY_S)
    assert (early, problem["reason"]) == (409, "not_disputed")
    assert (await world.by_key("key-1"))[1]["dispute_status"] == "needs_response"

    assert (await world.post(path, {"status": "won"}))[0] == 200

    assert (await world.by_key("key-1"))[1]["dispute_status"] == "won"
    assert [(await world.receiver.event())["type"] for _ in range(3)] == [
        "charge.succeeded",
        "charge.disputed",
        "charge.disputed",
    ]


async def test_a_charge_whose_dispute_was_won_can_be_refunded_again(world: World) -> None:
    _, charge = await world.charge("key-1", "tok_dispute")
    await world.advance(DAY_S)
    assert (await world.refund("refund-1", charge["charge_id"], 500))[1]["reason"] == "not_refundable"

    _, won = await world.post(f"/processor/charges/{charge['charge_id']}/dispute", {"status": "won"})

    assert (won["status"], won["dispute_status"]) == ("succeeded", "won")
    assert (await world.refund("refund-2", charge["charge_id"], 2_500))[1]["status"] == "succeeded"
    assert (await world.happened())[0]["status"] == "refunded"
    assert (await world.by_key("key-1"))[1]["dispute_status"] == "won"


async def test_refunds_add_up_to_the_charge_and_no_further(world: World) -> None:
    _, charge = await world.charge("key-1")
    charge_id = charge["charge_id"]
    status, refund = await world.refund("refund-1", charge_id, 1_000)
    assert (status, refund["status"], refund["amount_minor"]) == (200, "succeeded", 1_000)
    assert (await world.by_key("key-1"))[1] == charge | {"refunded_minor": 1_000}
    status, problem = await world.refund("refund-2", charge_id, 1_501)
    assert (status, problem["reason"]) == (422, "amount_exceeds_charge")
    assert (await world.refund("refund-2", charge_id, 1_500))[0] == 200
    assert [listed["status"] for listed in await world.happened()] == ["refunded"]
    assert (await world.refund("refund-3", charge_id, 1))[1]["reason"] == "amount_exceeds_charge"
    assert await world.charge("key-1") == (200, charge)


async def test_a_refund_is_made_once_for_its_key(world: World) -> None:
    _, charge = await world.charge("key-1")
    answers = await asyncio.gather(*(world.refund("refund-1", charge["charge_id"], 700) for _ in range(20)))
    assert answers == [answers[0]] * 20
    assert (await world.by_key("key-1"))[1]["refunded_minor"] == 700
    assert (await world.refund("refund-1", charge["charge_id"], 701))[1]["reason"] == "idempotency_conflict"
    assert (await world.refund("key-1", charge["charge_id"], 700))[1]["reason"] == "idempotency_conflict"
    assert await world.get("/processor/refunds/by-key/refund-1", headers=BEARER) == answers[0]
    status, problem = await world.get("/processor/refunds/by-key/refund-2", headers=BEARER)
    assert (status, problem["reason"]) == (404, "not_received")


async def test_only_a_charge_that_holds_can_be_refunded(world: World) -> None:
    _, declined = await world.charge("key-1", "tok_declined")
    for charge_id in (declined["charge_id"], "ch_unheard_of"):
        assert (await world.refund("refund-1", charge_id, 1))[1]["reason"] == "not_found"
    _, returned = await world.charge("key-2", "tok_bank_return_R01")
    await world.advance(4 * DAY_S)
    status, problem = await world.refund("refund-1", returned["charge_id"], 1)
    assert (status, problem["reason"]) == (409, "not_refundable")


async def test_a_refund_can_fail_a_day_later_and_leaves_the_charge_as_it_was(world: World) -> None:
    _, charge = await world.charge("key-1", "tok_refund_fails")
    assert (await world.refund("refund-1", charge["charge_id"], 2_500))[1]["status"] == "succeeded"
    assert (await world.happened())[0]["status"] == "refunded"
    await world.advance(DAY_S)
    _, refund = await world.get("/processor/refunds/by-key/refund-1", headers=BEARER)
    assert refund["status"] == "failed"
    assert (await world.happened())[0]["status"] == "succeeded"


async def test_the_truth_for_tests_has_the_form_of_the_contract_and_nothing_that_did_not_happen(
    world: World,
) -> None:
    _, first = await world.charge("key-1")
    await world.charge("key-2", "tok_declined")
    await world.charge("key-3", "tok_bank_ok", account_number="SBX-1002")
    (listed,) = await world.happened("SBX-1001")
    assert listed == {
        "charge_id": first["charge_id"],
        "idempotency_key": "key-1",
        "payment_id": "payment-1",
        "account_number": "SBX-1001",
        "amount_minor": 2_500,
        "currency": "USD",
        "kind": "card",
        "status": "succeeded",
        "created_at": first["created_at"],
    }
    _, everything = await world.get("/processor/charges")
    assert [charge["idempotency_key"] for charge in everything] == ["key-1", "key-3"]
    assert await world.happened("SBX-9999") == []


async def test_the_truth_survives_a_restart(tmp_path: Path) -> None:
    async with served(tmp_path) as world:
        first = await world.charge("key-1")
        declined = await world.charge("key-2", "tok_declined")
        with pytest.raises(TimeoutError):
            await world.charge("key-3", "tok_timeout_done", timeout_s=0.3)
        happened = await world.happened()
    async with served(tmp_path) as world:
        assert await world.happened() == happened
        assert await world.charge("key-1") == first
        assert await world.charge("key-2", "tok_declined") == declined
        assert (await world.charge("key-1", amount_minor=1))[0] == 409
        assert (await world.by_key("key-3"))[1]["status"] == "succeeded"
        assert await world.happened() == happened


async def test_only_who_knows_the_secret_may_charge_refund_and_ask(world: World) -> None:
    for authorization in ("", "Bearer", "Bearer guessed", "Bearer é"):
        headers = {"Idempotency-Key": "key-1", "Authorization": authorization}
        assert (await world.post("/processor/charges", {}, headers=headers))[0] == 401
        assert (await world.post("/processor/charges/ch_1/refunds", {}, headers=headers))[0] == 401
        assert (await world.get("/processor/charges/by-key/key-1", headers=headers))[0] == 401
        assert (await world.get("/processor/refunds/by-key/key-1", headers=headers))[0] == 401


async def test_a_bad_order_names_the_field_at_fault_and_is_as_if_never_received(world: World) -> None:
    faults: list[tuple[str, dict[str, Any]]] = [
        ("body.amount_minor", {"amount_minor": 0}),
        ("body.amount_minor", {"amount_minor": -5}),
        ("body.amount_minor", {"amount_minor": 12.5}),
        ("body.amount_minor", {"amount_minor": "12"}),
        ("body.currency", {"currency": "usd"}),
        ("body.payment_id", {"payment_id": ""}),
        ("body.method.kind", {"method": {"kind": "cash", "token": "tok_ok"}}),
    ]
    for field, fault in faults:
        status, problem = await world.charge("key-1", **fault)
        assert (status, [one["field"] for one in problem["fields"]]) == (422, [field])
    assert (await world.by_key("key-1"))[0] == 404


async def test_nothing_is_charged_without_a_key(world: World) -> None:
    status, problem = await world.post("/processor/charges", {}, headers=BEARER)
    assert status == 422
    assert "header.idempotency-key" in [one["field"] for one in problem["fields"]]
