"""Payment plans: what may be arranged, when instalments fall due, and what becomes of them."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.records import Plan
from services.payments.domain.schedule import banking_day, by_amount, by_months, due_dates, schedule
from shared.events.envelope import Data
from shared.events.payments import BalanceChanged, PaymentAccepted, PaymentReturned, PaymentSucceeded, WorkRaised
from shared.events.plans import (
    CancelPlan,
    ChangePlan,
    InstalmentDue,
    InstalmentFailed,
    InstalmentPaid,
    PausePlan,
    PlanChanged,
    PlanCompleted,
    PlanDefaulted,
    PlanResumed,
    PlanStarted,
    ResumePlan,
)
from shared.events.vocabulary import Method
from shared.messaging.decision import Decision
from tests.unit.payments.story import (
    NOW,
    NUMBER,
    adjustment,
    answer,
    charge,
    charge_tasks,
    closed,
    events,
    outcome,
    owing,
    shares,
    start_plan,
    submit,
    when,
)

BANK = Method(kind="bank_account", token="tok_bank_ok", last4="6789")
PLAN: dict[str, Any] = {"plan_id": "plan-1", "account_number": NUMBER}


def started(owed_minor: int = 12_000, monthly_minor: int = 5_000, **changes: Any) -> GuarantorAccount:
    return when(owing(V1=owed_minor), start_plan(monthly_minor, **changes)).state


def plan_of(account: GuarantorAccount) -> Plan:
    return account.plans["plan-1"]


def timers(decision: Decision[GuarantorAccount]) -> list[tuple[Data, datetime | None]]:
    return [
        (task.data, task.due_at) for task in decision.tasks if isinstance(task.data, InstalmentTimer | GraceTimer)
    ]


def due(account: GuarantorAccount, number: int = 1, at: datetime | None = None) -> Decision[GuarantorAccount]:
    """Let an instalment fall due on its day."""
    plan = plan_of(account)
    timer = InstalmentTimer(**PLAN, number=number, revision=plan.revision)
    day = plan.instalment(number).due_on
    return when(account, timer, at=at or NOW.replace(year=day.year, month=day.month, day=day.day))


def paid_by(account: GuarantorAccount, number: int = 1) -> str:
    payment_id = plan_of(account).instalment(number).payment_id
    assert payment_id is not None
    return payment_id


def failed_three_times(account: GuarantorAccount) -> Decision[GuarantorAccount]:
    for _ in range(3):
        fell_due = due(account).state
        decision = when(fell_due, answer("declined", payment_id=paid_by(fell_due), reason="insufficient_funds"))
        account = decision.state
    return decision


@examples(
    st.integers(1, 10**9), st.integers(1, 10**8), st.integers(1, 31), st.dates(date(2024, 1, 1), date(2030, 1, 1))
)
def test_instalments_sum_to_the_balance_and_fall_due_once_a_month(
    total: int, monthly: int, day: int, start: date
) -> None:
    monthly = max(monthly, by_months(total, 60))
    made = schedule(by_amount(total, monthly), start, day, bank=False)

    assert sum(one.amount_minor for one in made) == total
    assert all(one.amount_minor == monthly for one in made[:-1])
    assert 0 < made[-1].amount_minor <= monthly
    assert [one.number for one in made] == list(range(1, len(made) + 1))
    months = [one.due_on.year * 12 + one.due_on.month for one in made]
    assert months == list(range(months[0], months[0] + len(months)))
    assert timedelta(days=10) <= made[0].due_on - start <= timedelta(days=41)


def test_dates_start_from_the_chosen_day_again_after_a_short_month() -> None:
    dates = due_dates(date(2025, 1, 15), 31, 4, bank=False)

    assert dates == (date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31), date(2025, 4, 30))


def test_a_bank_debit_moves_to_the_next_banking_day_and_a_card_does_not() -> None:
    assert banking_day(date(2025, 7, 4)) == date(2025, 7, 7)
    assert due_dates(date(2025, 6, 20), 4, 2, bank=True) == (date(2025, 7, 7), date(2025, 8, 4))
    assert due_dates(date(2025, 6, 20), 4, 1, bank=False) == (date(2025, 7, 4),)


def test_a_plan_starts_with_its_instalments_and_one_timer() -> None:
    decision = when(owing(V1=12_000), start_plan(5_000))

    assert outcome(decision) == ("done", None)
    (told,) = events(decision)
    assert isinstance(told, PlanStarted)
    assert [(one.number, one.due_on, one.amount_minor) for one in told.instalments] == [
        (1, date(2025, 3, 31), 5_000),
        (2, date(2025, 4, 30), 5_000),
        (3, date(2025, 5, 31), 2_000),
    ]
    assert [(type(data), at and at.date()) for data, at in timers(decision)] == [
        (InstalmentTimer, date(2025, 3, 31))
    ]
    again = when(decision.state, start_plan(5_000))
    assert events(again) == [told]
    assert again.state is decision.state
    assert outcome(when(decision.state, start_plan(6_000))) == ("refused", "idempotency_conflict")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"currency": "EUR"}, "currency_mismatch"),
        ({"monthly_minor": 0}, "amount_not_positive"),
        ({"monthly_minor": 2_499}, "instalment_too_small"),
        ({"monthly_minor": 2_500}, "plan_too_long"),
        ({"method": None}, "method_missing"),
        ({"method": None, "method_id": "never saved"}, "not_found"),
        ({"method": BANK, "authorization": None}, "authorization_missing"),
        ({"visit_account_numbers": ("V-9",)}, "not_found"),
        ({"visit_account_numbers": ("V-2",)}, "account_closed"),
    ],
)
def test_a_plan_outside_the_limits_is_refused(asked: dict[str, Any], reason: str) -> None:
    account = when(owing(V1=90_001, V2=100), closed("V-2"), actor="host:billing").state

    assert outcome(when(account, start_plan(**{"monthly_minor": 30_000, **asked}))) == ("refused", reason)


def test_a_plan_needs_something_that_is_owed_and_that_nobody_is_paying() -> None:
    assert outcome(when(owing(), start_plan())) == ("refused", "amount_exceeds_balance")
    paying = when(owing(V1=12_000), submit(100)).state
    assert outcome(when(paying, start_plan())) == ("refused", "payment_in_progress")
    assert outcome(when(owing(V1=12_000), start_plan(), actor="patient:P-9")) == ("refused", "not_found")


def test_what_is_in_a_plan_is_in_no_other_and_not_payable_twice() -> None:
    account = when(started(), charge(700, "V-2"), actor="host:billing").state

    assert outcome(when(account, start_plan(plan_id="plan-2", visit_account_numbers=("V-1",)))) == (
        "refused",
        "plan_exists",
    )
    assert outcome(when(started(), start_plan(plan_id="plan-2"))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(1_000))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(100, allocation=shares(V1=100)))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(13_000))) == ("refused", "amount_exceeds_balance")
    other = when(account, submit(700))
    assert other.state.payments["pay-1"].allocation == shares(V2=700)


def test_an_instalment_that_falls_due_is_charged_by_itself_and_the_next_one_waits() -> None:
    decision = due(started())

    told = events(decision)
    assert [type(event) for event in told] == [InstalmentDue, PaymentAccepted]
    assert [event.outcome for event in decision.events] == [None, None]
    (asked,) = charge_tasks(decision)
    assert (asked.amount_minor, asked.token, asked.payment_id) == (5_000, "tok_ok", paid_by(decision.state))
    ((timer, at),) = timers(decision)
    assert isinstance(timer, InstalmentTimer)
    assert (timer.number, at and at.date()) == (2, date(2025, 4, 30))
    taken = when(decision.state, answer("succeeded", payment_id=asked.payment_id))
    assert [type(event) for event in events(taken)] == [PaymentSucceeded, BalanceChanged, InstalmentPaid]
    assert plan_of(taken.state).left_minor == 7_000


def test_a_timer_that_comes_twice_or_is_of_an_earlier_plan_charges_nothing() -> None:
    fell_due = due(started()).state

    assert charge_tasks(due(fell_due)) == []
    changed = when(fell_due, ChangePlan(**PLAN, monthly_amount_minor=3_000)).state
    late = InstalmentTimer(**PLAN, number=2, revision=0)
    assert when(changed, late).state is changed


def test_the_last_instalment_completes_the_plan_and_frees_its_visits() -> None:
    account = started()
    for number in (1, 2, 3):
        account = due(account, number).state
        decision = when(account, answer("succeeded", payment_id=paid_by(account, number)))
        account = decision.state

    assert PlanCompleted(**PLAN) in events(decision)
    assert (account.balance_minor, account.visits["V-1"].plan_id) == (0, None)
    assert plan_of(account).status == "completed"


def test_a_failure_is_tried_twice_again_then_there_is_grace_and_then_the_plan_ends() -> None:
    decision = failed_three_times(started())

    (failed,) = (event for event in events(decision) if isinstance(event, InstalmentFailed))
    assert (failed.reason, failed.retry_on) == ("insufficient_funds", None)
    ((grace, at),) = timers(decision)
    assert at == NOW + timedelta(days=10)
    ended = when(decision.state, grace, at=at or NOW)
    assert [type(event) for event in events(ended)] == [PlanDefaulted, WorkRaised]
    assert ended.state.visits["V-1"].plan_id is None
    assert outcome(when(ended.state, submit(12_000))) == ("done", None)


def test_what_is_paid_by_hand_in_the_days_of_grace_keeps_the_plan() -> None:
    decision = failed_three_times(started())
    ((grace, at),) = timers(decision)
    paying = when(decision.state, submit(5_000, plan_id="plan-1"))
    account = when(paying.state, answer("succeeded")).state

    assert outcome(paying) == ("done", None)
    assert plan_of(account).instalment(1).status == "paid"
    assert when(account, grace, at=at or NOW).state is account


def test_a_hard_decline_is_not_tried_again() -> None:
    fell_due = due(started()).state
    decision = when(fell_due, answer("declined", payment_id=paid_by(fell_due), reason="invalid_token"))

    assert [type(data) for data, _ in timers(decision)] == [GraceTimer]


def test_without_autopay_the_payer_is_reminded() -> None:
    decision = due(started(autopay=False, method=None))

    (told,) = events(decision)
    assert isinstance(told, InstalmentDue)
    assert (told.amount_minor, told.autopay) == (5_000, False)
    assert charge_tasks(decision) == []
    assert [type(data) for data, _ in timers(decision)] == [GraceTimer, InstalmentTimer]


def test_paying_a_plan_off_early_ends_the_rest() -> None:
    account = started()
    paying = when(account, submit(12_000, plan_id="plan-1"))
    decision = when(paying.state, answer("succeeded"))

    assert outcome(when(account, submit(12_001, plan_id="plan-1"))) == ("refused", "amount_exceeds_balance")
    assert outcome(when(account, submit(100, plan_id="plan-9"))) == ("refused", "not_found")
    assert [type(event) for event in events(decision)][-1] is PlanCompleted
    assert due(decision.state).state is decision.state


def test_a_bank_return_reopens_the_visits_and_the_instalment_and_is_tried_again() -> None:
    account = due(started(5_000, 5_000, method=BANK)).state
    payment_id = paid_by(account)
    completed = when(account, answer("succeeded", payment_id=payment_id)).state
    assert plan_of(completed).status == "completed"

    came_back = answer("succeeded", payment_id=payment_id, query=None, stands="returned", reason="R01")
    decision = when(completed, came_back)

    told = events(decision)
    assert [type(event) for event in told] == [PaymentReturned, BalanceChanged, InstalmentFailed]
    assert decision.state.balance_minor == 5_000
    assert plan_of(decision.state).status == "active"
    ((timer, at),) = timers(decision)
    again = when(decision.state, timer, at=at or NOW)
    (asked,) = charge_tasks(again)
    assert asked.amount_minor == 5_000
    assert asked.payment_id != payment_id
    assert when(decision.state, came_back).state is decision.state


def test_a_revoked_authorization_ends_paying_by_itself() -> None:
    account = due(started(method=BANK)).state
    payment_id = paid_by(account)
    taken = when(account, answer("succeeded", payment_id=payment_id)).state
    came_back = answer("succeeded", payment_id=payment_id, query=None, stands="returned", reason="R10")
    decision = when(taken, came_back)

    assert [type(data) for data, _ in timers(decision)] == [GraceTimer]
    assert (plan_of(decision.state).autopay, plan_of(decision.state).method) == (False, None)


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
    assert outcome(when(resumed.state, ResumePlan(**PLAN))) == ("refused", "plan_not_paused")
    assert len(timers(resumed)) == 1


def test_a_change_spreads_what_is_left_anew() -> None:
    account = due(started()).state
    account = when(account, answer("succeeded", payment_id=paid_by(account))).state

    decision = when(account, ChangePlan(**PLAN, monthly_amount_minor=3_500, day_of_month=15))

    (told,) = events(decision)
    assert isinstance(told, PlanChanged)
    assert [(one.number, one.amount_minor) for one in told.instalments] == [(1, 5_000), (2, 3_500), (3, 3_500)]
    assert outcome(when(account, ChangePlan(**PLAN, monthly_amount_minor=100))) == (
        "refused",
        "instalment_too_small",
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


def test_a_cancelled_plan_leaves_what_is_owed() -> None:
    decision = when(started(), CancelPlan(**PLAN))

    assert outcome(decision) == ("done", None)
    assert outcome(when(decision.state, CancelPlan(**PLAN))) == ("done", None)
    assert outcome(when(decision.state, PausePlan(**PLAN))) == ("refused", "plan_ended")
    assert outcome(when(decision.state, submit(12_000))) == ("done", None)


def test_a_visit_that_the_insurance_pays_meanwhile_completes_the_plan() -> None:
    account = when(started(), adjustment(-12_000), actor="host:billing").state

    decision = due(account)

    assert events(decision) == [PlanCompleted(**PLAN)]
    assert charge_tasks(decision) == []
