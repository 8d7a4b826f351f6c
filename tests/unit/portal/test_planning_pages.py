"""The pages of a payment plan: what is quoted, for which plan and in which currency."""

import hashlib
import re
from http import HTTPStatus
from typing import Any

import pytest
from aiohttp import web

from portal.planning import AUTHORIZATION_VERSION
from tests.unit.portal.bills import account, plan
from tests.unit.portal.world import World, form, seen


def given(world: World, found: dict[str, Any]) -> None:
    world.services.answer("GET", "/v1/accounts/G-1", found)
    world.services.answer("GET", "/v1/accounts/G-1/methods", [])


def quote_of(*parts: tuple[int, str], currency: str = "USD") -> dict[str, Any]:
    instalments = [
        {"number": number, "due_on": f"2026-{number:02}-15", "amount_minor": amount_minor, "status": status}
        for number, (amount_minor, status) in enumerate(parts, 1)
    ]
    limits = {"monthly_min_minor": 2_500, "monthly_max_minor": 10_000, "months_max": 36}
    return {
        "currency": currency,
        "total_minor": sum(amount_minor for amount_minor, _status in parts),
        "monthly_amount_minor": parts[-1][0],
        "instalments": instalments,
        "limits": limits,
    }


def quoted(world: World, *parts: tuple[int, str], currency: str = "USD") -> None:
    world.services.answer("POST", "/v1/plan-quotes", quote_of(*parts, currency=currency))


async def test_a_change_is_quoted_for_the_plan_that_is_changed_at_once_and_while_one_types(world: World) -> None:
    given(world, account(plans=[plan()]))
    quoted(world, (2_000, "paid"), (4_000, "scheduled"), (4_000, "scheduled"))
    async with world.person() as browser:
        page = seen((await browser.get("/plan/G-1/plan-1")).text)
        typed = {"monthly": "40", "day": "20", "plan": "plan-1"}
        part = seen((await browser.get("/plan/G-1/quote", params=typed)).text)
    first, second = (asked.body for asked in world.services.calls("POST", "/v1/plan-quotes"))
    assert first == {
        "account_number": "G-1",
        "plan_id": "plan-1",
        "monthly_amount_minor": 2_500,
        "day_of_month": 15,
    }
    assert second == first | {"monthly_amount_minor": 4_000, "day_of_month": 20}
    assert "At least $25.00 a month, for at most 36 months." in page
    for shown in (page, part):
        assert "2 payments of $40.00 · no interest" in shown
        assert "1 Jan 15, 2026 · Paid $20.00" in shown
        assert "In all $100.00" in shown


async def test_a_new_plan_is_quoted_for_all_that_can_be_in_one(world: World) -> None:
    given(world, account())
    quoted(world, (5_000, "scheduled"), (5_000, "scheduled"))
    async with world.person() as browser:
        page = seen((await browser.get("/plan/G-1")).text)
    assert "2 payments of $50.00 · no interest" in page
    (asked,) = world.services.calls("POST", "/v1/plan-quotes")
    assert asked.body == {"account_number": "G-1", "months": 6, "day_of_month": 15}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (account(balance_minor=0, payable_minor=0), "Nothing to pay There is nothing to pay here right now."),
        (account(plans=[plan()]), "In a plan There is a payment plan for this already."),
    ],
)
async def test_where_nothing_is_to_be_paid_no_plan_is_offered(
    world: World, found: dict[str, Any], words: str
) -> None:
    given(world, found)
    async with world.person() as browser:
        answer = await browser.get("/plan/G-1")
    assert words in seen(answer.text)
    assert 'name="monthly"' not in answer.text
    assert world.services.calls("POST", "/v1/plan-quotes") == []


async def test_an_amount_is_one_of_the_accounts_currency(world: World) -> None:
    given(world, account(currency="JPY"))
    quoted(world, *[(5_000, "scheduled")] * 4, currency="JPY")
    async with world.person() as browser:
        page = (await browser.get("/plan/G-1")).text
        part = seen((await browser.get("/plan/G-1/quote", params={"monthly": "5000", "day": "15"})).text)
    assert "4 payments of ¥5,000" in part
    assert world.services.calls("POST", "/v1/plan-quotes")[-1].body["monthly_amount_minor"] == 5_000
    assert '<span aria-hidden="true">¥</span>' in page
    assert 'min="2500" max="10000" step="1" value="5000"' in page
    assert 'data-digits="0"' in page


