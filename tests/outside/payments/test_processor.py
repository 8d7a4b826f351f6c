"""The processor as the service meets it: the sandbox's, and one that misbehaves on purpose."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from local.ports import free_port
from sandbox.webhooks import EventType
from services.payments.adapters.processor import Processor, Told, told_by_webhook
from services.payments.domain.charging import ChargeAnswer, ChargeAnswered, ChargeMethod, QueryCharge
from services.payments.tasks import performers
from shared.messaging.handlers import Performer, TaskFailedError
from shared.signatures import sign
from tests.outside.sandbox.world import SECRET, World, served
from tests.unit.payments.story import NOW, SECOND

Meeting = tuple[World, Processor]


def order(does: str = "tok_ok", key: str = "key-1", **changes: Any) -> ChargeMethod:
    asked: dict[str, Any] = {
        "payment_id": "pay-1",
        "account_number": "SBX-1001",
        "amount_minor": 2_500,
        "currency": "USD",
        "kind": "card",
        "token": does,
        "key": key,
        "send_before": NOW,
    }
    return ChargeMethod(**asked | changes)


def query(number: int = 3) -> QueryCharge:
    return QueryCharge(payment_id="pay-1", account_number="SBX-1001", key="key-1", query=number)


@asynccontextmanager
async def processor_at(url: str, timeout_s: float = 20, secret: str = SECRET) -> AsyncIterator[Processor]:
    processor = Processor(url, secret, timeout_s)
    try:
        yield processor
    finally:
        await processor.close()


async def address(world: World) -> str:
    async with world.client.get("/") as answer:
        return str(answer.url.with_path("/processor"))


@pytest.fixture
async def meeting(tmp_path: Path) -> AsyncIterator[Meeting]:
    """The sandbox's processor, and the adapter in front of it."""
    async with served(tmp_path) as world, processor_at(await address(world)) as processor:
        yield world, processor


async def test_a_charge_that_succeeds_is_told_with_its_id(meeting: Meeting) -> None:
    world, processor = meeting

    answer = await processor.charge(order())

    (charge,) = await world.happened()
    assert answer == ChargeAnswer(result="succeeded", charge_id=charge["charge_id"])
    assert (charge["idempotency_key"], charge["payment_id"]) == ("key-1", "pay-1")


async def test_a_decline_is_told_with_its_reason(meeting: Meeting) -> None:
    world, processor = meeting

    answer = await processor.charge(order("tok_insufficient_funds"))

    assert (answer.result, answer.reason) == ("declined", "insufficient_funds")
    assert await world.happened() == []


async def test_sending_a_charge_again_charges_once(meeting: Meeting) -> None:
    world, processor = meeting

    first, again = [await processor.charge(order()) for _ in range(2)]

    assert first == again
    assert len(await world.happened()) == 1


@pytest.mark.parametrize(
    ("token", "truth"),
    [
        ("tok_timeout_done", "succeeded"),
        ("tok_timeout_lost", "not_received"),
        ("tok_500_done", "succeeded"),
    ],
)
async def test_a_charge_without_an_answer_is_unknown_until_it_is_asked_for(
    meeting: Meeting, token: str, truth: str
) -> None:
    world, processor = meeting

    async with processor_at(await address(world), timeout_s=1) as impatient:
        assert await impatient.charge(order(token)) == ChargeAnswer(result="unknown")
    assert (await processor.charge_of_key("key-1")).result == truth


async def test_a_charge_that_was_returned_later_was_taken(meeting: Meeting) -> None:
    world, processor = meeting
    await processor.charge(order("tok_bank_return_R01", kind="bank_account"))
    await world.advance(timedelta(days=7).total_seconds())

    assert (await processor.charge_of_key("key-1")).result == "succeeded"


async def test_a_dispute_is_told_until_it_is_won_and_then_too(meeting: Meeting) -> None:
    world, processor = meeting
    charged = await processor.charge(order("tok_dispute"))
    await world.advance(timedelta(days=1).total_seconds())
    path = f"/processor/charges/{charged.charge_id}/dispute"
    for status in ("needs_response", "under_review", "won"):
        await world.post(path, {"status": status})

        told = await processor.charge_of_key("key-1")

        assert (told.result, told.stands, told.dispute_status) == ("succeeded", "disputed", status)


async def test_a_request_that_the_processor_rejects_is_declined(meeting: Meeting) -> None:
    _, processor = meeting

    assert await processor.charge(order("t" * 200)) == ChargeAnswer(result="declined", reason="rejected")


async def test_a_key_used_for_another_request_leaves_the_charge_unknown(meeting: Meeting) -> None:
    _, processor = meeting
    await processor.charge(order())

    assert await processor.charge(order(amount_minor=1)) == ChargeAnswer(result="unknown")


async def test_a_wrong_secret_is_tried_again(meeting: Meeting) -> None:
    world, _ = meeting
    async with processor_at(await address(world), secret="another") as processor:
        with pytest.raises(TaskFailedError, match="processor_answered_401"):
            await processor.charge(order())


async def test_a_processor_that_is_not_there_is_tried_again() -> None:
    async with processor_at(f"http://127.0.0.1:{free_port()}") as processor:
        with pytest.raises(TaskFailedError, match="processor_not_reached"):
            await processor.charge(order())
        with pytest.raises(TaskFailedError, match="processor_not_reached"):
            await processor.charge_of_key("key-1")


