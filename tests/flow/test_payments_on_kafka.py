"""Payments from the topic to the processor and back, on real Kafka and PostgreSQL."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from local.infrastructure import Endpoints
from shared.events.envelope import write
from shared.events.topics import NOTIFICATIONS_EVENTS, PAYMENTS_COMMANDS
from tests.flow.kit import eventually
from tests.flow.payments_batches import about
from tests.flow.payments_portal import Portal, running_payments
from tests.unit.payments.story import CARD, submit
from tests.unit.payments.test_paperless import enrolled

TIMEOUT_S = 1.0


@pytest.fixture(scope="module", name="portal")
async def payments_on_kafka(
    infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Portal]:
    async with running_payments(infrastructure, tmp_path_factory.mktemp("sandbox"), TIMEOUT_S) as portal:
        yield portal


async def test_a_payment_is_accepted_charged_once_and_lowers_the_balance(portal: Portal) -> None:
    number = await portal.account(15_000)

    command = await portal.command(number, submit(10_000, f"{number}-pay"), repeats=2)

    accepted = await portal.outcome(command)
    assert (accepted["type"], accepted["outcome"]) == ("payments.payment-accepted.v1", "done")
    succeeded = await portal.said(number, "payments.payment-succeeded.v1")
    assert succeeded["correlationid"] == command.id
    assert "outcome" not in succeeded
    await eventually(lambda: len(portal.kinds(number)) == 4, "the last event")
    assert portal.kinds(number) == [
        "balance-changed",
        "payment-accepted",
        "payment-succeeded",
        "balance-changed",
    ]
    balance = await portal.said(number, "payments.balance-changed.v1")
    assert (balance["data"]["balance_minor"], balance["data"]["version"]) == (5_000, 2)
    (charged,) = await portal.world.happened(number)
    assert (charged["payment_id"], charged["amount_minor"]) == (f"{number}-pay", 10_000)


async def test_what_notifications_says_of_paperless_is_shown_with_the_account(portal: Portal) -> None:
    number = await portal.account(15_000)
    (told,) = about(number, enrolled("P-1"))
    told = told.model_copy(update={"subject": "P-1", "actor": "service:notifications"})

    await portal.publish(NOTIFICATIONS_EVENTS.name, "P-1", write(told))

    async def paperless() -> bool:
        _, account = await portal.api.get(f"/v1/accounts/{number}", person="P-1")
        return bool(account["paperless"])

    await eventually(paperless, f"{number} is paperless")


async def test_the_same_payment_in_another_message_is_charged_once(portal: Portal) -> None:
    number = await portal.account(15_000)
    first = await portal.command(number, submit(10_000, f"{number}-pay"))
    await portal.said(number, "payments.payment-succeeded.v1")

    again = await portal.command(number, submit(10_000, f"{number}-pay"))
    other = await portal.command(number, submit(9_000, f"{number}-pay"))

    assert (await portal.outcome(first))["data"] == (await portal.outcome(again))["data"]
    assert (await portal.outcome(other))["data"]["reason"] == "idempotency_conflict"
    assert len(await portal.world.happened(number)) == 1


async def test_a_decline_fails_the_payment_and_leaves_the_balance(portal: Portal) -> None:
    number = await portal.account(15_000)
    method = CARD.model_copy(update={"token": "tok_declined"})

    await portal.command(number, submit(10_000, f"{number}-pay", method=method))

    failed = await portal.said(number, "payments.payment-failed.v1")
    assert failed["data"]["reason"] == "card_declined"
    assert portal.kinds(number) == ["balance-changed", "payment-accepted", "payment-failed"]


@pytest.mark.parametrize("does", ["tok_timeout_done", "tok_500_done"])
async def test_a_charge_without_an_answer_is_unknown_until_the_processor_is_asked(
    portal: Portal, does: str
) -> None:
    number = await portal.account(15_000)
    method = CARD.model_copy(update={"token": does})

    await portal.command(number, submit(10_000, f"{number}-pay", method=method))
    await portal.said(number, "payments.payment-unknown.v1")
    second = await portal.command(number, submit(10_000, f"{number}-second"))
    assert (await portal.outcome(second))["data"]["reason"] == "payment_in_progress"
    await portal.advance(timedelta(seconds=10))

    await portal.said(number, "payments.payment-succeeded.v1")
    assert len(await portal.world.happened(number)) == 1


async def test_a_charge_that_got_lost_fails_once_its_key_is_forgotten(portal: Portal) -> None:
    number = await portal.account(15_000)
    method = CARD.model_copy(update={"token": "tok_timeout_lost"})
    await portal.command(number, submit(10_000, f"{number}-pay", method=method))
    await portal.said(number, "payments.payment-unknown.v1")

    await portal.advance(timedelta(hours=25))

    failed = await portal.said(number, "payments.payment-failed.v1")
    assert failed["data"]["reason"] == "not_received"
    assert await portal.world.happened(number) == []


async def test_card_digits_are_refused_and_appear_nowhere(portal: Portal) -> None:
    card = "4111 1111 1111 1111"
    number = await portal.account(15_000)
    (message,) = about(number, submit(10_000, f"{number}-pay"))
    told = json.loads(write(message))
    told["data"]["note"] = f"my card is {card}"
    broken = json.dumps(told).encode()[:-1]
    await portal.publish(PAYMENTS_COMMANDS.name, number, json.dumps(told).encode(), broken)

    refused = await portal.said(number, "payments.command-refused.v1")
    dead = await eventually(
        lambda: [one for one in portal.heard if one.get("reason") == "card_number_refused"], "a dead letter"
    )

    assert (refused["data"]["reason"], refused["causationid"]) == ("card_number_refused", message.id)
    assert [letter["value_base64"] for letter in dead] == [None]
    assert card not in json.dumps(portal.heard)
    tables = await portal.pool.fetch("select tablename from pg_tables where schemaname = 'public'")
    for (name,) in tables:
        rows = await portal.pool.fetch(f'select t::text from "{name}" t')
        assert not any(card in row[0] or card.encode().hex() in row[0] for row in rows)
