"""What becomes of payments later: returns, disputes, refunds, settlements, and the work that they make."""

from collections.abc import AsyncIterator
from datetime import timedelta

import altcha
import pytest

from local.infrastructure import Endpoints
from shared.events.envelope import write
from shared.events.payments import RequestRefund, SaveMethod
from shared.events.topics import HOST_BILLING
from shared.events.vocabulary import Method
from tests.flow.kit import eventually
from tests.flow.payments_batches import about
from tests.flow.payments_portal import Portal, running_payments
from tests.unit.payments.story import CARD, charge, opened, statement, submit


@pytest.fixture(scope="module", name="portal")
async def payments_and_time(
    infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Portal]:
    async with running_payments(infrastructure, tmp_path_factory.mktemp("sandbox"), 5.0) as portal:
        yield portal


async def paid(portal: Portal, number: str, token: str, amount_minor: int = 10_000) -> str:
    """Pay, and return the payment's id once the money was taken."""
    kind = "bank_account" if "bank" in token else "card"
    method = Method.model_validate({"kind": kind, "token": token, "last4": "6789"})
    await portal.command(number, submit(amount_minor, f"{number}-pay", method=method))
    await portal.said(number, "payments.payment-succeeded.v1")
    return f"{number}-pay"


def refund(number: str, amount_minor: int) -> RequestRefund:
    """Return what asks for a part of what was paid."""
    return RequestRefund(
        refund_id=f"{number}-refund",
        account_number=number,
        payment_id=f"{number}-pay",
        amount_minor=amount_minor,
        currency="USD",
        reason="Charged twice",
    )


async def work(portal: Portal, kind: str, number: str) -> str:
    """Return the open work of a kind about an account."""

    async def found() -> str | None:
        _, listed = await portal.api.get("/v1/work", role="billing")
        ours = [one for one in listed if one["kind"] == kind and one["about"].get("account_number") == number]
        return ours[0]["work_id"] if ours else None

    work_id: str = await eventually(found, f"{kind} about {number}")
    return work_id


async def test_a_bank_return_days_later_comes_by_webhook_and_counts_once(portal: Portal) -> None:
    number = await portal.account(10_000)
    payment_id = await paid(portal, number, "tok_bank_return_R10")
    bank = Method(kind="bank_account", token="tok_bank_return_R10", last4="6789")
    save = SaveMethod(account_number=number, method_id=(method_id := f"{number}-bank"), method=bank)
    await portal.outcome(await portal.command(number, save))

    await portal.advance(timedelta(days=6))
    event = await portal.webhook("charge.returned", payment_id, copies=2)

    returned = await portal.said(number, "payments.payment-returned.v1")
    assert (returned["data"]["reason"], returned["data"]["amount_minor"]) == ("R10", 10_000)
    accepted = await portal.said(number, "payments.payment-accepted.v1")
    assert returned["correlationid"] == accepted["correlationid"] == accepted["causationid"]
    await portal.said_of(number, "payments.method-removed.v1", method_id=method_id)
    saved_again = await portal.outcome(await portal.command(number, save))
    assert (saved_again["type"], saved_again["outcome"]) == ("payments.method-removed.v1", "done")
    assert await portal.send_webhook(event) == 204
    assert await portal.send_webhook(event, "another secret") == 400
    await portal.said_of(number, "payments.balance-changed.v1", balance_minor=10_000, version=3)
    assert portal.kinds(number).count("payment-returned") == 1
    _, activity = await portal.api.get(f"/v1/accounts/{number}/activity?limit=2", person="P-1")
    assert [one["kind"] for one in activity["items"]] == ["return", "payment"]
    _, rest = await portal.api.get(f"/v1/accounts/{number}/activity?after={activity['next']}", person="P-1")
    assert [(one["kind"], one["amount_minor"]) for one in rest["items"]] == [("charge", 10_000)]


