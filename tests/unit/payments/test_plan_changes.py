"""Payment plans that are changed, paused, resumed and cancelled."""

from datetime import date, timedelta

from services.payments.domain.instalment_timer import InstalmentTimer
from shared.events.plans import (
    CancelPlan,
    ChangePlan,
    PausePlan,
    PlanChanged,
    PlanResumed,
    ResumePlan,
)
from shared.events.vocabulary import Method
from tests.unit.payments.plan_story import PLAN, due, paid_by, plan_of, started, timers
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
