"""The pages of Pay my bill: what a guest is told of a bill and of a payment."""

import json
from typing import Any

import httpx
import pytest

from tests.unit.portal.world import World, form, seen

BILL = {
    "account_number": "G-1",
    "guest_token": "gt",
    "subject": "guest-1",
    "balance_minor": 17_000,
    "currency": "USD",
}
CARD = {"method": "card", "token": "tok_ok", "last4": "4242", "brand": "visa"}
ACCEPTED: tuple[str, str, dict[str, Any]] = ("done", "payments.payment-accepted.v1", {})
SUCCEEDED = ("payments.payment-succeeded.v1", {"amount_minor": 17_000})
FAILED = ("payments.payment-failed.v1", {"reason": "card_declined"})
PAGE = "/pay-my-bill/payments/pay-1"


def guest(world: World) -> httpx.AsyncClient:
    """Return a browser in which the bill was looked up."""
    return world.visitor(cookie={"bill": world.app.state.cookie_box.close(json.dumps(BILL))})


async def pay(browser: httpx.AsyncClient) -> httpx.Response:
    sent = form(payment_id="pay-1", review_token="r", total_minor="17000", **CARD)
    return await browser.post("/pay-my-bill/pay", data=sent)


def told(world: World, kind: str, data: dict[str, Any]) -> None:
    """Have payments say what became of the payment."""
    command = world.producer.sent[0]
    event = {"id": kind, "type": kind, "subject": "G-1", "correlationid": command["id"], "data": data}
    world.app.state.events.take("payments.events.v1", json.dumps(event).encode())


def restarted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another process answer from now on: one that did not send what was sent so far."""
    monkeypatch.setattr(world.app.state.commands, "chain", lambda _command_id: None)


@pytest.mark.parametrize(
    ("became", "said"), [(SUCCEEDED, "Paid. Thank you! $170.00"), (FAILED, "The card was declined.")]
)
async def test_how_a_payment_ended_is_still_known_after_a_restart(
    world: World, monkeypatch: pytest.MonkeyPatch, became: tuple[str, dict[str, Any]], said: str
) -> None:
    async with guest(world) as browser:
        world.producer.outcome = ACCEPTED
        await pay(browser)
        told(world, *became)
        by_itself = seen((await browser.get(PAGE, headers={"x-unattended": "yes"})).text)
        restarted(world, monkeypatch)
        again = seen((await browser.get(PAGE)).text)
    assert said in by_itself
    assert said in again


async def test_of_a_payment_that_nobody_here_knows_the_end_of_nothing_is_promised(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with guest(world) as browser:
        world.producer.outcome = ACCEPTED
        await pay(browser)
        before = seen((await browser.get(PAGE)).text)
        restarted(world, monkeypatch)
        after = seen((await browser.get(PAGE)).text)
    assert "This page changes by itself" in before
    assert "We can no longer follow this payment here Look your bill up again" in after
    assert "Look my bill up again" in after
    assert "This page changes by itself" not in after


async def test_the_receipt_says_which_bill_was_paid_when_and_where(world: World) -> None:
    async with guest(world) as browser:
        world.producer.outcome = ACCEPTED
        await pay(browser)
        told(world, *SUCCEEDED)
        page = seen((await browser.get(PAGE)).text)
    year = world.app.state.clock.now().year
    assert "Bill G-1 Date" in page
    assert f", {year}, " in page
    assert "Paid through Patient portal · portal Number pay-1" in page


async def test_who_has_paid_looks_the_bill_up_again_and_a_second_click_shows_the_payment(world: World) -> None:
    async with guest(world) as browser:
        world.producer.outcome = ACCEPTED
        await pay(browser)
        told(world, *SUCCEEDED)
        await browser.get(PAGE)
        amount = await browser.get("/pay-my-bill/amount")
        second = await pay(browser)
    assert amount.headers["location"] == "/pay-my-bill"
    assert second.headers["location"] == PAGE
    assert len(world.producer.sent) == 1


async def test_a_second_click_while_the_payment_is_under_way_goes_on_following_the_first(world: World) -> None:
    async with guest(world) as browser:
        world.producer.outcome = ACCEPTED
        await pay(browser)
        second = await pay(browser)
        told(world, *SUCCEEDED)
        page = seen((await browser.get(second.headers["location"])).text)
    assert len(world.producer.sent) == 1
    assert "Paid. Thank you!" in page


async def test_a_bill_whose_balance_has_changed_is_looked_up_again(world: World) -> None:
    exceeds = {"status": 422, "reason": "amount_exceeds_balance", "detail": "-"}
    async with guest(world) as browser:
        world.services.answer("POST", "/v1/payment-reviews", exceeds, 422)
        more = await browser.post("/pay-my-bill/review", data=form(amount_choice="other", amount="180", **CARD))
        all_of_it = await browser.post("/pay-my-bill/review", data=form(amount_choice="all", **CARD))
        lookup = seen((await browser.get(all_of_it.headers["location"])).text)
        old = await browser.get("/pay-my-bill/amount")
    assert "This is more than you owe." in more.text
    assert "Your balance has changed. Please look your bill up again." in lookup
    assert old.headers["location"] == "/pay-my-bill"


@pytest.mark.parametrize("reason", ["amount_exceeds_balance", "review_stale"])
async def test_a_payment_of_a_balance_that_has_changed_leads_back_to_the_lookup(world: World, reason: str) -> None:
    async with guest(world) as browser:
        world.producer.outcome = ("refused", "payments.command-refused.v1", {"reason": reason})
        answer = await pay(browser)
        lookup = seen((await browser.get(answer.headers["location"])).text)
    assert "Your balance has changed." in lookup