async def test_a_dispute_becomes_work_that_staff_settle(portal: Portal) -> None:
    number = await portal.account(10_000)
    payment_id = await paid(portal, number, "tok_dispute")
    await portal.advance(timedelta(days=1))
    await portal.webhook("charge.disputed", payment_id)

    await portal.said_of(number, "payments.payment-disputed.v1", dispute_status="needs_response")
    work_id = await work(portal, "dispute", number)

    status, settled = await portal.api.post(f"/v1/work/{work_id}/settle", {"note": "Answered"}, role="billing")
    assert (status, settled["status"], settled["actions"]) == (200, "settled", [])
    other, problem = await portal.api.post(f"/v1/work/{work_id}/settle", person="bob", role="billing")
    assert (other, problem["reason"]) == (409, "work_settled")
    assert (await portal.api.get("/v1/work", person="P-1"))[0] == 403

    (charge,) = await portal.world.happened(number)
    path = f"/processor/charges/{charge['charge_id']}/dispute"
    assert (await portal.world.post(path, {"status": "lost"}))[0] == 200
    await portal.webhook("charge.disputed", payment_id)
    await portal.said_of(number, "payments.payment-disputed.v1", dispute_status="lost")
    await portal.said_of(number, "payments.balance-changed.v1", balance_minor=10_000, version=3)


async def test_a_payment_whose_dispute_was_won_can_be_refunded(portal: Portal) -> None:
    number = await portal.account(10_000)
    payment_id = await paid(portal, number, "tok_dispute")
    await portal.advance(timedelta(days=1))
    await portal.webhook("charge.disputed", payment_id)
    await portal.said_of(number, "payments.payment-disputed.v1", dispute_status="needs_response")
    (charge,) = await portal.world.happened(number)
    await portal.world.post(f"/processor/charges/{charge['charge_id']}/dispute", {"status": "won"})
    await portal.webhook("charge.disputed", payment_id)
    await portal.said_of(number, "payments.payment-disputed.v1", dispute_status="won")

    await portal.command(number, refund(number, 4_000), actor="staff:ann")

    await portal.said_of(number, "payments.payment-refunded.v1", amount_minor=4_000)
    await portal.said_of(number, "payments.balance-changed.v1", balance_minor=4_000)


async def test_a_large_refund_is_approved_by_a_second_person_and_raises_the_balance(portal: Portal) -> None:
    number = await portal.account(80_000)
    payment_id = await paid(portal, number, "tok_ok", 80_000)
    await portal.command(number, refund(number, 60_000), actor="staff:ann")
    work_id = await work(portal, "refund-approval", number)

    own, problem = await portal.api.post(f"/v1/work/{work_id}/approve", person="ann", role="billing")
    note = {"note": "As agreed"}
    approved, shown = await portal.api.post(f"/v1/work/{work_id}/approve", note, person="bob", role="billing")
    again, _ = await portal.api.post(f"/v1/work/{work_id}/approve", note, person="bob", role="billing")

    assert (own, problem["reason"], approved, again) == (403, "second_person_required", 200, 200)
    details = {one["label"]: one["value"] for one in shown["details"]}
    assert (details["Settled by"], details["How"], details["Note"]) == ("staff:bob", "approve", "As agreed")
    refunded = await portal.said(number, "payments.payment-refunded.v1")
    assert refunded["data"]["amount_minor"] == 60_000
    balance = await portal.said_of(number, "payments.balance-changed.v1", balance_minor=60_000)
    asked = await portal.said(number, "payments.refund-requested.v1")
    assert refunded["correlationid"] == balance["correlationid"] == asked["correlationid"]
    _, payment = await portal.api.get(f"/v1/payments/{payment_id}", person="P-1")
    assert (payment["status"], payment["refunded_minor"]) == ("succeeded", 60_000)


async def test_a_refund_that_fails_a_day_later_is_posted_again(portal: Portal) -> None:
    number = await portal.account(10_000)
    payment_id = await paid(portal, number, "tok_refund_fails")
    await portal.command(number, refund(number, 4_000), actor="staff:ann")
    await portal.said_of(number, "payments.balance-changed.v1", balance_minor=4_000)

    await portal.advance(timedelta(days=2))
    await portal.webhook("refund.failed", payment_id)

    failed = await portal.said(number, "payments.refund-failed.v1")
    assert failed["correlationid"] == (await portal.said(number, "payments.refund-requested.v1"))["causationid"]
    await portal.said_of(number, "payments.balance-changed.v1", balance_minor=0, version=4)
    await work(portal, "refund-failed", number)


