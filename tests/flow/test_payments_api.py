"""What payments shows over HTTP, to whom, on a real database."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import date
from itertools import product

import pytest

from local.infrastructure import Endpoints
from tests.flow.payments_api import Api, served_payments
from tests.flow.payments_batches import about, handle, numbers
from tests.unit.payments.story import (
    CARD,
    adjustment,
    answer,
    charge,
    closed,
    opened,
    shares,
    statement,
    submit,
    visit,
)
from tests.unit.payments.test_paperless import ended, enrolled


@pytest.fixture(scope="module", name="payments")
async def payments_over_http(infrastructure: Endpoints) -> AsyncIterator[Api]:
    async with served_payments(infrastructure) as payments:
        yield payments


async def test_an_account_shows_what_is_owed_and_what_is_under_way(payments: Api) -> None:
    number, pay = (name := next(numbers)), f"{name}-pay"
    await handle(
        payments.pool,
        *about(
            number,
            opened(),
            visit("V-2", date(2025, 1, 2)),
            visit("V-1", date(2025, 1, 1)),
            charge(10_000, "V-1"),
            adjustment(-6_000, "V-1"),
            adjustment(-500, "V-1", "A-2", "contractual"),
            charge(700, "V-2"),
            closed("V-2"),
            statement("S-1"),
            submit(2_000, pay),
        ),
    )

    status, account = await payments.get(f"/v1/accounts/{number}", person="P-1")

    assert status == 200
    assert (account["balance_minor"], account["currency"]) == (3_500, "USD")
    oldest, newest = account["visit_accounts"]
    assert (account["relationship"], account["guarantor"]) == (
        "guarantor",
        {"first_name": "Ada", "last_name": "Reyes"},
    )
    assert oldest == {
        "visit_account_number": "V-1",
        "patient_id": "M-1",
        "visit_date": "2025-01-01",
        "description": "Office visit",
        "closed": False,
        "plan_id": None,
        "balance_minor": 3_500,
        "payable_minor": 3_500,
        "charges_minor": 10_000,
        "insurance_paid_minor": 6_000,
        "adjustments_minor": -500,
        "paid_minor": 0,
    }
    assert (newest["visit_account_number"], newest["closed"]) == ("V-2", True)
    assert account["newest_statement"]["statement_id"] == "S-1"
    assert [payment["payment_id"] for payment in account["payments_in_progress"]] == [pay]


async def test_a_payment_shows_how_it_stands_and_never_its_token(payments: Api) -> None:
    number, pay = (name := next(numbers)), f"{name}-pay"
    await handle(payments.pool, *about(number, opened(), charge(1_000), submit(600, pay)))

    status, under_way = await payments.get(f"/v1/payments/{pay}", person="P-2")
    assert (status, under_way["status"], under_way["reason"]) == (200, "processing", None)
    assert under_way["allocation"] == [share.model_dump() for share in shares(V1=600)]
    assert under_way["method"] == {"kind": "card", "last4": "4242", "brand": "visa"}
    assert "tok_ok" not in str(under_way)

    await handle(payments.pool, *about(number, answer("declined", payment_id=pay, reason="card_declined")))
    _, ended = await payments.get(f"/v1/payments/{pay}", person="P-2")
    assert (ended["status"], ended["reason"]) == ("failed", "card_declined")
    _, account = await payments.get(f"/v1/accounts/{number}", person="P-2")
    assert account["payments_in_progress"] == []


async def test_the_summary_shows_all_accounts_of_the_person_and_no_others(payments: Api) -> None:
    mine, viewed, other = next(numbers), next(numbers), next(numbers)
    guarantor = opened().guarantor.model_copy(update={"person_id": f"of-{mine}"})
    await handle(payments.pool, *about(mine, opened(guarantor=guarantor, viewers=()), charge(100)))
    await handle(payments.pool, *about(viewed, opened(viewers=(f"of-{mine}",)), charge(200)))
    await handle(payments.pool, *about(other, opened(), charge(300)))

    status, summary = await payments.get("/v1/billing-summary", person=f"of-{mine}")

    assert status == 200
    assert [(one["account_number"], one["balance_minor"]) for one in summary["accounts"]] == [
        (mine, 100),
        (viewed, 200),
    ]
    assert await payments.get("/v1/billing-summary", person="nobody") == (200, {"accounts": []})


async def test_the_summary_says_whether_the_person_who_asks_is_paperless(payments: Api) -> None:
    number = next(numbers)
    guardian, viewer = f"of-{number}", f"viewer-of-{number}"
    guarantor = opened().guarantor.model_copy(update={"person_id": guardian})

    async def paperless(person: str) -> bool:
        _, summary = await payments.get("/v1/billing-summary", person=person)
        (account,) = summary["accounts"]
        return bool(account["paperless"])

    await handle(payments.pool, *about(number, enrolled(guardian)))
    await handle(payments.pool, *about(number, opened(guarantor=guarantor, viewers=(viewer,)), charge(100)))
    assert [await paperless(guardian), await paperless(viewer)] == [True, False]

    await handle(payments.pool, *about(number, ended(guardian), enrolled(viewer)))

    assert [await paperless(guardian), await paperless(viewer)] == [False, True]
    _, account = await payments.get(f"/v1/accounts/{number}", role="billing")
    assert account["paperless"] is None


async def test_what_one_may_not_see_is_not_found(payments: Api) -> None:
    number, pay = (name := next(numbers)), f"{name}-pay"
    await handle(payments.pool, *about(number, opened(), charge(1_000), submit(600, pay)))

    for path in (f"/v1/accounts/{number}", f"/v1/payments/{pay}"):
        stranger, problem = await payments.get(path, person="P-3")
        nothing, same = await payments.get(f"{path}-and-more", person="P-1")
        assert (stranger, nothing) == (404, 404)
        assert {**problem, "instance": ""} == {**same, "instance": ""}
        assert (await payments.get(path, role="billing"))[0] == 200
        assert (await payments.get(path, role="clinical"))[0] == 403


async def test_an_account_that_was_never_opened_is_not_found(payments: Api) -> None:
    number = next(numbers)
    await handle(payments.pool, *about(number, charge(1_000)))

    assert (await payments.get(f"/v1/accounts/{number}", role="billing"))[0] == 404


@pytest.mark.parametrize(
    "place",
    [
        ["0001-01-01T00:00:00+14:00", "a", "b"],
        ["9999-12-31T23:59:59-14:00", "a", "b"],
        ["2025-01-01T00:00:00Z", "\ud800", "b"],
        ["2025-01-01T00:00:00Z", "\0", "b"],
        ["2025-01-01T00:00:00", "a", "b"],
        ["2025-01-01T00:00:00Z", "a"],
        {"a": 1, "b": 2, "c": 3},
    ],
)
async def test_a_place_in_a_list_that_cannot_be_is_refused(payments: Api, place: object) -> None:
    number = next(numbers)
    await handle(payments.pool, *about(number, opened()))
    after = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()

    status, problem = await payments.get(f"/v1/accounts/{number}/activity?after={after}", role="billing")

    assert (status, problem["reason"]) == (400, "bad_cursor")


@pytest.mark.parametrize("amount", [100.0, "100", True])
async def test_an_amount_is_a_whole_number_and_nothing_else(payments: Api, amount: object) -> None:
    number = next(numbers)
    await handle(payments.pool, *about(number, opened(), visit(), charge(10_000)))
    asked = {"account_number": number, "currency": "USD", "method": CARD.model_dump()}
    quoted = {"account_number": number, "day_of_month": 1}

    for path, body in (
        ("/v1/payment-reviews", asked | {"amount_minor": amount}),
        (
            "/v1/payment-reviews",
            asked | {"amount_minor": 100, "allocation": [{"visit_account_number": "V-1", "amount_minor": amount}]},
        ),
        ("/v1/plan-quotes", quoted | {"monthly_amount_minor": amount}),
        ("/v1/plan-quotes", quoted | {"months": amount}),
        ("/v1/plan-quotes", quoted | {"months": 3, "day_of_month": amount}),
    ):
        assert (await payments.post(path, body, person="P-1"))[0] == 422, (path, body)
    line = {"charge_id": "ch-1", "amount_minor": amount}
    settlement = {
        "settlement_id": number,
        "currency": "USD",
        "lines": [line],
        **dict.fromkeys(("period_from", "period_to"), "2025-01-01T00:00:00Z"),
    }
    assert (await payments.post("/v1/settlements", settlement, role="billing"))[0] == 422


@pytest.mark.parametrize("named", [{}, {"on_behalf_of": "a b"}], ids=str)
async def test_a_review_is_for_a_guest_or_for_a_person_who_is_named(payments: Api, named: dict[str, str]) -> None:
    asked = {"account_number": "G", "amount_minor": 1, "currency": "USD", "method": CARD.model_dump()}

    status, problem = await payments.post("/v1/payment-reviews", asked, **named)

    assert (status, problem["reason"]) == (400, "on_behalf_of_missing")


@pytest.mark.parametrize("path", ["/v1/accounts/%00", "/v1/payments/" + "x" * 129])
async def test_an_id_that_cannot_be_one_is_refused(payments: Api, path: str) -> None:
    assert (await payments.get(path, role="billing"))[0] == 422


async def test_open_work_begins_with_what_waits_longest_and_settled_work_with_what_was_settled_last(
    payments: Api,
) -> None:
    number = next(numbers)
    await payments.pool.execute(
        "insert into work (work_id, key, kind, summary, about, details, raised_at, status, settled_at)"
        " select $1 || n, $1, 'payment-unknown', 's', '{}', '[]', now() + n * interval '1 h',"
        " case when n > 2 then 'settled' else 'open' end, case when n > 2 then now() - n * interval '1 h' end"
        " from generate_series(1, 4) n",
        number,
    )

    async def shown(status: str) -> list[str]:
        _, listed = await payments.get(f"/v1/work?status={status}", role="billing")
        return [one["work_id"] for one in listed if one["work_id"].startswith(number)]

    assert await shown("open") == [f"{number}1", f"{number}2"]
    assert await shown("settled") == [f"{number}3", f"{number}4"]


async def test_which_of_the_staff_looked_at_an_account_is_noted_and_that_persons_look_at_their_own_is_not(
    payments: Api,
) -> None:
    number, pay = (name := next(numbers)), f"{name}-pay"
    said = (opened(), charge(10_000), statement(f"{number}-S"), submit(2_000, pay))
    await handle(payments.pool, *about(number, *said))
    looked_at = {
        f"/v1/accounts/{number}": ("account", number),
        f"/v1/accounts/{number}/plans": ("account", number),
        f"/v1/statements/{number}-S.pdf": ("statement", f"{number}-S"),
        f"/v1/payments/{pay}": ("payment", pay),
    }

    callers = (("P-1", "gateway", 200), ("P-9", "gateway", 404), ("bob", "billing", 200), ("eve", "crm", 403))
    for path, (person, role, status) in product(looked_at, callers):
        async with payments.client.get(path, headers=payments.headers(person, role)) as found:
            assert found.status == status

    noted = await payments.pool.fetch(
        "select reader, what, what_id from account_read where account_number = $1 order by id", number
    )
    assert [tuple(row) for row in noted] == [("staff:bob", *what) for what in looked_at.values()]
