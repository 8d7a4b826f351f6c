"""The pages of bills and payments: what they say is how things stand."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from portal import calls
from tests.unit.portal.bills import account, part, payment, plan, statement, visit
from tests.unit.portal.world import World, seen

LOST = {"dispute_status": "lost"}
RETURNED = {"status": "returned", "reason": "R99"}


async def shown(world: World, path: str, language: str = "en") -> str:
    async with world.person(language) as browser:
        return seen((await browser.get(path)).text)


@pytest.mark.parametrize(
    ("became", "words", "status"),
    [
        ({}, "Paid. Thank you! $100.00", "Paid"),
        ({"dispute_status": "needs_response"}, "This payment is disputed The bank was asked", "Disputed"),
        ({"dispute_status": "under_review"}, "This payment is disputed The bank was asked", "Disputed"),
        ({"dispute_status": "won"}, "Paid. Thank you! $100.00 This payment was disputed. The bank", "Paid"),
        (LOST, "The payment was taken back This payment was disputed, and the bank took", "Taken back"),
        (RETURNED, "The payment came back The bank sent the payment back.", "Sent back"),
        ({"refunded_minor": 4_000}, "Paid. Thank you! $100.00", "Partly given back"),
        ({"refunded_minor": 10_000}, "The money was given back $100.00", "Given back"),
        ({"status": "failed"}, "This was not paid The payment did not go through.", "Not paid"),
        ({"status": "unknown"}, "We are working on your payment We are checking", "Being checked"),
    ],
)
async def test_a_payment_reads_as_it_stands(world: World, became: dict[str, Any], words: str, status: str) -> None:
    world.services.answer("GET", "/v1/payments/pay-1", payment(**became))
    world.services.answer("GET", "/v1/accounts/G-1", account())
    world.services.answer("GET", "/v1/accounts/G-1/payments", {"items": [payment(**became)], "next": None})
    page = await shown(world, "/payments/pay-1")
    listed = await shown(world, "/billing/G-1/payments")
    assert words in page
    assert f"Status {status} Amount" in page
    assert f"Visa •••• 4242 {status} $100.00" in listed


@pytest.mark.parametrize("became", [LOST, RETURNED])
async def test_a_payment_that_did_not_stay_has_another_way_and_no_receipt(
    world: World, became: dict[str, Any]
) -> None:
    world.services.answer("GET", "/v1/payments/pay-1", payment(**became))
    world.services.answer("GET", "/v1/accounts/G-1", account())
    world.services.answer("GET", "/v1/accounts/G-1/payments", {"items": [payment(**became)], "next": None})
    page = await shown(world, "/payments/pay-1")
    assert "What it had paid is owed again." in page
    assert "Pay another way" in page
    assert "Thank you" not in page
    assert "Receipt (PDF)" not in page
    assert (await shown(world, "/billing/G-1/payments")).count("Receipt") == 1  # the column's name


async def test_a_lost_dispute_is_told_in_spanish_too(world: World) -> None:
    world.services.answer("GET", "/v1/payments/pay-1", payment(**LOST))
    page = await shown(world, "/payments/pay-1", "es")
    assert "El pago fue retirado Este pago estuvo en disputa y el banco retiró el dinero." in page
    assert "Lo que había pagado se debe otra vez." in page


def given_plans(world: World, *plans: dict[str, Any], **fields: Any) -> None:
    found = account(plans=list(plans), **fields)
    world.services.answer("GET", "/v1/billing-summary", {"accounts": [found]})
    world.services.answer("GET", "/v1/accounts/G-1", found)
    world.services.answer("GET", "/v1/accounts/G-1/plans", list(plans))
    world.services.answer("GET", "/v1/preferences", {"contacts": [], "accounts": []})


async def test_a_part_that_is_due_is_seen_of_every_plan(world: World) -> None:
    newest = plan(part(amount_minor=3_000), plan_id="plan-2")
    given_plans(world, newest, plan(part("paid", 3_000), part("due", 4_000, 2, "2026-02-15")))
    home, summary = await shown(world, "/"), await shown(world, "/billing")
    assert "A part of your plan is due $40.00 · Feb 15, 2026" in home
    assert summary.count("Payment plan: $25.00 a month") == 2
    assert "Due $40.00 · Feb 15, 2026 Pay now toward the plan" in summary
    async with world.person() as browser:
        for path in ("/", "/billing"):
            assert 'href="/pay/G-1?plan=plan-1"' in (await browser.get(path)).text


async def test_a_part_that_was_not_paid_is_told_as_that(world: World) -> None:
    given_plans(world, plan(part("failed", 4_000)))
    assert "A part of your plan was not paid $40.00 · Jan 15, 2026" in await shown(world, "/")
    assert "Not paid $40.00 · Jan 15, 2026" in await shown(world, "/billing")


@pytest.mark.parametrize("status", ["due", "failed", "scheduled"])
async def test_of_a_paused_plan_nothing_is_due_anywhere(world: World, status: str) -> None:
    given_plans(world, plan(part("paid", 3_000), part(status, 4_000, 2), status="paused", autopay=True))
    home, summary, tab = [await shown(world, path) for path in ("/", "/billing", "/billing/G-1/plan")]
    assert "A part of your plan" not in home
    assert "Paused Nothing is due until you go on." in summary
    assert "Nothing is due until you go on. What is left to pay then gets new dates." in tab
    assert "1 Jan 15, 2026 Paid $30.00" in tab
    assert "Paused $40.00" in tab
    assert tab.count("2026") == 1  # nobody knows the new dates yet


async def test_amounts_are_in_the_currency_of_their_account(world: World) -> None:
    paying = payment(status="processing", amount_minor=3_000, currency="EUR")
    euros = plan(part("due", 4_000), currency="EUR")
    given_plans(world, euros, currency="EUR", payable_minor=500, payments_in_progress=[paying])
    world.services.answer("GET", "/v1/accounts/G-1/methods", [])
    home, summary, pay = [await shown(world, path) for path in ("/", "/billing", "/pay/G-1")]
    assert "€30.00, nothing for you to do." in home
    assert "A part of your plan is due €40.00" in home
    assert "Bill for Maria Sandoval €5.00" in home
    assert "All of it €5.00 Another amount €" in pay
    assert "$" not in home + summary + pay


async def test_where_plans_pay_all_that_is_owed_the_next_part_is_told_and_can_be_paid(world: World) -> None:
    parts = [part("paid", 3_000), part(amount_minor=7_000, number=2, due_on="2026-02-15")]
    given_plans(world, plan(*parts), newest_statement=statement())
    async with world.person() as browser:
        pages = [(await browser.get(path)).text for path in ("/billing", "/billing/G-1")]
    for page in pages:
        assert "You owe $100.00 next: $70.00 on Feb 15, 2026" in seen(page)
        assert 'class="btn btn-primary" href="/pay/G-1?plan=plan-1">Pay now toward the plan' in page
        assert "due by" not in page
        assert 'href="/pay/G-1"' not in page
        assert 'href="/plan/G-1"' not in page


async def test_of_a_closed_visit_nothing_is_left_to_pay(world: World) -> None:
    visits = [visit(), visit("V-2", closed=True, charges_minor=1_800, balance_minor=1_800, payable_minor=0)]
    given_plans(world, visit_accounts=visits)
    summary, tab = [await shown(world, path) for path in ("/billing", "/billing/G-1")]
    assert "Closed \N{EN DASH}" in summary
    assert "Visit to V-2" in tab
    assert "You owe \N{EN DASH}" in tab
    assert summary.count("$18.00") == 0


async def test_what_somebody_else_owes_is_not_said_to_be_ones_own_debt(world: World) -> None:
    given_plans(world, visit_accounts=[visit()], relationship="viewer")
    for path in ("/billing", "/billing/G-1"):
        page = await shown(world, path)
        assert "Still owed $100.00" in page
        assert "You owe" not in page
        assert "You paid" not in page


PATIENTS = [
    {"patient_id": "p-2", "name": "Leo Sandoval", "relationship": "proxy"},
    {"patient_id": "p-1", "name": "Maria Sandoval", "relationship": "self"},
]


@pytest.mark.parametrize(("patients", "named"), [(PATIENTS, 1), (PATIENTS[1:], 0)])
async def test_who_looks_after_several_sees_whose_visit_it_was(
    world: World, patients: list[dict[str, Any]], named: int
) -> None:
    given_plans(world, visit_accounts=[visit(), visit("V-2", patient_id="p-2"), visit("V-3", patient_id="p-9")])
    world.services.answer("GET", "/v1/patients", patients)
    summary, tab = [await shown(world, path) for path in ("/billing", "/billing/G-1")]
    assert summary.count("Visit to V-2 Leo Sandoval") == named
    assert tab.count("Visit to V-2 Leo Sandoval · Jan 2, 2026") == named
    assert "Visit to V-3" in summary


async def test_how_statements_come_is_not_kept_quiet_about_when_nobody_knows(world: World) -> None:
    given_plans(world, newest_statement=statement())
    world.services.answer("GET", "/v1/preferences", {"detail": "-"}, 503)
    assert "Whether it comes on paper cannot be shown right now." in await shown(world, "/billing")


async def test_a_service_that_is_slow_takes_nothing_from_a_page_but_its_own_part(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_by_then = asyncio.Event()

    async def too_late(_request: web.Request) -> web.Response:
        await seen_by_then.wait()
        return web.json_response([])

    monkeypatch.setattr(calls, "ASIDE_S", 0.2)
    given_plans(world, newest_statement=statement())
    for path in ("/v1/preferences", "/v1/patients", "/v1/coverages"):
        world.services.answer("GET", path, too_late)
    home, summary = await shown(world, "/"), await shown(world, "/billing")
    seen_by_then.set()
    assert "Your insurance cannot be shown right now." in home
    assert "Bill for Maria Sandoval" in home
    assert "Whether it comes on paper cannot be shown right now." in summary