class Misbehaving:
    """A processor that answers whatever the test wants."""

    def __init__(self, status: int = 200, body: str = "") -> None:
        self._answer = (status, body)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self.server = TestServer(app)

    async def _handle(self, request: web.Request) -> web.Response:
        if request.path == "/elsewhere":
            return web.json_response({"charge_id": "ch-1", "status": "succeeded"})
        status, body = self._answer
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        headers = {"Location": "/elsewhere", "Content-Type": "application/json"}
        return web.Response(status=status or 200, body=body.encode(), headers=headers)


@asynccontextmanager
async def misbehaving(status: int, body: str = "") -> AsyncIterator[Processor]:
    other = Misbehaving(status, body)
    async with other.server, processor_at(str(other.server.make_url("/"))) as processor:
        yield processor


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "no json"),
        (200, "[]"),
        (200, '{"charge_id": "ch-1", "status": "thinking"}'),
        (200, '{"status": "succeeded"}'),
        (409, '{"reason": "in_progress"}'),
        (302, "{}"),
        (503, "{}"),
        (0, ""),
    ],
)
async def test_an_answer_that_says_nothing_for_certain_is_unknown(status: int, body: str) -> None:
    async with misbehaving(status, body) as processor:
        assert await processor.charge(order()) == ChargeAnswer(result="unknown")


async def test_a_busy_processor_is_tried_again() -> None:
    async with misbehaving(429) as processor:
        with pytest.raises(TaskFailedError, match="processor_answered_429"):
            await processor.charge(order())


async def test_a_decline_in_words_that_are_no_code_is_still_a_decline() -> None:
    body = '{"charge_id": "ch-1", "status": "declined", "reason": "not today, sorry"}'
    async with misbehaving(200, body) as processor:
        assert await processor.charge(order()) == ChargeAnswer(result="declined", charge_id="ch-1")


@pytest.mark.parametrize(("status", "body"), [(503, ""), (404, "{}"), (404, "no json"), (0, "")])
async def test_a_query_without_a_clear_answer_is_tried_again(status: int, body: str) -> None:
    async with misbehaving(status, body) as processor:
        with pytest.raises(TaskFailedError):
            await processor.charge_of_key("key-1")


async def test_no_charge_waits_for_another_to_be_answered() -> None:
    all_there = asyncio.Barrier(150)

    async def answer_once_all_are_there(_: web.Request) -> web.Response:
        await all_there.wait()
        return web.json_response({"charge_id": "ch-1", "status": "succeeded"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer_once_all_are_there)
    server = TestServer(app)
    async with server, processor_at(str(server.make_url("/"))) as processor:
        orders = [order(key=f"key-{number}") for number in range(150)]
        answers = await asyncio.gather(*(processor.charge(one) for one in orders))

    assert {answer.result for answer in answers} == {"succeeded"}


def performer(processor: Processor, task: type[ChargeMethod | QueryCharge]) -> Performer:
    return performers(processor, lambda: NOW, timedelta(seconds=15))[task]


async def test_a_charge_is_performed_and_its_answer_handed_back(meeting: Meeting) -> None:
    _, processor = meeting
    perform = performer(processor, ChargeMethod).perform

    answer = await perform(order("tok_declined", send_before=NOW + SECOND), "ignored")

    assert isinstance(answer, ChargeAnswered)
    assert (answer.payment_id, answer.account_number, answer.query) == ("pay-1", "SBX-1001", 0)
    assert (answer.result, answer.reason) == ("declined", "card_declined")


async def test_a_charge_that_was_held_up_too_long_is_never_sent(meeting: Meeting) -> None:
    world, processor = meeting
    perform = performer(processor, ChargeMethod).perform

    answer = await perform(order(send_before=NOW), "ignored")

    assert isinstance(answer, ChargeAnswered)
    assert answer.result == "unknown"
    assert await world.happened() == []


async def test_a_query_is_performed_and_says_which_it_answers(meeting: Meeting) -> None:
    _, processor = meeting

    answer = await performer(processor, QueryCharge).perform(query(3), "ignored")

    assert isinstance(answer, ChargeAnswered)
    assert (answer.query, answer.result) == (3, "not_received")


async def test_a_task_that_is_given_up_leaves_the_payment_unknown(meeting: Meeting) -> None:
    _, processor = meeting

    for task, number in ((order(), 0), (query(2), 2)):
        given_up = performer(processor, type(task)).gave_up(task, "processor_not_reached")
        assert isinstance(given_up, ChargeAnswered)
        assert (given_up.result, given_up.query) == ("unknown", number)


def event(kind: str) -> bytes:
    return json.dumps({"event_id": "evt-1", "type": kind, "payment_id": "pay-1", "amount_minor": 100}).encode()


@pytest.mark.parametrize("kind", get_args(EventType))
def test_an_event_is_about_a_payment_or_about_a_refund_of_it(kind: str) -> None:
    told = told_by_webhook(SECRET, sign(SECRET, NOW, event(kind)), event(kind), NOW)

    assert isinstance(told, Told)
    assert (told.payment_id, told.about) == ("pay-1", "refund" if "refund" in kind else "payment")


def test_what_is_not_signed_lately_or_is_no_event_is_not_believed() -> None:
    body, other = event("charge.returned"), b'{"type": "charge.returned"}'
    signature = sign(SECRET, NOW, body)

    assert told_by_webhook("another secret", signature, body, NOW) == "signature_invalid"
    assert told_by_webhook(SECRET, signature, body, NOW + timedelta(minutes=6)) == "signature_invalid"
    assert told_by_webhook(SECRET, sign(SECRET, NOW, other), other, NOW) == "invalid_data"
