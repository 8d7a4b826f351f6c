"""Payment plans through their months: quoted, started, changed, paid by themselves, with charges beside them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from local.infrastructure import Endpoints
from services.payments.domain.rules import Rules
from shared.events.envelope import write
from shared.events.payments import SaveMethod
from shared.events.plans import ChangePlan
from shared.events.topics import HOST_BILLING
from tests.flow.payments_batches import about
from tests.flow.payments_portal import Portal, running_payments
from tests.unit.payments.plan_story import BANK
from tests.unit.payments.story import CARD, adjustment, charge, start_plan, submit


@pytest.fixture(scope="module", name="portal")
async def payments_and_time(
    infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Portal]:
    async with running_payments(infrastructure, tmp_path_factory.mktemp("sandbox"), 5.0) as portal:
        yield portal


async def test_a_plan_pays_itself_month_by_month(portal: Portal) -> None:
    number = await portal.account(12_000)
    command = await portal.command(number, start_plan(6_000, f"{number}-plan", method=CARD))
    started = (await portal.outcome(command))["data"]
    assert [one["amount_minor"] for one in started["instalments"]] == [6_000, 6_000]

    await portal.advance(timedelta(days=45))
    await portal.said_of(number, "payments.instalment-paid.v1", number=1)
    await portal.advance(timedelta(days=45))

    await portal.said(number, "payments.plan-completed.v1")
    assert [charge["amount_minor"] for charge in await portal.world.happened(number)] == [6_000, 6_000]
    _, account = await portal.api.get(f"/v1/accounts/{number}", person="P-1")
    assert (account["balance_minor"], account["plan"]) == (0, None)
    _, plans = await portal.api.get(f"/v1/accounts/{number}/plans", person="P-1")
    assert [(plan["status"], plan["remaining_minor"]) for plan in plans] == [("completed", 0)]
    assert "tok_ok" not in str(plans)


async def test_an_instalment_whose_dispute_was_lost_is_paid_by_another_card(portal: Portal) -> None:
    number = await portal.account(12_000)
    disputed = CARD.model_copy(update={"token": "tok_dispute", "last4": "0259"})
    await portal.outcome(
        await portal.command(number, start_plan(6_000, plan_id := f"{number}-plan", method=disputed))
    )
    await portal.advance(timedelta(days=45))
    paid = (await portal.said_of(number, "payments.instalment-paid.v1", number=1))["data"]
    await portal.advance(timedelta(days=1))
    await portal.webhook("charge.disputed", paid["payment_id"])
    await portal.said(number, "payments.plan-changed.v1")
    (charge,) = await portal.world.happened(number)
    assert (await portal.world.post(f"/processor/charges/{charge['charge_id']}/dispute", {"status": "lost"}))[
        0
    ] == 200
    await portal.webhook("charge.disputed", paid["payment_id"])
    await portal.said_of(number, "payments.instalment-failed.v1", number=1, reason="dispute_lost")

    change = ChangePlan(plan_id=plan_id, account_number=number, method=CARD, autopay=True)
    await portal.outcome(await portal.command(number, change))

    await portal.said_of(number, "payments.balance-changed.v1", balance_minor=6_000, version=4)
    _, account = await portal.api.get(f"/v1/accounts/{number}", person="P-1")
    assert [one["status"] for one in account["plan"]["instalments"]] == ["paid", "scheduled"]


async def test_a_plan_whose_last_debit_came_back_debits_the_saved_account_again(portal: Portal) -> None:
    number = await portal.account(5_000)
    bank = BANK.model_copy(update={"token": "tok_bank_return_R01"})
    save = SaveMethod(account_number=number, method_id=(method_id := f"{number}-bank"), method=bank)
    await portal.outcome(await portal.command(number, save))
    start = start_plan(5_000, f"{number}-plan", method=None, method_id=method_id)
    await portal.outcome(await portal.command(number, start))
    await portal.advance(timedelta(days=45))
    await portal.said(number, "payments.plan-completed.v1")
    paid = (await portal.said_of(number, "payments.instalment-paid.v1", number=1))["data"]

    await portal.advance(timedelta(days=6))
    await portal.webhook("charge.returned", paid["payment_id"])

    failed = await portal.said_of(number, "payments.instalment-failed.v1", number=1, reason="R01")
    assert failed["data"]["retry_on"]


async def test_what_is_charged_after_a_plan_began_is_shown_and_paid_beside_it(portal: Portal) -> None:
    number = await portal.account(12_000)
    await portal.outcome(await portal.command(number, start_plan(6_000, f"{number}-plan", method=CARD)))
    await portal.publish(HOST_BILLING.name, number, *map(write, about(number, charge(700, charge_id="C-later"))))
    await portal.said_of(number, "payments.balance-changed.v1", balance_minor=12_700)

    _, account = await portal.api.get(f"/v1/accounts/{number}", person="P-1")
    visits = [visit["payable_minor"] for visit in account["visit_accounts"]]
    refused = await portal.outcome(await portal.command(number, submit(701, f"{number}-more")))
    await portal.command(number, submit(700, f"{number}-later"))

    assert (account["balance_minor"], account["payable_minor"], visits) == (12_700, 700, [700])
    assert refused["data"]["reason"] == "plan_exists"
    await portal.said_of(number, "payments.payment-succeeded.v1", payment_id=f"{number}-later")
    await portal.publish(HOST_BILLING.name, number, *map(write, about(number, adjustment(-2_000))))
    await portal.said_of(number, "payments.balance-changed.v1", balance_minor=10_000)
    _, account = await portal.api.get(f"/v1/accounts/{number}", person="P-1")
    assert (account["payable_minor"], account["plan"]["remaining_minor"]) == (0, 10_000)


def told(quote: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a quote's instalments as an event tells them."""
    return [{name: one[name] for name in one if name != "status"} for one in quote["instalments"]]


