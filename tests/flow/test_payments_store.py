"""What payments keeps in PostgreSQL: how batches are loaded and saved, and what the database itself refuses."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from local.infrastructure import Endpoints
from services.payments import guest_tries, guests, reads, settlements, store
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.refund import RefundAnswered
from services.payments.reads import methods, numbers_of_person, show_accounts, show_payment
from shared.database import Pool
from shared.events.envelope import Data, Message
from shared.events.payments import RequestRefund
from shared.events.plans import PausePlan
from shared.events.vocabulary import Method
from tests.flow.payments_batches import about, handle, numbers, payments_pool
from tests.flow.statements import plan_of, statements
from tests.unit.payments.plan_story import BANK
from tests.unit.payments.story import (
    RULES,
    adjustment,
    answer,
    charge,
    closed,
    events,
    message,
    opened,
    outcome,
    start_plan,
    statement,
    submit,
    visit,
)
from tests.unit.payments.test_proofs import guest_token, review


@pytest.fixture(scope="module")
async def pool(infrastructure: Endpoints) -> AsyncIterator[Pool]:
    async with payments_pool(infrastructure) as pool:
        yield pool


async def kept(pool: Pool, number: str) -> GuarantorAccount:
    (shown,) = await show_accounts(pool, [number])
    return shown.account


async def test_what_a_batch_ends_in_is_what_the_next_one_finds(pool: Pool) -> None:
    number = next(numbers)
    decisions = await handle(
        pool,
        *about(
            number,
            charge(10_000, "V-1"),
            opened(viewers=("P-2", "P-3")),
            visit("V-1"),
            visit("V-2"),
            charge(300, "V-2"),
            closed("V-2"),
            adjustment(-1_000, "V-1"),
            submit(2_000, f"{number}-pay"),
        ),
    )

    ended = decisions[-1].state
    assert ended.payments
    assert await kept(pool, number) == replace(ended, posted=frozenset(), postings=())


async def test_a_method_is_kept_once_its_payment_is_made(pool: Pool) -> None:
    number, pay = (name := next(numbers)), f"{name}-pay"
    await handle(pool, *about(number, opened(), charge(10_000), submit(4_000, pay, save_method=True)))
    assert await methods(pool, number, "P-1") == []

    await handle(pool, *about(number, answer("succeeded", payment_id=pay)))

    assert [(one.method_id, one.token) for one in await methods(pool, number, "P-1")] == [(pay, "tok_ok")]


async def test_a_return_of_any_payment_stops_the_plan_that_its_account_pays(pool: Pool) -> None:
    number, pay = (name := next(numbers)), f"{name}-pay"
    await handle(pool, *about(number, opened(), charge(10_000), start_plan(5_000, method=BANK)))
    await handle(pool, *about(number, charge(700, charge_id="C-later"), submit(700, pay, method=BANK)))
    await handle(pool, *about(number, answer("succeeded", payment_id=pay)))
    assert (await kept(pool, number)).plans["plan-1"].autopay

    came_back = answer("succeeded", payment_id=pay, query=None, stands="returned", reason="R10")
    await handle(pool, *about(number, came_back))

    plan = (await kept(pool, number)).plans["plan-1"]
    assert (plan.autopay, plan.method) == (False, None)


async def test_a_payer_who_is_taken_from_the_account_pays_no_plan_by_itself(pool: Pool) -> None:
    number = next(numbers)
    (start,) = about(number, start_plan(5_000))
    await handle(pool, *about(number, opened(), charge(10_000)))
    await handle(pool, start.model_copy(update={"actor": "proxy:P-2"}))

    await handle(pool, *about(number, opened(viewers=())))

    assert (await kept(pool, number)).plans["plan-1"].autopay is False


async def test_a_plan_whose_visit_the_host_closes_is_over(pool: Pool) -> None:
    number = next(numbers)
    await handle(pool, *about(number, opened(), charge(10_000), start_plan(5_000)))

    await handle(pool, *about(number, closed()))

    account = await kept(pool, number)
    assert (dict(account.plans), account.visits["V-1"].plan_id) == ({}, None)


async def test_a_dispute_lost_knows_what_was_refunded(pool: Pool) -> None:
    number, pay = (name := next(numbers)), f"{name}-pay"
    await handle(pool, *about(number, opened(), charge(10_000), submit(10_000, pay)))
    await handle(pool, *about(number, answer("succeeded", payment_id=pay, charge_id=f"ch-{number}")))
    asked = RequestRefund(
        refund_id=f"{number}-refund",
        account_number=number,
        payment_id=pay,
        amount_minor=4_000,
        currency="USD",
        reason="Charged twice",
    )
    (request,) = about(number, asked)
    await handle(pool, request.model_copy(update={"actor": "staff:ann"}))
    made = RefundAnswered(refund_id=asked.refund_id, account_number=number, query=0, result="succeeded")
    await handle(pool, *about(number, made))

    lost = answer("succeeded", payment_id=pay, query=None, stands="disputed", dispute_status="lost")
    await handle(pool, *about(number, lost))

    assert (await kept(pool, number)).balance_minor == 10_000


async def test_a_card_that_failed_too_often_for_guests_is_refused_on_another_account(pool: Pool) -> None:
    first, other = next(numbers), next(numbers)
    card = Method(kind="card", token=f"tok_{first}", last4="4242")

    def pay(number: str, count: int) -> Message[Data]:
        token = guest_token(account_number=number, typed=number, subject=f"guest-{number}-{count}")
        (asked,) = about(number, submit(100, f"{number}-{count}", method=card, guest_token=token))
        return asked.model_copy(update={"actor": "guest", "subject": f"guest-{number}-{count}"})

    for number in (first, other):
        await handle(pool, *about(number, opened(), charge(10_000)))
    tries = range(RULES.guest_failures_max)
    await handle(pool, *[pay(first, count) for count in tries])
    assert outcome((await handle(pool, pay(other, 0)))[0]) == ("done", None)
    await handle(pool, *about(first, *[answer("declined", payment_id=f"{first}-{count}") for count in tries]))

    (refused,) = await handle(pool, pay(other, 1))

    assert outcome(refused) == ("refused", "too_many_attempts")


async def test_a_review_stays_used_when_its_payment_was_declined(pool: Pool) -> None:
    number, pay = (name := next(numbers)), f"{name}-pay"
    await handle(pool, *about(number, opened(), charge(10_000)))
    token = review(await kept(pool, number), account_number=number, review_id=f"{number}-review")
    await handle(pool, *about(number, submit(10_000, pay, review_token=token)))
    await handle(pool, *about(number, answer("declined", payment_id=pay)))

    (again,) = await handle(pool, *about(number, submit(10_000, f"{pay}-2", review_token=token)))

    assert outcome(again) == ("refused", "review_expired")


async def test_a_batch_of_any_size_ends_in_the_same_state(pool: Pool) -> None:
    found = []
    for size in (1, 2, 20):
        number = next(numbers)
        pay = f"{number}-pay"
        story = about(
            number,
            charge(10_000, "V-1"),
            statement("S-1"),
            opened(),
            charge(10_000, "V-1"),
            adjustment(-1_000, "V-1"),
            submit(2_000, pay),
            submit(2_000, pay),
            answer("unknown", payment_id=pay),
            adjustment(-1_000, "V-1"),
            answer("succeeded", query=1, payment_id=pay),
            answer("succeeded", query=1, payment_id=pay),
            statement("S-1"),
            closed("V-2"),
        )
        told: list[tuple[str, str | None]] = []
        for start in range(0, len(story), size):
            for decision in await handle(pool, *story[start : start + size]):
                told += [(event.data.TYPE, event.outcome) for event in decision.events]
        account = await kept(pool, number)
        lines = await pool.fetch(
            "select kind, cause_id, ledger_account, amount_minor from ledger_line"
            " where account_number = $1 order by at, ledger_account",
            number,
        )
        posted = [tuple(str(value).replace(number, "G") for value in line) for line in lines]
        found.append((told, account.visits, account.version, account.opened, posted))

    assert found[0] == found[1] == found[2]
    assert len(found[0][4]) == 6


async def test_a_visit_owes_the_sum_of_its_lines_in_the_ledger(pool: Pool) -> None:
    differing = await pool.fetch(
        """
        select v.account_number, v.number
        from visit_account v left join ledger_line l
            on l.account_number = v.account_number and l.ledger_account = 'receivable:' || v.number
        group by v.account_number, v.number
        having charges_minor - insurance_paid_minor + adjustments_minor - paid_minor
            <> coalesce(sum(l.amount_minor), 0)
        """
    )

    assert differing == []


async def test_a_command_about_an_account_that_nobody_has_heard_of_leaves_nothing(pool: Pool) -> None:
    number = next(numbers)
    (decision,) = await handle(pool, *about(number, submit(100, f"{number}-pay")))

    assert outcome(decision) == ("refused", "not_found")
    assert not await pool.fetchval("select exists (select from guarantor_account where number = $1)", number)


async def test_a_payment_id_that_another_account_has_used_is_a_conflict(pool: Pool) -> None:
    one, other = next(numbers), next(numbers)
    for number in (one, other):
        await handle(pool, *about(number, opened(), charge(1_000)))
    await handle(pool, *about(one, submit(100, f"{one}-pay")))

    (decision,) = await handle(pool, *about(other, submit(100, f"{one}-pay")))
    assert outcome(decision) == ("refused", "idempotency_conflict")

    both = (*about(one, submit(100, f"{one}-both")), *about(other, submit(100, f"{one}-both")))
    with pytest.raises(asyncpg.UniqueViolationError):
        await handle(pool, *both)
    assert await show_payment(pool, f"{one}-both") is None


async def test_a_payment_that_has_ended_is_known_again_by_its_id(pool: Pool) -> None:
    number = next(numbers)
    pay = f"{number}-pay"
    await handle(pool, *about(number, opened(), charge(1_000), submit(600, pay)))
    await handle(pool, *about(number, answer("succeeded", payment_id=pay, charge_id="ch-1")))

    same, other = await handle(pool, *about(number, submit(600, pay), submit(601, pay)))
    assert outcome(same) == ("done", None)
    assert outcome(other) == ("refused", "idempotency_conflict")
    shown = await show_payment(pool, pay)
    assert shown is not None
    assert (shown[0].number, shown[1].status, shown[1].charge_id) == (number, "succeeded", "ch-1")


async def test_statements_wait_in_the_database_for_their_account(pool: Pool) -> None:
    number = next(numbers)
    await handle(pool, *about(number, statement("S-1"), statement("S-2")))

    first, again = await handle(pool, *about(number, opened())), await handle(pool, *about(number, opened()))

    assert len(events(first[0])) == 2
    assert events(again[0]) == []


async def test_batches_that_hear_of_the_same_accounts_at_once_come_one_after_the_other(pool: Pool) -> None:
    known = [next(numbers) for _ in range(20)]
    batches = []
    for place in range(8):
        order = known[place:] + known[:place]
        batches.append(
            [one for number in order for one in about(number, opened(), charge(1, "V-1", f"C-{place}"))]
        )

    await asyncio.gather(*(handle(pool, *batch) for batch in batches))

    assert {shown.account.balance_minor for shown in await show_accounts(pool, known)} == {8}


async def test_of_payments_that_come_at_once_only_what_is_owed_is_accepted(pool: Pool) -> None:
    number = next(numbers)
    await handle(pool, *about(number, opened(), charge(1_000)))

    decisions = await asyncio.gather(
        *(handle(pool, *about(number, submit(400, f"{number}-{place}"))) for place in range(8))
    )

    ended = sorted(outcome(decision) for (decision,) in decisions)
    assert ended == [("done", None)] * 2 + [("refused", "payment_in_progress")] * 6
    assert (await kept(pool, number)).reserved_minor() == {"V-1": 800}


async def test_a_person_sees_the_accounts_they_answer_for_or_view(pool: Pool) -> None:
    mine, theirs, other = next(numbers), next(numbers), next(numbers)
    guarantor = opened().guarantor.model_copy(update={"person_id": f"of {mine}"})
    await handle(pool, *about(mine, opened(guarantor=guarantor, viewers=())))
    await handle(pool, *about(theirs, opened(viewers=("P-2", f"of {mine}"))))
    await handle(pool, *about(other, opened()))

    assert await numbers_of_person(pool, f"of {mine}") == sorted([mine, theirs])


async def test_the_newest_statement_is_shown(pool: Pool) -> None:
    number = next(numbers)
    newer = statement("S-2").model_copy(update={"issued_on": statement().issued_on.replace(month=3)})
    await handle(pool, *about(number, opened(), newer, statement("S-1")))

    (shown,) = await show_accounts(pool, [number])

    assert shown.newest_statement is not None
    assert shown.newest_statement.statement_id == "S-2"


@pytest.mark.parametrize(
    ("accounts", "amounts"),
    [
        (["receivable:V-1", "charges"], [100, -99]),
        (["receivable:V-1"], [0]),
        (["receivable:V-1", "charges"], [100, -50, -50]),
        ([], []),
    ],
)
async def test_the_database_refuses_a_posting_that_does_not_balance(
    pool: Pool, accounts: list[str], amounts: list[int]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(
            "insert into posting (account_number, kind, cause_id, at, accounts, amounts)"
            " values ('G', 'charge', 'C', now(), $1, $2)",
            accounts,
            amounts,
        )


@pytest.mark.parametrize(
    "change",
    [
        "update posting set description = 'changed'",
        "delete from posting where false",
        "truncate posting",
        "update plan_history set actor = null",
        "delete from plan_history where false",
        "truncate plan_history",
        "update account_read set reader = ''",
        "delete from account_read where false",
        "truncate account_read",
    ],
)
async def test_the_database_refuses_to_change_the_ledger_and_who_did_and_saw_what(pool: Pool, change: str) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        await pool.execute(change)


async def test_who_arranged_a_plan_is_kept_and_no_token_with_it(pool: Pool) -> None:
    number = next(numbers)
    plan = {"plan_id": f"{number}-plan", "account_number": number}
    await handle(pool, *about(number, opened(), charge(13_000), start_plan(plan_id=plan["plan_id"])))
    await handle(pool, message(PausePlan(**plan, reason="Asked by phone"), actor="staff:ann"))

    kept_of = await pool.fetch(
        "select actor, status, reason, method->>'last4' as last4, method ? 'token' as token,"
        " consent->>'text_version' as consent from plan_history where account_number = $1 order by seq",
        number,
    )

    assert [tuple(row) for row in kept_of] == [
        ("patient:P-1", "active", None, "4242", False, "v1"),
        ("staff:ann", "paused", "Asked by phone", "4242", False, "v1"),
    ]


STATEMENTS = statements(store, reads, guest_tries, guests, settlements)


@pytest.mark.parametrize("name", sorted(STATEMENTS))
async def test_no_statement_reads_a_whole_table(pool: Pool, name: str) -> None:
    assert "Seq Scan" not in await plan_of(pool, STATEMENTS[name])