async def test_a_guest_pays_and_the_events_are_the_accounts(portal: Portal) -> None:
    number = await portal.account(10_000)
    _, told = await portal.api.get("/v1/guest/challenge")
    challenge = altcha.Challenge.from_dict(told)
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    captcha = altcha.Payload(challenge, solution).to_base64()
    typed = {"account_number": number, "last_name": "reyes", "captcha": captcha}
    _, found = await portal.api.post("/v1/guest/lookup", typed)
    method = CARD.model_dump()
    asked = {"account_number": number, "amount_minor": 4_000, "currency": "USD", "method": method}
    _, review = await portal.api.post("/v1/payment-reviews", asked | {"guest_token": found["guest_token"]})

    tokens = {"guest_token": found["guest_token"], "review_token": review["review_token"]}
    paying = submit(4_000, f"{number}-pay", **tokens)
    command = await portal.command(number, paying, actor="guest", subject=found["subject"])

    outcome = await portal.outcome(command)
    assert (outcome["outcome"], outcome["subject"]) == ("done", number)
    await portal.said(number, "payments.payment-succeeded.v1")
    forged = paying.model_copy(update={"payment_id": f"{number}-forged"})
    refused = await portal.command(number, forged, actor="guest", subject="guest-of-my-own")
    assert (await portal.outcome(refused))["data"]["reason"] == "not_found"


async def test_a_review_that_a_new_charge_made_stale_is_refused(portal: Portal) -> None:
    number = await portal.account(10_000)
    asked = {"account_number": number, "amount_minor": 4_000, "currency": "USD", "method": CARD.model_dump()}
    status, review = await portal.api.post("/v1/payment-reviews", asked, person="P-1")
    assert (status, review["total_minor"]) == (200, 4_000)
    card = asked | {"method": CARD.model_dump() | {"token": "4242424242424242"}}
    status, refused = await portal.api.post("/v1/payment-reviews", card, person="P-1")
    assert (status, refused["reason"]) == (409, "card_number_refused")

    first = await portal.command(number, submit(4_000, f"{number}-1", review_token=review["review_token"]))
    await portal.said(number, "payments.payment-succeeded.v1")
    again = await portal.command(number, submit(4_000, f"{number}-2", review_token=review["review_token"]))

    assert (await portal.outcome(first))["outcome"] == "done"
    assert (await portal.outcome(again))["data"]["reason"] in ("review_stale", "review_expired")