async def test_a_plan_is_quoted_as_it_would_be_started(portal: Portal) -> None:
    number = await portal.account(10_000)
    asked = {"account_number": number, "day_of_month": 10}

    status, quote = await portal.api.post("/v1/plan-quotes", asked | {"months": 3}, person="P-1")
    small, problem = await portal.api.post("/v1/plan-quotes", asked | {"monthly_amount_minor": 100}, person="P-1")

    assert (status, quote["total_minor"], quote["limits"]["months_max"]) == (200, 10_000, Rules.plan_months_max)
    assert [one["amount_minor"] for one in quote["instalments"]] == [3_333, 3_333, 3_334]
    assert (small, problem["reason"]) == (409, "instalment_too_small")
    assert (await portal.api.post("/v1/plan-quotes", asked | {"months": 3}, person="P-9"))[0] == 404
    monthly_minor = quote["monthly_amount_minor"]
    command = await portal.command(number, start_plan(monthly_minor, f"{number}-plan", day_of_month=10))
    assert (await portal.outcome(command))["data"]["instalments"] == told(quote)


async def test_a_change_of_a_plan_is_quoted_as_it_would_be_made(portal: Portal) -> None:
    number = await portal.account(10_000)
    plan_id = f"{number}-plan"
    await portal.outcome(await portal.command(number, start_plan(2_500, plan_id, day_of_month=10)))
    asked = {"account_number": number, "plan_id": plan_id, "monthly_amount_minor": 4_000, "day_of_month": 20}

    status, quote = await portal.api.post("/v1/plan-quotes", asked, person="P-1")
    visits = {"visit_account_numbers": quote["visit_account_numbers"]}
    both, _ = await portal.api.post("/v1/plan-quotes", asked | visits, person="P-1")
    other, problem = await portal.api.post("/v1/plan-quotes", asked | {"plan_id": "another"}, person="P-1")

    assert (status, [one["status"] for one in quote["instalments"]]) == (200, ["scheduled"] * 2)
    assert (quote["limits"]["monthly_min_minor"], quote["limits"]["monthly_max_minor"]) == (2_500, 10_000)
    assert (both, other, problem["reason"]) == (422, 404, "not_found")
    change = ChangePlan(
        plan_id=plan_id, account_number=number, monthly_amount_minor=4_000, currency="USD", day_of_month=20
    )
    changed = await portal.outcome(await portal.command(number, change))
    assert (changed["type"], changed["data"]["instalments"]) == ("payments.plan-changed.v1", told(quote))
