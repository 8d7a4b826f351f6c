"""Guests look up a bill and pay it, on a real database: what they are shown, and how little it tells."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import altcha
import pytest

from local.infrastructure import Endpoints
from services.payments import guest_tries
from services.payments.domain import Named
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.proofs import GuestPass, Proofs
from services.payments.domain.records import GuestTry
from services.payments.handlers import payments as payments_under
from shared.database import Connection
from shared.events.envelope import Data, Message
from shared.events.vocabulary import Method
from shared.frozen import replace
from tests.flow.payments_api import Api, served_payments
from tests.flow.payments_batches import about, handle, numbers
from tests.outside.sandbox.world import SECRET
from tests.unit.payments.story import (
    RULES,
    adjustment,
    answer,
    charge,
    opened,
    outcome,
    start_plan,
    submit,
    visit,
)
from tests.unit.payments.test_proofs import guest_token


@pytest.fixture(scope="module", name="payments")
async def payments_for_guests(infrastructure: Endpoints) -> AsyncIterator[Api]:
    async with served_payments(infrastructure, guest_lookups_per_account=3, guest_lookups_per_address=100) as api:
        yield api


async def solve(payments: Api) -> str:
    status, told = await payments.get("/v1/guest/challenge")
    assert status == 200
    challenge = altcha.Challenge.from_dict(told)
    solution = altcha.solve_challenge(challenge)
    assert solution is not None
    return altcha.Payload(challenge, solution).to_base64()


async def look_up(
    payments: Api, number: str, name: str, captcha: str | None = None, **headers: str
) -> tuple[int, Any]:
    typed = {"account_number": number, "last_name": name, "captcha": captcha or await solve(payments)}
    return await payments.post("/v1/guest/lookup", typed, **headers)


async def bill(payments: Api, last_name: str = "Núñez-O'Hara") -> str:
    number = next(numbers)
    guarantor = opened().guarantor.model_copy(update={"last_name": last_name})
    facts = about(number, opened(guarantor=guarantor), visit(f"{number}-V1"), charge(1_000, f"{number}-V1", "C-1"))
    await handle(payments.pool, *facts, *about(number, charge(500, f"{number}-V2", "C-2")))
    return number


@pytest.mark.parametrize("name", ["Núñez-O'Hara", "nunez o hara", "NUNEZOHARA"])
async def test_a_guest_sees_the_balance_and_nothing_else(payments: Api, name: str) -> None:
    number = await bill(payments)

    status, found = await look_up(payments, number, name)

    assert status == 200
    assert found.keys() == {"guest_token", "subject", "balance_minor", "currency", "expires_at"}
    assert (found["balance_minor"], found["currency"]) == (1_500, "USD")
    assert number not in found["subject"]


async def test_the_number_of_a_visit_shows_what_is_owed_for_it(payments: Api) -> None:
    number = await bill(payments)

    status, found = await look_up(payments, f"{number}-V1", "nunez ohara")

    assert (status, found["balance_minor"]) == (200, 1_000)


async def test_what_is_in_a_plan_or_closed_is_not_shown_as_payable(payments: Api) -> None:
    number = await bill(payments)
    owed = charge(9_000, f"{number}-V1", "C-3")
    await handle(payments.pool, *about(number, owed, start_plan(5_000, f"{number}-plan")))
    await handle(payments.pool, *about(number, charge(700, f"{number}-V3", "C-4")))

    _, account = await look_up(payments, number, "nunez ohara")
    _, visit_in_plan = await look_up(payments, f"{number}-V1", "nunez ohara")

    assert (account["balance_minor"], visit_in_plan["balance_minor"]) == (700, 0)


async def test_a_credit_on_another_visit_lowers_what_is_shown_of_a_visit(payments: Api) -> None:
    number = await bill(payments)
    await handle(payments.pool, *about(number, adjustment(-900, f"{number}-V2")))

    _, found = await look_up(payments, f"{number}-V1", "nunez ohara")
    asked = {
        "account_number": f"{number}-V1",
        "amount_minor": found["balance_minor"],
        "currency": "USD",
        "method": {"kind": "card", "token": "tok_ok", "last4": "4242"},
        "guest_token": found["guest_token"],
    }

    assert found["balance_minor"] == 600
    assert (await payments.post("/v1/payment-reviews", asked))[0] == 200


async def test_an_unknown_number_and_a_wrong_name_are_the_same(payments: Api) -> None:
    number = await bill(payments)

    wrong = await look_up(payments, number, "Somebody")
    unknown = await look_up(payments, f"{number}-never", "Nunez Ohara")

    assert wrong[0] == unknown[0] == 404
    assert {**wrong[1], "instance": ""} == {**unknown[1], "instance": ""}


async def test_a_captcha_counts_once_and_only_when_it_is_solved(payments: Api) -> None:
    number = await bill(payments)
    captcha = await solve(payments)

    first = await look_up(payments, number, "Nunez Ohara", captcha)
    again = await look_up(payments, number, "Nunez Ohara", captcha)
    never = await look_up(payments, number, "Nunez Ohara", "bm90IHNvbHZlZA==")

    assert first[0] == 200
    assert (again[0], again[1]["reason"]) == (400, "captcha_used")
    assert (never[0], never[1]["reason"]) == (400, "captcha_invalid")


async def test_too_many_attempts_at_one_account_are_refused(payments: Api) -> None:
    number, other = await bill(payments), await bill(payments)

    answers = [await look_up(payments, number, "Guess") for _ in range(4)]

    assert [status for status, _ in answers] == [404, 404, 404, 429]
    assert answers[-1][1]["reason"] == "too_many_attempts"
    assert (await look_up(payments, other, "Nunez Ohara"))[0] == 200


async def test_too_many_attempts_tell_nothing_of_which_numbers_belong_together(payments: Api) -> None:
    number = await bill(payments)
    for _ in range(3):
        await look_up(payments, number, "Guess")

    there = [await look_up(payments, f"{number}-V1", name) for name in ("Guess", "Nunez Ohara", "Guess", "Guess")]
    never = [await look_up(payments, f"{number}-V9", "Guess") for _ in range(4)]

    assert [status for status, _ in there] == [404, 404, 404, 429]
    assert [{**answer, "instance": ""} for _, answer in there] == [
        {**answer, "instance": ""} for _, answer in never
    ]


async def test_too_many_attempts_from_one_network_are_refused(infrastructure: Endpoints) -> None:
    async with served_payments(infrastructure, guest_lookups_per_address=2) as payments:
        number = await bill(payments)
        answers = [
            await look_up(payments, number, "Nunez Ohara", x_forwarded_for=address)
            for address in ("2001:db8:7::1", "2001:db8:7::2", "2001:db8:7::3", "2001:db8:8::1")
        ]

    assert [status for status, _ in answers] == [200, 200, 429, 200]


async def test_what_guests_tried_long_ago_is_forgotten_by_the_next_few(payments: Api) -> None:
    number = await bill(payments)
    old = [f"{number}-{count}".encode() for count in range(4)]
    await payments.pool.execute(
        "insert into guest_proof select old, now() - interval '9 years' from unnest($1::bytea[]) old", old
    )
    await payments.pool.execute(
        "insert into guest_attempts select old, now() - interval '9 years', 1 from unnest($1::bytea[]) old", old
    )

    for _ in range(2):
        await look_up(payments, number, "Nunez Ohara")

    kept = """
        select proof from guest_proof where proof = any($1)
        union all select about from guest_attempts where about = any($1)
    """
    assert await payments.pool.fetch(kept, old) == []


async def test_a_guest_reviews_what_they_pay(payments: Api) -> None:
    number = await bill(payments)
    _, found = await look_up(payments, f"{number}-V1", "nunez ohara")
    asked = {
        "account_number": f"{number}-V1",
        "amount_minor": 1_000,
        "currency": "USD",
        "method": {"kind": "card", "token": "tok_ok", "last4": "4242"},
        "guest_token": found["guest_token"],
    }

    status, review = await payments.post("/v1/payment-reviews", asked)
    refused = await payments.post("/v1/payment-reviews", asked | {"account_number": number})

    assert status == 200
    assert review["allocation"] == [{"visit_account_number": f"{number}-V1", "amount_minor": 1_000}]
    assert review["account_number"] == f"{number}-V1"
    assert refused[0] == 404


async def tries(connection: Connection, number: str, named: Named) -> tuple[GuestTry, ...]:
    found = await guest_tries.add(connection, named, {number: GuarantorAccount(number)}, 5_000)
    return found[number].guest_tries


_AS_TRIED_BY_GUESTS = """
    insert into payment select (jsonb_populate_record(one, jsonb_build_object(
        'payment_id', one.payment_id || '-' || tried, 'guest', case when tried > 3 then $2 else $3 end,
        'guest_method', case when tried > 3 then $4::bytea else $5 end,
        'guest_address', case when tried > 3 then $6::text else $7 end,
        'created_at', one.created_at + tried * interval '1 s', 'status', 'failed'))).*
    from payment one, generate_series(1, 1500) tried where payment_id = $1