async def test_a_settlement_shows_what_differs_and_importing_it_again_changes_nothing(portal: Portal) -> None:
    right, other, lacking = [await portal.account(10_000) for _ in range(3)]
    charges = {}
    for number in (right, other, lacking):
        await paid(portal, number, "tok_ok")
        (charge,) = await portal.world.happened(number)
        charges[number] = charge["charge_id"]
    row = await portal.pool.fetchrow(
        "select min(created_at), max(created_at) + interval '1 ms' from payment where charge_id = any($1::text[])",
        list(charges.values()),
    )
    assert row is not None
    settlement = {
        "settlement_id": f"po-{right}",
        "currency": "USD",
        "period_from": row[0].isoformat(),
        "period_to": row[1].isoformat(),
        "lines": [
            {"charge_id": charges[right], "amount_minor": 10_000},
            {"charge_id": charges[other], "amount_minor": 9_900},
            {"charge_id": f"orphan-{right}", "amount_minor": 1},
        ],
    }

    first = await portal.api.post("/v1/settlements", settlement, role="billing")
    assert first == (200, {"settlement_id": f"po-{right}", "lines": 3})
    differs = await work(portal, "settlement-amount", other)
    await work(portal, "settlement-missing", lacking)
    _, before = await portal.api.get("/v1/work", role="billing")
    second = await portal.api.post("/v1/settlements", settlement, role="billing")
    copy = await portal.api.post(
        "/v1/settlements", settlement | {"settlement_id": f"copy-{right}"}, role="billing"
    )
    _, after = await portal.api.get("/v1/work", role="billing")

    assert second == first
    assert (copy[0], copy[1]["reason"]) == (409, "settlement_repeated")
    raised = {one["work_id"]: one["kind"] for one in after}
    for one in before:
        raised.pop(one["work_id"])
    assert list(raised.values()) == ["settlement-repeated"]
    orphans = [one for one in after if one["kind"] == "settlement-orphan"]
    assert len(orphans) == 1
    for _ in range(2):
        status, _told = await portal.api.post(f"/v1/work/{orphans[0]['work_id']}/settle", role="billing")
        assert status == 200

    (lack,) = [one["work_id"] for one in after if one["about"].get("account_number") == lacking]
    lines = [
        {"charge_id": charges[lacking], "amount_minor": 10_000},
        {"charge_id": charges[other], "amount_minor": 100},
    ]
    late = settlement | {"settlement_id": f"late-{right}", "lines": lines}
    assert (await portal.api.post("/v1/settlements", late, role="billing"))[0] == 200
    await portal.said_of(lacking, "payments.work-settled.v1", work_id=lack, action="resolved")
    await portal.said_of(other, "payments.work-settled.v1", work_id=differs, action="resolved")
    still = {one["work_id"] for one in (await portal.api.get("/v1/work", role="billing"))[1]}
    assert still.isdisjoint({lack, differs})


async def test_what_staff_vouched_for_is_missing_unless_a_settlement_names_it(portal: Portal) -> None:
    vouched_for, named, keyed = [await portal.account(10_000) for _ in range(3)]
    charges = {}
    for number in (vouched_for, named, keyed):
        await paid(portal, number, "tok_ok")
        (charge,) = await portal.world.happened(number)
        charges[number] = charge["charge_id"]
    # As payments whose outcome nobody knew, until staff said that they were taken.
    known = await portal.pool.fetch(
        "update payment set charge_id = null where account_number = any($1::text[])"
        " returning account_number, payment_id, processor_key, created_at",
        [vouched_for, named, keyed],
    )
    payments = {row["account_number"]: row for row in known}
    by_id = {"charge_id": charges[named], "amount_minor": 10_000, "payment_id": payments[named]["payment_id"]}
    key = payments[keyed]["processor_key"]
    by_key = {"charge_id": charges[keyed], "amount_minor": 10_000, "idempotency_key": key}
    settlement = {
        "settlement_id": f"vouched-{named}",
        "currency": "USD",
        "period_from": min(row["created_at"] for row in known).isoformat(),
        "period_to": (max(row["created_at"] for row in known) + timedelta(milliseconds=1)).isoformat(),
        "lines": [by_id, by_key],
    }

    assert (await portal.api.post("/v1/settlements", settlement, role="billing"))[0] == 200

    await work(portal, "settlement-missing", vouched_for)
    _, listed = await portal.api.get("/v1/work", role="billing")
    assert not [one for one in listed if one["about"].get("account_number") in {named, keyed}]
    charged = await portal.pool.fetchval("select charge_id from payment where processor_key = $1", key)
    assert charged == charges[keyed]


async def test_work_that_comes_up_again_after_it_was_settled_is_open_again(portal: Portal) -> None:
    number = await portal.account(10_000)
    await paid(portal, number, "tok_ok")
    (charge,) = await portal.world.happened(number)
    settled: set[str] = set()
    for name, amount_minor in (("first", 9_000), ("second", 500)):
        settlement = {
            "settlement_id": f"{name}-{number}",
            "currency": "USD",
            # Of a time without payments, or those of other tests would be missing in it.
            "period_from": "2020-01-01T00:00:00Z",
            "period_to": "2020-01-02T00:00:00Z",
            "lines": [{"charge_id": charge["charge_id"], "amount_minor": amount_minor}],
        }
        assert (await portal.api.post("/v1/settlements", settlement, role="billing"))[0] == 200
        work_id = await work(portal, "settlement-amount", number)
        assert (await portal.api.post(f"/v1/work/{work_id}/settle", role="billing"))[0] == 200
        settled.add(work_id)
    assert len(settled) == 1