async def test_where_half_a_year_is_too_long_the_smallest_instalment_is_quoted(world: World) -> None:
    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        if asked.get("months") == 6:
            return web.json_response({"status": 409, "reason": "instalment_too_small"}, status=409)
        amount_minor = asked.get("monthly_amount_minor", 6_000)
        limits = {"monthly_min_minor": 3_000, "monthly_max_minor": 6_000, "months_max": 36}
        return web.json_response(quote_of((amount_minor, "scheduled")) | {"limits": limits})

    given(world, account(balance_minor=6_000, payable_minor=6_000))
    world.services.answer("POST", "/v1/plan-quotes", answer)
    async with world.person() as browser:
        page = (await browser.get("/plan/G-1")).text
    assert "1 payment of $30.00" in seen(page)
    assert 'name="monthly" inputmode="decimal" autocomplete="off" maxlength="16" value="30.00"' in page


CARD = {"method": "card", "token": "tok_ok", "last4": "4242", "brand": "visa"}
BANK = {"method": "bank_account", "token": "tok_bank_ok", "last4": "6789"}


@pytest.mark.parametrize("method", [CARD, BANK])
async def test_nothing_is_taken_each_month_from_who_has_not_allowed_it(
    world: World, method: dict[str, str]
) -> None:
    given(world, account())
    quoted(world, (5_000, "scheduled"), (5_000, "scheduled"))
    sent = form(plan_id="plan-1", monthly="50", day="15", autopay="true", **method)
    async with world.person() as browser:
        answer = await browser.post("/plan/G-1", data=sent)
        assert not world.producer.sent
        allowed = await browser.post("/plan/G-1", data=sent | {"authorized": "true"})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "The plan was not started Please tick the box that allows us to take each part" in seen(answer.text)
    assert 'name="authorized" value="true" aria-invalid="true" aria-describedby="authorized-error"' in answer.text
    assert allowed.headers["location"] == "/billing/G-1/plan"
    assert world.producer.sent[0]["data"]["authorization"]["text_version"]


@pytest.mark.parametrize(
    ("spoken", "sha256"),
    [
        ("en", "878f065246242f9b356a08add7804ff1a619c17f4069ec62aaa6d6f98edcfcf7"),
        ("es", "5b280c58e8eeaa671fbfc2dba05726eb5d5af9abebbb7c6a7c19bb22f9f9ac14"),
    ],
)
async def test_other_words_of_what_is_allowed_are_another_version(world: World, spoken: str, sha256: str) -> None:
    given(world, account())
    quoted(world, (5_000, "scheduled"), (5_000, "scheduled"))
    async with world.person(spoken) as browser:
        page = (await browser.get("/plan/G-1")).text
    words = re.search(r'id="authorized"[^>]*> <span>(.*?)</span>', page)
    assert words is not None
    assert (AUTHORIZATION_VERSION, hashlib.sha256(words[1].encode()).hexdigest()) == ("2026-11", sha256)


async def test_what_was_allowed_before_is_not_asked_again_as_long_as_the_card_stays(world: World) -> None:
    paid_with = {"kind": "card", "last4": "4242", "brand": "visa"}
    given(world, account(plans=[plan(autopay=True, method=paid_with)]))
    quoted(world, (5_000, "scheduled"), (5_000, "scheduled"))
    sent = form(plan_id="plan-1", monthly="50", day="15", autopay="true")
    async with world.person() as browser:
        another = await browser.post("/plan/G-1/plan-1", data=sent | CARD)
        same = await browser.post("/plan/G-1/plan-1", data=sent | {"method": "keep"})
    assert "The plan was not changed Please tick the box" in seen(another.text)
    assert same.headers["location"] == "/billing/G-1/plan"
    assert [command["data"].get("monthly_amount_minor") for command in world.producer.sent] == [5_000]