"""


async def test_what_one_guest_tries_hides_nothing_that_another_tried(payments: Api) -> None:
    number = next(numbers)
    await handle(payments.pool, *about(number, opened(), visit("V1"), charge(9_000, "V1", "C-1")))
    payment_id = f"P-{number}"
    await handle(payments.pool, *about(number, submit(1_000, payment_id=payment_id)))
    guests, methods, addresses = (
        [f"{name}-{number}" for name in ("busy", "rare")],
        [f"{name}-{number}".encode() for name in "br"],
        [f"{name}-{number}" for name in ("office", "home")],
    )
    await payments.pool.execute(_AS_TRIED_BY_GUESTS, payment_id, *guests, *methods, *addresses)

    async with payments.pool.acquire() as connection:
        by_pass = await tries(connection, number, Named(guests=set(guests)))
        by_method = await tries(connection, number, Named(guest_methods=set(methods)))
        of_account = await tries(connection, number, Named(guest_accounts={number, f"{number}-never"}))
        by_address = await tries(connection, number, Named(guest_addresses={*addresses, "somewhere"}))

    assert [Counter(one.guest for one in by_pass)[guest] for guest in guests] == [1_000, 3]
    assert [Counter(one.method for one in by_method)[method] for method in methods] == [1_000, 3]
    assert [Counter(one.address for one in by_address)[address] for address in addresses] == [1_000, 3]
    assert len(of_account) == 1_000


def by_guest(number: str, lookup: int, count: int, address: str) -> Message[Data]:
    """A guest pays 1.00 with a card of their own, by one of several lookups."""
    subject, payment_id = f"guest-{number}-{lookup}", f"{number}-{lookup}-{count}"
    token = guest_token(account_number=number, typed=number, subject=subject, address=address)
    card = Method(kind="card", token=f"tok_{payment_id}", last4="4242")
    (asked,) = about(number, submit(100, payment_id, method=card, guest_token=token))
    return asked.model_copy(update={"actor": "guest", "subject": subject})


async def declined(payments: Api, number: str, lookup: int, address: str, count: int = 10) -> list[str | None]:
    """Let a guest try one card after another, each of which fails, and return why those were refused that were."""
    reasons = []
    for one in range(count):
        (decided,) = await handle(payments.pool, by_guest(number, lookup, one, address))
        reasons.append(outcome(decided)[1])
        if reasons[-1] is None:
            failed = answer("declined", payment_id=f"{number}-{lookup}-{one}")
            await handle(payments.pool, *about(number, failed))
    return reasons


async def test_cards_that_fail_on_one_bill_count_over_all_lookups_and_not_for_its_guarantor(payments: Api) -> None:
    number, other = await bill(payments), await bill(payments)

    reasons = [await declined(payments, number, lookup, f"{number}-{lookup}") for lookup in range(3)]

    assert reasons == [[None] * 10, [None] * 10, ["too_many_attempts"] * 10]
    assert await declined(payments, other, 0, f"{number}-0", 1) == [None]
    (decided,) = await handle(payments.pool, *about(number, submit(100, f"{number}-guarantor")))
    assert outcome(decided) == ("done", None)


async def test_cards_that_fail_on_many_bills_count_by_where_they_were_looked_up_from(payments: Api) -> None:
    bills = [await bill(payments) for _ in range(6)]
    here, elsewhere = (f"{bills[0]}-{place}" for place in ("here", "elsewhere"))

    tried = [await declined(payments, number, 0, here) for number in bills[:5]]

    assert tried == [[None] * 10] * 5
    assert await declined(payments, bills[5], 0, here, 1) == ["too_many_attempts"]
    assert await declined(payments, bills[5], 1, elsewhere, 1) == [None]


async def test_cards_that_fail_count_in_all(payments: Api) -> None:
    first, other = await bill(payments), await bill(payments)
    await declined(payments, first, 0, f"{first}-here", 2)
    asked = by_guest(other, 0, 0, f"{other}-elsewhere")

    found = {}
    for limit in (2, 100_000):
        limited = payments_under(replace(RULES, guest_failures_in_all_max=limit))
        async with payments.pool.acquire() as connection, connection.transaction():
            accounts = await limited.load(connection, [asked])
        (event,) = limited.decide(accounts[other], asked, asked.time).events
        found[limit] = event.outcome

    assert found == {2: "refused", 100_000: "done"}


async def test_a_guests_pass_tells_networks_apart_and_no_address(payments: Api) -> None:
    number = await bill(payments)

    passes = []
    for address in ("203.0.113.7", "::ffff:203.0.113.7", "203.0.113.8"):
        _, found = await look_up(payments, number, "Nunez Ohara", x_forwarded_for=address)
        passes.append(Proofs(SECRET).read(GuestPass, found["guest_token"]))

    first, same, other = [one.address for one in passes if one]
    assert first == same != other
    assert "203.0.113" not in f"{first}{other}"
