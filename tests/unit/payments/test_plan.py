"""Payment plans: what may be started."""

from datetime import date, timedelta
from typing import Any

import pytest

from services.payments.domain.instalment_timer import InstalmentTimer
from shared.digests import digest
from shared.events.plans import Authorization, PlanStarted, StartPlan
from shared.frozen import replace
from tests.unit.payments.plan_story import BANK, timers
from tests.unit.payments.story import (
    NOW,
    RULES,
    closed,
    events,
    outcome,
    owing,
    start_plan,
    submit,
    when,
)


def test_a_plan_starts_with_its_instalments_and_one_timer() -> None:
    decision = when(owing(V1=13_000), start_plan(5_000))

    assert outcome(decision) == ("done", None)
    (told,) = events(decision)
    assert isinstance(told, PlanStarted)
    assert [(one.number, one.due_on, one.amount_minor) for one in told.instalments] == [
        (1, date(2025, 3, 31), 5_000),
        (2, date(2025, 4, 30), 5_000),
        (3, date(2025, 5, 31), 3_000),
    ]
    assert [(type(data), at and at.date()) for data, at in timers(decision)] == [
        (InstalmentTimer, date(2025, 3, 31))
    ]
    again = when(decision.state, start_plan(5_000))
    assert events(again) == [told]
    assert again.state is decision.state
    assert events(when(decision.state, start_plan(5_000, visit_account_numbers=()))) == [told]
    assert outcome(when(decision.state, start_plan(6_000))) == ("refused", "idempotency_conflict")
    of_one = start_plan(5_000, visit_account_numbers=("V-1",))
    assert outcome(when(decision.state, of_one)) == ("refused", "idempotency_conflict")


def test_a_plan_that_is_paid_by_hand_falls_due_on_the_chosen_day_whatever_method_is_named() -> None:
    asked = start_plan(5_000, method=BANK, autopay=False, day_of_month=15)

    (told,) = events(when(owing(V1=5_000), asked))

    assert isinstance(told, PlanStarted)
    assert [one.due_on for one in told.instalments] == [date(2025, 3, 15)]


@pytest.mark.parametrize(("day", "first"), [(10, date(2025, 4, 10)), (11, date(2025, 3, 11))])
def test_the_first_instalment_falls_due_ten_days_after_the_start_or_later(day: int, first: date) -> None:
    (told,) = events(when(owing(V1=5_000), start_plan(5_000, day_of_month=day)))

    assert isinstance(told, PlanStarted)
    assert told.instalments[0].due_on == first


class StartPlanLater(StartPlan):
    """The command as a later release may know it."""

    wished_by: str | None = None
    urgent: bool = False


@pytest.mark.parametrize("release", ["this", "earlier"])
def test_a_plan_is_known_again_also_by_a_release_that_knows_more_fields(release: str) -> None:
    asked = start_plan(5_000, method_id=None)
    account = when(owing(V1=13_000), asked).state
    if release == "earlier":
        kept = digest(asked.model_dump_json())
        account = account.with_plan(replace(account.plans["plan-1"], fingerprint=kept))

    assert outcome(when(account, asked)) == ("done", None)
    assert outcome(when(account, StartPlanLater(**dict(asked)))) == ("done", None)
    if release == "this":
        other = StartPlanLater(**dict(asked), wished_by="P-2")
        assert outcome(when(account, other)) == ("refused", "idempotency_conflict")


def accepted(days: int) -> Authorization:
    return Authorization(text_version="v1", accepted_at=NOW + timedelta(days=days))


@pytest.mark.parametrize("days", [-400, 0, 1])
def test_a_consent_from_before_or_by_a_clock_that_is_ahead_is_one(days: int) -> None:
    asked = start_plan(5_000, method=BANK, authorization=accepted(days))

    assert outcome(when(owing(V1=13_000), asked)) == ("done", None)


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
        ({"method": BANK, "authorization": accepted(days=2)}, "authorization_missing"),
        ({"visit_account_numbers": ("V-9",)}, "not_found"),
        ({"visit_account_numbers": ("V-2",)}, "account_closed"),
    ],
)
def test_a_plan_outside_the_limits_is_refused(asked: dict[str, Any], reason: str) -> None:
    account = when(owing(V1=92_500, V2=100), closed("V-2"), actor="host:billing").state

    assert outcome(when(account, start_plan(**{"monthly_minor": 30_000, **asked}))) == ("refused", reason)


def test_a_plan_may_take_as_many_months_as_the_longest() -> None:
    least_minor = RULES.instalment_min_minor
    longest_minor = least_minor * RULES.plan_months_max

    assert outcome(when(owing(V1=longest_minor), start_plan(least_minor))) == ("done", None)
    too_long = when(owing(V1=longest_minor + least_minor), start_plan(least_minor))
    assert outcome(too_long) == ("refused", "plan_too_long")


def test_a_plan_without_named_visits_takes_those_that_are_in_no_other() -> None:
    account = when(owing(V1=5_000, V2=6_000, V3=0), start_plan(visit_account_numbers=("V-1",))).state

    both = when(account, start_plan(plan_id="plan-2"))

    assert outcome(both) == ("done", None)
    assert both.state.plans["plan-2"].visits == ("V-2",)
    named = start_plan(plan_id="plan-2", visit_account_numbers=("V-2", "V-3"))
    assert outcome(when(owing(V2=6_000, V3=0), named)) == ("refused", "amount_exceeds_balance")


def test_a_plan_needs_something_that_is_owed_and_that_nobody_is_paying() -> None:
    assert outcome(when(owing(), start_plan())) == ("refused", "amount_exceeds_balance")
    paying = when(owing(V1=13_000), submit(100)).state
    assert outcome(when(paying, start_plan())) == ("refused", "payment_in_progress")
    of_one = when(owing(V1=13_000, V2=5_000), submit(100)).state
    assert outcome(when(of_one, start_plan())) == ("refused", "payment_in_progress")
    assert outcome(when(owing(V1=13_000), start_plan(), actor="patient:P-9")) == ("refused", "not_found")