async def test_work_about_a_currency_is_over_once_the_host_tells_the_accounts_own_again(portal: Portal) -> None:
    number = await portal.account(10_000)
    await portal.publish(HOST_BILLING.name, number, *map(write, about(number, opened(currency="EUR"))))
    work_id = await work(portal, "account-currency", number)

    await portal.publish(HOST_BILLING.name, number, *map(write, about(number, opened())))

    await portal.said_of(number, "payments.work-settled.v1", work_id=work_id, action="resolved")
    _, listed = await portal.api.get("/v1/work", role="billing")
    assert work_id not in [one["work_id"] for one in listed]


@pytest.mark.parametrize("name", ["payment_id", "idempotency_key"])
async def test_a_payment_that_stays_unknown_is_known_by_the_line_that_names_it(portal: Portal, name: str) -> None:
    number = await portal.account(10_000)
    method = Method(kind="card", token="tok_timeout_lost", last4="6789")
    await portal.command(number, submit(10_000, f"{number}-pay", method=method))
    await portal.said(number, "payments.payment-unknown.v1")
    row = await portal.pool.fetchrow(
        "select payment_id, processor_key as idempotency_key, created_at from payment where account_number = $1",
        number,
    )
    assert row is not None
    settlement = {
        "settlement_id": f"po-{number}",
        "currency": "USD",
        "period_from": row["created_at"].isoformat(),
        "period_to": row["created_at"].isoformat(),
        "lines": [{"charge_id": f"ch-{number}", "amount_minor": 10_000, name: row[name]}],
    }

    status, _ = await portal.api.post("/v1/settlements", settlement, role="billing")

    assert status == 200
    await portal.said(number, "payments.payment-succeeded.v1")
    await portal.said_of(number, "payments.balance-changed.v1", balance_minor=0)


async def test_documents_are_the_same_bytes_whenever_they_are_made(portal: Portal) -> None:
    number = await portal.account(10_000)
    payment_id = await paid(portal, number, "tok_ok", 4_000)

    status, receipt = await portal.api.pdf(f"/v1/payments/{payment_id}/receipt.pdf", person="P-1")

    assert (status, receipt[:5]) == (200, b"%PDF-")
    assert (status, receipt) == await portal.api.pdf(f"/v1/payments/{payment_id}/receipt.pdf", person="P-2")
    assert (await portal.api.pdf(f"/v1/payments/{payment_id}/receipt.pdf", person="P-9"))[0] == 404

    await portal.command(number, refund(number, 1_000), actor="staff:ann")
    await portal.said(number, "payments.payment-refunded.v1")
    path = f"/v1/payments/{payment_id}/receipt.pdf"
    newest, *versions = [
        await portal.api.pdf(f"{path}{asked}", person="P-1") for asked in ("", "?version=1", "?version=2")
    ]
    assert versions == [(200, receipt), newest]
    assert newest != (200, receipt)
    refused = [(await portal.api.pdf(f"{path}?version={none}", person="P-1"))[0] for none in (0, 3)]
    assert refused == [422, 404]

    (issued,) = about(number, statement(f"{number}-S1"))
    await portal.publish(HOST_BILLING.name, number, write(issued))
    await portal.said(number, "payments.statement-available.v1")
    path = f"/v1/statements/{number}-S1.pdf"
    status, shown = await portal.api.pdf(path, person="P-1")
    await portal.publish(HOST_BILLING.name, number, *map(write, about(number, charge(700, "V-9", "C-9"))))
    await portal.said_of(number, "payments.balance-changed.v1", balance_minor=7_700)

    assert (status, shown[:5]) == (200, b"%PDF-")
    assert (status, shown) == await portal.api.pdf(path, person="P-2")
    assert (await portal.api.pdf(path, person="P-9"))[0] == 404
    _, listed = await portal.api.get(f"/v1/accounts/{number}/statements", person="P-1")
    assert [one["statement_id"] for one in listed] == [f"{number}-S1"]
