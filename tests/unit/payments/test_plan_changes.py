"""Payment plans that are changed, paused, resumed and cancelled."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.instalment_timer import InstalmentTimer
from shared.events.plans import (
    CancelPlan,
    ChangePlan,
    InstalmentFailed,
    InstalmentPaid,
    PausePlan,
    PlanCancelled,
    PlanChanged,
    PlanPaused,
    PlanResumed,
    ResumePlan,
)
from tests.unit.payments.plan_story import (
    BANK,
    BY_BANK,
    PLAN,
    due,
    due_on,
    paid_by,
    pay,
    plan_of,
    started,
    timers,
)
from tests.unit.payments.story import (
    NOW,
    answer,
    events,
    outcome,
    submit,
    when,
)


def test_a_paused_plan_stands_still_and_goes_on_with_later_dates() -> None:
    account = started()
    paused = when(account, PausePlan(**PLAN)).state
    timer = InstalmentTimer(**PLAN, number=1, revision=0)

    assert when(paused, timer, at=NOW + timedelta(days=40)).state is paused
    resumed = when(paused, ResumePlan(**PLAN), at=NOW + timedelta(days=60))
    (told,) = events(resumed)
    assert isinstance(told, PlanResumed)
    assert told.instalments is not None
    assert told.instalments[0].due_on == date(2025, 5, 31)
    assert when(resumed.state, timer, at=NOW + timedelta(days=91)).state is resumed.state
    assert outcome(when(account, ResumePlan(**PLAN))) == ("refused", "plan_not_paused")
    again = when(resumed.state, ResumePlan(**PLAN), at=NOW + timedelta(days=61))
    assert (outcome(again), events(again), again.tasks) == (("done", None), [told], ())
    assert again.state is resumed.state
    assert len(timers(resumed)) == 1


def test_a_change_spreads_what_is_left_anew() -> None:
    account = due(started()).state
    account = when(account, answer("succeeded", payment_id=paid_by(account))).state

    decision = when(account, ChangePlan(**PLAN, monthly_amount_minor=4_000, day_of_month=15))

    (told,) = events(decision)
    assert isinstance(told, PlanChanged)
    assert [(one.number, one.amount_minor) for one in told.instalments] == [(1, 5_000), (2, 4_000), (3, 4_000)]
    assert outcome(when(account, ChangePlan(**PLAN, monthly_amount_minor=100))) == (
        "refused",
        "instalment_too_small",
    )


@pytest.mark.parametrize("monthly_minor", [0, -5_000])
def test_a_change_to_nothing_a_month_is_refused(monthly_minor: int) -> None:
    command = ChangePlan(**PLAN, monthly_amount_minor=monthly_minor)

    assert outcome(when(started(), command)) == ("refused", "amount_not_positive")
    assert outcome(when(due(started(5_000)).state, command)) == ("refused", "amount_not_positive")


def test_a_change_in_another_currency_is_refused() -> None:
    assert outcome(when(started(), ChangePlan(**PLAN, currency="EUR"))) == ("refused", "currency_mismatch")
    assert outcome(when(started(), ChangePlan(**PLAN, currency="USD"))) == ("done", None)


@pytest.mark.parametrize("change", [{"day_of_month": 15}, {"monthly_amount_minor": 4_000}])
def test_a_plan_whose_last_instalment_is_under_way_is_changed_without_another(change: dict[str, Any]) -> None:
    account = due(started(5_000)).state

    changed = when(account, ChangePlan(**PLAN, **change))
    resumed = when(when(account, PausePlan(**PLAN)).state, ResumePlan(**PLAN))

    for decision in (changed, resumed):
        assert outcome(decision) == ("done", None)
        assert plan_of(decision.state).instalments == plan_of(account).instalments


def test_why_a_plan_was_paused_or_cancelled_is_told() -> None:
    for command, cls in ((PausePlan, PlanPaused), (CancelPlan, PlanCancelled)):
        (told,) = events(when(started(), command(**PLAN, reason="Out of work")))
        assert told == cls(**PLAN, reason="Out of work")


def test_a_cancelled_plan_leaves_what_is_owed() -> None:
    decision = when(started(), CancelPlan(**PLAN))

    assert outcome(decision) == ("done", None)
    assert outcome(when(decision.state, CancelPlan(**PLAN))) == ("done", None)
    assert outcome(when(decision.state, PausePlan(**PLAN))) == ("refused", "plan_ended")
    assert outcome(when(decision.state, submit(13_000))) == ("done", None)


def test_an_instalment_that_was_under_way_when_its_plan_was_cancelled_ends_as_its_payment_does() -> None:
    account = due(started()).state
    cancelled = when(account, CancelPlan(**PLAN)).state

    taken = when(cancelled, answer("succeeded", payment_id=paid_by(account)))
    (*_, paid) = events(taken)
    assert isinstance(paid, InstalmentPaid)
    assert (paid.number, paid.amount_minor) == (1, 5_000)
    plan = plan_of(taken.state)
    assert (plan.status, plan.instalment(1).status, plan.left_minor) == ("cancelled", "paid", 8_000)
    assert outcome(when(taken.state, submit(8_000))) == ("done", None)
    declined_late = when(cancelled, answer("declined", payment_id=paid_by(account), reason="insufficient_funds"))
    (*_, failed) = events(declined_late)
    assert isinstance(failed, InstalmentFailed)
    assert (failed.retry_on, declined_late.tasks) == (None, ())
    assert plan_of(declined_late.state).instalment(1).status == "failed"


def ahead(instalments: int) -> GuarantorAccount:
    """Return an account whose plan of ten instalments is paid ahead by so many."""
    started_on_20th = started(50_000, 5_000, day_of_month=20)
    return pay(started_on_20th, instalments * 5_000, "pay-1", plan_id="plan-1")


def test_another_day_leaves_the_months_that_were_paid_ahead() -> None:
    account = ahead(6)
    assert due_on(account)[5:7] == [date(2025, 8, 20), date(2025, 9, 20)]

    changed = when(account, ChangePlan(**PLAN, day_of_month=21))
    dearer = when(changed.state, ChangePlan(**PLAN, monthly_amount_minor=10_000))

    assert due_on(changed.state)[5:] == [date(2025, 8, 20), *(date(2025, month, 21) for month in (9, 10, 11, 12))]
    assert due_on(dearer.state)[5:] == [date(2025, 8, 20), date(2025, 9, 21), date(2025, 10, 21)]
    assert [at and at.date() for _, at in timers(changed)] == [date(2025, 3, 20)]


def test_another_day_is_of_no_earlier_month_than_the_next_instalment_was() -> None:
    account = pay(started(50_000, 5_000, day_of_month=5), 30_000, "pay-1", plan_id="plan-1")
    banked = pay(started(20_000, 5_000, day_of_month=1, method=BANK), 5_000, "pay-1", plan_id="plan-1")

    changed = when(account, ChangePlan(**PLAN, day_of_month=20)).state
    last = when(banked, ChangePlan(**PLAN, day_of_month=31)).state

    assert (due_on(account)[6], due_on(changed)[6]) == (date(2025, 10, 5), date(2025, 10, 20))
    assert due_on(last) == [date(2025, 4, 1), date(2025, 6, 2), date(2025, 6, 30), date(2025, 7, 31)]


def test_a_month_of_which_a_part_was_paid_still_has_the_rest_however_often_the_plan_is_changed() -> None:
    account, before = started(15_000), due_on(started(15_000))
    for turn in range(3):
        account = pay(account, 100, f"pay-{turn}", plan_id="plan-1")
        for monthly_minor in (6_000, 5_000):
            account = when(account, ChangePlan(**PLAN, monthly_amount_minor=monthly_minor)).state
        account = when(when(account, PausePlan(**PLAN)).state, ResumePlan(**PLAN)).state

        unpaid = [one.due_on for one in plan_of(account).instalments if one.status == "scheduled"]
        assert unpaid == before


def test_what_came_back_is_of_its_own_month_though_the_day_was_changed_since() -> None:
    account = pay(started(20_000, day_of_month=5), 5_000, "pay-1", plan_id="plan-1", method=BANK)
    account = when(account, ChangePlan(**PLAN, day_of_month=20)).state
    account = when(account, answer("succeeded", query=None, stands="returned", reason="R01")).state
    assert due_on(account)[:2] == [date(2025, 4, 5), date(2025, 5, 20)]

    again = when(account, ChangePlan(**PLAN, day_of_month=25)).state
    banked = when(account, ChangePlan(**PLAN, **BY_BANK)).state

    assert due_on(again)[:2] == [date(2025, 4, 25), date(2025, 5, 25)]
    assert due_on(banked)[:2] == [date(2025, 4, 21), date(2025, 5, 20)]


def test_a_plan_that_goes_on_leaves_the_months_that_were_paid_ahead() -> None:
    account = ahead(6)
    before = due_on(account)

    resumed = when(when(account, PausePlan(**PLAN)).state, ResumePlan(**PLAN))

    assert due_on(resumed.state) == before


def test_what_a_bank_pays_after_the_end_of_a_month_is_of_that_month() -> None:
    account = pay(started(20_000, 5_000, method=BANK), 15_000, "pay-1", plan_id="plan-1")
    assert due_on(account)[2:] == [date(2025, 6, 2), date(2025, 6, 30)]

    changed = when(account, ChangePlan(**PLAN, day_of_month=15)).state
    resumed = when(when(account, PausePlan(**PLAN)).state, ResumePlan(**PLAN)).state

    assert due_on(changed)[2:] == [date(2025, 6, 2), date(2025, 6, 16)]
    assert due_on(resumed) == due_on(account)
    again = when(changed, ChangePlan(**PLAN, day_of_month=20)).state
    resumed = when(when(changed, PausePlan(**PLAN)).state, ResumePlan(**PLAN)).state
    assert due_on(again)[2:] == [date(2025, 6, 2), date(2025, 6, 20)]
    assert due_on(resumed) == due_on(changed)


def test_what_came_back_of_one_month_leaves_the_later_ones_that_are_paid_whatever_their_day_was() -> None:
    account = started(20_000, 5_000, method=BANK)
    for turn in range(3):
        account = pay(account, 5_000, f"pay-{turn}", plan_id="plan-1")
    account = when(
        account, answer("succeeded", payment_id="pay-0", query=None, stands="returned", reason="R01")
    ).state

    for day in (15, 20):
        account = when(account, ChangePlan(**PLAN, day_of_month=day)).state

    unpaid = [one.due_on for one in plan_of(account).instalments if one.status == "scheduled"]
    assert unpaid == [date(2025, 3, 20), date(2025, 6, 20)]


def test_a_plan_that_goes_on_tells_its_instalments_in_order_and_one_a_month() -> None:
    account = pay(started(15_000, 5_000), 5_000, "pay-1", plan_id="plan-1", method=BANK)
    account = pay(account, 5_000, "pay-2", plan_id="plan-1")
    account = when(account, answer("succeeded", query=None, stands="returned", reason="R01")).state
    paused = when(account, PausePlan(**PLAN)).state

    early = plan_of(when(paused, ResumePlan(**PLAN)).state)
    late = plan_of(when(paused, ResumePlan(**PLAN), at=NOW + timedelta(days=25)).state)

    assert [(one.number, one.due_on, one.status) for one in early.instalments] == [
        (1, date(2025, 3, 31), "scheduled"),
        (2, date(2025, 4, 30), "paid"),
        (3, date(2025, 5, 31), "scheduled"),
    ]
    assert [(one.number, one.due_on, one.status) for one in late.instalments] == [
        (1, date(2025, 4, 30), "paid"),
        (2, date(2025, 5, 31), "scheduled"),
        (3, date(2025, 6, 30), "scheduled"),
    ]
