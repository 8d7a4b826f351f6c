"""What comes back of a plan's payments while it goes on, and what becomes of what they had paid."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.refund import RefundAnswered
from shared.events.payments import (
    BalanceChanged,
    PaymentDisputed,
    PaymentReturned,
    PaymentSucceeded,
    RequestRefund,
    WorkRaised,
)
from shared.events.plans import CancelPlan, InstalmentFailed, InstalmentPaid, PausePlan, PlanDefaulted
from shared.events.vocabulary import Method
from shared.frozen import replace
from tests.unit.payments.plan_story import BANK, PLAN, declined, due, host, paid_by, pay, plan_of, started, timers
from tests.unit.payments.story import (
    CARD,
    NOW,
    NUMBER,
    answer,
    charge,
    charge_tasks,
    events,
    outcome,
    owing,
    start_plan,
    submit,
    when,
)

DAY = datetime(2025, 3, 31, 12, tzinfo=UTC)
"""When the first instalment falls due."""

came_back = partial(answer, "succeeded", query=None, stands="returned", reason="R01")


def charged_while_a_part_comes_back() -> GuarantorAccount:
    """Return an account whose first instalment is charged, less a part of it that was paid and comes back now."""
    account = due(pay(started(), 2_000, "pay-1", plan_id="plan-1", method=BANK)).state
    back = when(account, came_back(), at=DAY)
    (failed,) = (event for event in events(back) if isinstance(event, InstalmentFailed))
    assert [type(event) for event in events(back)] == [PaymentReturned, BalanceChanged, InstalmentFailed]
    assert (failed.number, failed.payment_id, failed.reason, failed.retry_on) == (1, "pay-1", "R01", None)
    assert (plan_of(back.state).instalment(1).status, back.tasks) == ("processing", ())
    return back.state


def test_what_comes_back_while_an_instalment_is_charged_is_told_and_left_to_be_paid_by_hand() -> None:
    account = charged_while_a_part_comes_back()

    taken = when(account, answer("succeeded", payment_id=paid_by(account)), at=DAY)

    assert [type(event) for event in events(taken)] == [PaymentSucceeded, BalanceChanged]
    one = plan_of(taken.state).instalment(1)
    assert (one.status, one.left_minor) == ("failed", 2_000)
    ((grace, at),) = timers(taken)
    assert isinstance(grace, GraceTimer)
    assert at == DAY + timedelta(days=10)
    paid = when(
        when(taken.state, submit(2_000, "pay-2", plan_id="plan-1")).state, answer("succeeded", payment_id="pay-2")
    )
    assert InstalmentPaid in [type(event) for event in events(paid)]
    assert when(paid.state, grace, at=at).state is paid.state
    ended = when(taken.state, grace, at=at)
    assert [type(event) for event in events(ended)] == [PlanDefaulted, WorkRaised]
    assert outcome(when(ended.state, submit(10_000, "pay-3"))) == ("done", None)


@pytest.mark.parametrize("reason", ["insufficient_funds", "issuer_unavailable", "R09"])
def test_what_may_succeed_later_is_tried_again(reason: str) -> None:
    assert [type(timer) for timer, _ in timers(declined(started(), reason))] == [InstalmentTimer]


@pytest.mark.parametrize(("method", "day"), [(BANK, date(2025, 4, 7)), (CARD, date(2025, 4, 5))])
def test_what_failed_is_tried_again_after_three_days_and_by_a_bank_when_banks_work(
    method: Method, day: date
) -> None:
    account = due(started(method=method)).state
    wednesday = datetime(2025, 4, 2, 12, tzinfo=UTC)

    failed = when(account, answer("declined", payment_id=paid_by(account), reason="R01"), at=wednesday)

    (told,) = (event for event in events(failed) if isinstance(event, InstalmentFailed))
    ((timer, at),) = timers(failed)
    assert isinstance(timer, InstalmentTimer)
    assert (told.retry_on, at and at.date()) == (day, day)


def test_what_comes_back_while_an_instalment_is_charged_in_vain_is_tried_again_with_it() -> None:
    account = charged_while_a_part_comes_back()

    failed = when(account, answer("declined", payment_id=paid_by(account), reason="insufficient_funds"), at=DAY)

    ((again, at),) = timers(failed)
    assert at
    assert [asked.amount_minor for asked in charge_tasks(when(failed.state, again, at=at))] == [5_000]


def test_the_next_instalment_falls_due_also_after_one_that_came_back_before_its_own_timer_came() -> None:
    account = pay(started(), 5_000, "pay-1", plan_id="plan-1", method=BANK)
    an_hour = timedelta(hours=1)

    own = InstalmentTimer(**PLAN, number=1, revision=0, again=False)

    early = when(account, came_back(), at=DAY - an_hour)
    late = when(account, came_back(), at=DAY + an_hour)

    assert (plan_of(early.state).instalment(1).status, timers(early)) == ("scheduled", [])
    assert charge_tasks(due(early.state))
    assert plan_of(late.state).instalment(1).status == "failed"
    assert [type(timer) for timer, _ in timers(late)] == [GraceTimer]
    ((following, at),) = timers(when(late.state, own, at=DAY + 2 * an_hour))
    assert isinstance(following, InstalmentTimer)
    assert (following.number, at and at.date()) == (2, date(2025, 4, 30))


def test_the_next_instalment_falls_due_also_after_one_that_was_paid_on_its_day_and_came_back() -> None:
    own = InstalmentTimer(**PLAN, number=1, revision=0, again=False)
    account = pay(started(), 5_000, "pay-1", at=DAY + timedelta(minutes=1), plan_id="plan-1", method=BANK)

    back = when(account, came_back(), at=DAY + timedelta(minutes=2))
    late = when(back.state, own, at=DAY + timedelta(minutes=3))

    assert (charge_tasks(late), late.state) == ([], back.state)
    ((following, _),) = timers(late)
    assert isinstance(following, InstalmentTimer)
    assert following.number == 2


def test_one_timer_waits_however_often_what_was_paid_ahead_comes_back() -> None:
    account, waiting = started(), 1
    for turn in range(3):
        account = pay(account, 10_000, f"pay-{turn}", plan_id="plan-1", method=BANK)
        back = when(account, came_back(payment_id=f"pay-{turn}"), at=DAY - timedelta(days=1))
        account, waiting = back.state, waiting + len(timers(back))

    assert waiting == 1
    account = pay(account, 10_000, "pay-9", plan_id="plan-1", method=BANK)
    own = InstalmentTimer(**PLAN, number=1, revision=0, again=False)
    passed = when(account, own, at=DAY)
    back = when(passed.state, came_back(payment_id="pay-9"), at=DAY + timedelta(days=1))
    ((following, at),) = timers(passed)
    assert isinstance(following, InstalmentTimer)
    assert [one.status for one in plan_of(back.state).instalments] == ["failed", "scheduled", "scheduled"]
    assert charge_tasks(when(back.state, following, at=at or DAY))


def test_timers_that_come_twice_for_an_instalment_try_it_once() -> None:
    first = InstalmentTimer(**PLAN, number=1, revision=0, again=False)
    account = when(started(), first, at=DAY).state
    declined = when(account, answer("declined", payment_id=paid_by(account), reason="insufficient_funds"), at=DAY)
    ((again, at),) = timers(declined)
    assert at

    assert charge_tasks(when(declined.state, first, at=DAY)) == []
    paid = pay(declined.state, 5_000, "pay-1", plan_id="plan-1")
    assert when(paid, again, at=at).tasks == ()
    ((following, _),) = timers(when(pay(started(), 5_000, "pay-1", plan_id="plan-1"), first, at=DAY))
    assert isinstance(following, InstalmentTimer)
    assert following.number == 2


def test_a_part_that_comes_back_before_its_instalment_was_due_is_charged_with_the_rest() -> None:
    own = InstalmentTimer(**PLAN, number=1, revision=0, again=False)
    account = pay(started(), 2_000, "pay-1", at=DAY + timedelta(minutes=1), plan_id="plan-1", method=BANK)

    back = when(account, came_back(), at=DAY + timedelta(minutes=2))

    assert (plan_of(back.state).instalment(1).status, back.tasks) == ("scheduled", ())
    late = when(back.state, own, at=DAY + timedelta(minutes=3))
    assert [asked.amount_minor for asked in charge_tasks(late)] == [5_000]


def test_what_comes_back_of_a_plan_that_has_ended_unpaid_is_owed_like_all_else() -> None:
    account = pay(started(method=BANK), 2_000, "pay-1", plan_id="plan-1", method=BANK)
    missed = declined(account, "invalid_token")
    ((grace, at),) = timers(missed)
    defaulted = when(missed.state, grace, at=at or DAY).state
    cancelled = when(missed.state, CancelPlan(**PLAN)).state

    for ended, status, code in ((defaulted, "defaulted", "R01"), (cancelled, "cancelled", "R10")):
        back = when(ended, came_back(reason=code), at=DAY + timedelta(days=60))
        assert [type(event) for event in events(back)] == [PaymentReturned, BalanceChanged]
        assert (plan_of(back.state).status, back.state.owed_minor(None)) == (status, 13_000)


def test_a_paused_plan_stays_so_when_what_it_was_paid_comes_back() -> None:
    paused = when(pay(started(), 5_000, "pay-1", plan_id="plan-1", method=BANK), PausePlan(**PLAN)).state

    back = when(paused, came_back(), at=DAY + timedelta(days=1))

    assert (plan_of(back.state).status, plan_of(back.state).left_minor) == ("paused", 13_000)
    assert charge_tasks(due(back.state, 2)) == []


def test_a_plan_that_goes_on_takes_no_visit_from_another_plan() -> None:
    account = when(owing(V1=5_000, V2=5_000), start_plan()).state
    for payment_id in ("pay-1", "pay-2"):
        account = pay(account, 5_000, payment_id, plan_id="plan-1")
    account = host(account, charge(6_000, "V-2", "C-later"))
    account = when(account, start_plan(6_000, "plan-2")).state

    back = when(account, came_back()).state

    assert plan_of(back).status == "active"
    assert [back.visits[number].plan_id for number in ("V-1", "V-2")] == ["plan-1", "plan-2"]


def test_a_completed_plan_stays_so_when_a_dispute_is_lost_over_what_was_refunded() -> None:
    done = pay(started(5_000), 5_000, "pay-1", plan_id="plan-1")
    done = done.with_payment(replace(done.payments["pay-1"], charge_id="ch-1"))
    named: dict[str, Any] = {"refund_id": "r-1", "account_number": NUMBER}
    asked = RequestRefund(**named, payment_id="pay-1", amount_minor=5_000, currency="USD", reason="Twice")
    refunding = when(done, asked, actor="staff:ann").state
    refunded = when(refunding, RefundAnswered(**named, query=0, result="succeeded")).state

    lost = when(refunded, answer("succeeded", query=None, stands="disputed", dispute_status="lost"))

    assert [type(event) for event in events(lost)] == [PaymentDisputed]
    assert (plan_of(lost.state).status, lost.tasks) == ("completed", ())
    assert outcome(when(lost.state, submit(5_000, "pay-2"))) == ("done", None)


def test_timers_of_a_release_that_did_not_say_which_they_are_do_both() -> None:
    missed = declined(started(), "insufficient_funds").state

    assert charge_tasks(when(missed, InstalmentTimer(**PLAN, number=1, revision=0)))
    assert timers(
        when(pay(started(), 5_000, "pay-1", plan_id="plan-1"), InstalmentTimer(**PLAN, number=1, revision=0))
    )
    failed = declined(started(), "invalid_token").state
    assert plan_of(when(failed, GraceTimer(**PLAN, number=1, revision=0)).state).status == "defaulted"


def test_the_days_of_grace_begin_when_the_last_attempt_has_failed() -> None:
    account = due(pay(started(), 2_000, "pay-1", plan_id="plan-1", method=BANK)).state
    decline = partial(answer, "declined", reason="insufficient_funds")
    declined = when(account, decline(payment_id=paid_by(account)), at=DAY)
    ((again, at),) = timers(declined)
    back = when(declined.state, came_back(), at=DAY + timedelta(days=1))
    ((early, ends_early),) = timers(back)
    assert isinstance(early, GraceTimer)
    account = back.state
    for _ in range(2):
        assert at
        account = when(account, again, at=at).state
        declined = when(account, decline(payment_id=paid_by(account)), at=at)
        account, ((again, at),) = declined.state, timers(declined)

    assert ends_early
    assert when(account, early, at=ends_early).state is account
    assert at
    assert at > ends_early
    assert [type(event) for event in events(when(account, again, at=at))] == [PlanDefaulted, WorkRaised]


def test_each_instalment_that_a_returned_payment_had_paid_is_told_and_waits_for_itself() -> None:
    account = due(due(started(autopay=False, method=None)).state, 2).state
    later = NOW + timedelta(days=61)
    account = pay(account, 3_000, "pay-1", at=later, plan_id="plan-1", method=BANK)
    account = pay(account, 7_000, "pay-2", at=later, plan_id="plan-1", method=BANK)

    first = when(account, came_back(payment_id="pay-2"), at=NOW + timedelta(days=65))
    both = when(first.state, came_back(payment_id="pay-1"), at=NOW + timedelta(days=65))

    numbers = [event.number for event in events(first) if isinstance(event, InstalmentFailed)]
    assert numbers == [1, 2]
    assert [type(data) for data, _ in timers(first)] == [GraceTimer, GraceTimer]
    assert plan_of(both.state).left_minor == both.state.balance_minor == 13_000
