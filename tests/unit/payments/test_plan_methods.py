"""Payment plans that another card or bank account is to pay, and how often one is asked."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.charging import ChargeMethod
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from shared.events.payments import RemoveMethod, SaveMethod
from shared.events.plans import (
    Authorization,
    ChangePlan,
    InstalmentDue,
    PausePlan,
    ResumePlan,
)
from shared.events.vocabulary import Method
from shared.messaging.decision import Decision
from tests.unit.payments.plan_story import (
    BANK,
    BY_BANK,
    PLAN,
    declined,
    due,
    due_on,
    failed_three_times,
    pay,
    plan_of,
    returned,
    started,
    timers,
)
from tests.unit.payments.story import (
    CARD,
    NOW,
    NUMBER,
    charge_tasks,
    events,
    outcome,
    owing,
    start_plan,
    when,
)


def test_another_card_moves_no_date_even_when_amount_and_day_are_told_again() -> None:
    account = started()
    plan = plan_of(account)
    card = Method(kind="card", token="tok_other", last4="1111")
    again = ChangePlan(
        **PLAN,
        monthly_amount_minor=plan.monthly_amount_minor,
        day_of_month=plan.day_of_month,
        autopay=True,
        method=card,
    )

    decision = when(account, again)

    changed = plan_of(decision.state)
    assert outcome(decision) == ("done", None)
    assert (changed.method, changed.instalments, changed.revision) == (card, plan.instalments, plan.revision)
    assert decision.tasks == ()


@pytest.mark.parametrize(
    "unpaid",
    [
        lambda: declined(started(), "invalid_token"),
        lambda: failed_three_times(started()),
        lambda: returned(started(method=BANK), "R02"),
        lambda: due(started(autopay=False, method=None)),
    ],
    ids=["a hard decline", "no money three times", "a wrong account", "due by hand"],
)
def test_an_unpaid_instalment_is_charged_to_a_new_card_at_once(
    unpaid: Callable[[], Decision[GuarantorAccount]],
) -> None:
    missed = unpaid()
    grace, ends_at = next((data, at) for data, at in timers(missed) if isinstance(data, GraceTimer))
    card = Method(kind="card", token="tok_other", last4="1111")

    changed = when(missed.state, ChangePlan(**PLAN, method=card, autopay=True), at=NOW + timedelta(days=35))

    again, following = timers(changed)
    assert again[1] == NOW + timedelta(days=35)
    assert isinstance(following[0], InstalmentTimer)
    assert following[0].number == 2
    charged = when(changed.state, again[0], at=again[1])
    (asked,) = charge_tasks(charged)
    assert (asked.amount_minor, asked.token) == (5_000, "tok_other")
    assert asked.payment_id not in missed.state.payments
    assert plan_of(charged.state).instalment(1).attempts == 1
    assert when(charged.state, grace, at=ends_at or NOW).state is charged.state
    assert charge_tasks(when(charged.state, following[0], at=following[1] or NOW))


def test_a_change_that_gives_no_method_tries_nothing_sooner() -> None:
    missed = declined(started(), "insufficient_funds")
    ((again, at),) = timers(missed)
    same = ChangePlan(**PLAN, monthly_amount_minor=5_000)

    changed = when(missed.state, same)

    assert (outcome(changed), changed.tasks) == (("done", None), ())
    assert when(missed.state, ChangePlan(**PLAN, method=CARD, autopay=False)).tasks == ()
    assert plan_of(changed.state) == plan_of(missed.state)
    assert [type(task) for task in charge_tasks(when(changed.state, again, at=at or NOW))] == [ChargeMethod]


def test_a_saved_card_that_a_change_names_pays_from_then_on() -> None:
    card = Method(kind="card", token="tok_saved", last4="1881")
    save = SaveMethod(account_number=NUMBER, method_id="m-1", method=card)
    account = when(started(), save).state

    changed = when(account, ChangePlan(**PLAN, method_id="m-1")).state

    assert (plan_of(changed).method, plan_of(changed).method_id) == (card, "m-1")
    assert [asked.token for asked in charge_tasks(due(changed))] == ["tok_saved"]


def test_a_card_that_is_given_counts_and_not_the_saved_one_that_is_named_too() -> None:
    save = SaveMethod(account_number=NUMBER, method_id="m-1", method=BANK)
    account = when(owing(V1=13_000), save).state

    begun = when(account, start_plan(method_id="m-1")).state
    changed = when(begun, ChangePlan(**PLAN, method=CARD, method_id="m-1")).state

    for found in (begun, changed):
        assert (plan_of(found).method, plan_of(found).method_id) == (CARD, None)
        removed = when(found, RemoveMethod(account_number=NUMBER, method_id="m-1"))
        assert plan_of(removed.state).autopay


def test_a_bank_account_pays_by_itself_only_with_a_consent_which_is_kept() -> None:
    account = started(authorization=None)
    consent = Authorization(text_version="v2", accepted_at=NOW)

    refused = when(account, ChangePlan(**PLAN, method=BANK))
    changed = when(account, ChangePlan(**PLAN, method=BANK, authorization=consent))

    assert outcome(refused) == ("refused", "authorization_missing")
    assert (outcome(changed), plan_of(changed.state).authorization) == (("done", None), consent)


def test_a_consent_is_to_being_debited_from_what_was_named_with_it() -> None:
    other, again = (
        BANK.model_copy(update=changed) for changed in ({"last4": "1111"}, {"token": "tok_bank_again"})
    )
    consent = BY_BANK["authorization"]
    by_card, by_bank = started(), started(**BY_BANK)

    for account, method in ((by_card, BANK), (by_bank, other)):
        assert plan_of(account).authorization == consent
        assert outcome(when(account, ChangePlan(**PLAN, method=method))) == ("refused", "authorization_missing")
    kept = when(by_bank, ChangePlan(**PLAN, method=again, day_of_month=15)).state
    assert (plan_of(kept).method, plan_of(kept).authorization) == (again, consent)
    assert plan_of(when(by_bank, ChangePlan(**PLAN, method=CARD)).state).authorization is None
    by_staff = when(by_bank, ChangePlan(**PLAN, method=again), actor="staff:ann")
    assert outcome(by_staff) == ("refused", "authorization_missing")


@pytest.mark.parametrize("reason", ["R07", "R10", "R29"])
def test_a_consent_that_was_revoked_has_to_be_given_anew(reason: str) -> None:
    account = returned(started(**BY_BANK), reason)
    assert plan_of(account.state).autopay is False
    change = ChangePlan(**PLAN, method=BANK, autopay=True)

    assert outcome(when(account.state, change)) == ("refused", "authorization_missing")
    anew = change.model_copy(update={"authorization": Authorization(text_version="v2", accepted_at=NOW)})
    assert outcome(when(account.state, anew)) == ("done", None)


def test_a_new_bank_account_is_debited_on_the_next_banking_day() -> None:
    missed = declined(started(), "invalid_token").state
    saturday = NOW.replace(month=4, day=5)

    changed = when(missed, ChangePlan(**PLAN, **BY_BANK), at=saturday)

    assert timers(changed)[0][1] == NOW.replace(month=4, day=7)


def test_a_paused_plan_tries_nothing_with_a_new_card_until_it_goes_on() -> None:
    paused = when(declined(started(), "invalid_token").state, PausePlan(**PLAN)).state

    changed = when(paused, ChangePlan(**PLAN, method=CARD))

    assert timers(changed) == []
    assert len(timers(when(changed.state, ResumePlan(**PLAN)))) == 1


def test_a_bank_account_moves_the_dates_to_banking_days_and_a_card_moves_them_back() -> None:
    account = due(started(18_000)).state
    card_days = [date(2025, 3, 31), date(2025, 4, 30), date(2025, 5, 31), date(2025, 6, 30)]
    assert due_on(account) == card_days

    banked = when(account, ChangePlan(**PLAN, **BY_BANK))

    assert due_on(banked.state) == [date(2025, 3, 31), date(2025, 4, 30), date(2025, 6, 2), date(2025, 6, 30)]
    ((timer, at),) = timers(banked)
    assert isinstance(timer, InstalmentTimer)
    assert (timer.number, at and at.date()) == (2, date(2025, 4, 30))
    carded = when(banked.state, ChangePlan(**PLAN, method=CARD))
    assert due_on(carded.state) == card_days
    by_hand = when(banked.state, ChangePlan(**PLAN, autopay=False))
    assert due_on(by_hand.state) == card_days
    paid = pay(started(18_000), 15_000, "pay-1", plan_id="plan-1")
    assert due_on(when(paid, ChangePlan(**PLAN, **BY_BANK)).state) == card_days


def test_a_card_given_on_the_weekend_before_a_banking_day_is_charged_no_earlier_than_now() -> None:
    account = started(10_000, method=BANK, day_of_month=15)
    assert due_on(account) == [date(2025, 3, 17), date(2025, 4, 15)]

    carded = when(account, ChangePlan(**PLAN, method=CARD), at=datetime(2025, 3, 16, 8, tzinfo=UTC))

    assert due_on(carded.state) == [date(2025, 3, 16), date(2025, 4, 15)]


def short_of_money(account: GuarantorAccount, times: int) -> GuarantorAccount:
    """Return the account after the bank sent its first instalment back so often."""
    for _ in range(times):
        account = returned(account, "R01").state
    return account


def test_a_bank_is_asked_three_times_for_an_instalment_however_often_its_plan_is_paused() -> None:
    account, debits = started(method=BANK), 0
    for _ in range(5):
        fell_due = due(account)
        debits += len(charge_tasks(fell_due))
        if charge_tasks(fell_due):
            account = returned(account, "R01").state
        account = when(when(account, PausePlan(**PLAN)).state, ResumePlan(**PLAN)).state

    assert debits == 3
    fell_due = due(account)
    (told,) = events(fell_due)
    assert isinstance(told, InstalmentDue)
    assert (told.autopay, plan_of(account).autopay) == (False, True)
    assert GraceTimer in [type(data) for data, _ in timers(fell_due)]
    assert charge_tasks(due(fell_due.state, 2))


def test_the_same_bank_account_given_again_is_not_asked_more_often_than_banks_allow() -> None:
    once, thrice = short_of_money(started(method=BANK), 1), short_of_money(started(method=BANK), 3)
    again = BANK.model_copy(update={"token": "tok_bank_again"})
    other = BANK.model_copy(update={"last4": "1111"})

    def tried(account: GuarantorAccount, method: Method) -> int:
        changed = when(account, ChangePlan(**PLAN | BY_BANK | {"method": method})).state
        return len(charge_tasks(due(changed)))

    assert (tried(once, again), tried(thrice, again), tried(thrice, other), tried(thrice, CARD)) == (1, 0, 1, 1)
    assert tried(failed_three_times(started()).state, CARD) == 1


def test_a_card_is_charged_anew_when_its_plan_goes_on() -> None:
    account = when(failed_three_times(started()).state, PausePlan(**PLAN)).state

    resumed = when(account, ResumePlan(**PLAN)).state

    assert [asked.amount_minor for asked in charge_tasks(due(resumed))] == [5_000]


def test_a_new_card_is_charged_for_what_a_bank_was_asked_in_vain_before_its_plan_was_paused() -> None:
    account = when(short_of_money(started(method=BANK), 3), PausePlan(**PLAN)).state
    account = when(account, ResumePlan(**PLAN)).state

    changed = when(account, ChangePlan(**PLAN, method=CARD))
    same = when(account, ChangePlan(**PLAN, method=BANK))

    assert [asked.token for asked in charge_tasks(due(changed.state))] == ["tok_ok"]
    assert charge_tasks(due(same.state)) == []
    assert len(timers(changed)) == 1


def test_a_bank_that_was_asked_three_times_is_not_asked_again_for_as_much_on_another_day() -> None:
    short = short_of_money(started(method=BANK), 3)

    def attempts(**change: Any) -> list[int]:
        changed = when(short, ChangePlan(**PLAN, **change)).state
        return [one.attempts for one in plan_of(changed).instalments]

    assert attempts(day_of_month=15) == [3, 0, 0]
    assert charge_tasks(due(when(short, ChangePlan(**PLAN, day_of_month=15)).state)) == []
    assert attempts(monthly_amount_minor=6_000) == [0, 0]
    for change in ({"day_of_month": 15}, {"method": CARD}):
        under_way = when(due(started(method=BANK)).state, ChangePlan(**PLAN | change)).state
        assert [one.attempts for one in plan_of(under_way).instalments] == [1, 0, 0]
    assert attempts(day_of_month=15, method=CARD) == [0, 0, 0]
    assert attempts(day_of_month=15, autopay=False) == [0, 0, 0]
