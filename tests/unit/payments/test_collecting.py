"""What becomes of the instalments of a plan: due, paid, failed, returned."""

from datetime import date, timedelta
from functools import partial

import pytest

from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from shared.events.envelope import Data
from shared.events.payments import (
    BalanceChanged,
    PaymentAccepted,
    PaymentDisputed,
    PaymentFailed,
    PaymentReturned,
    PaymentSucceeded,
    WorkRaised,
    WorkSettled,
)
from shared.events.plans import (
    ChangePlan,
    InstalmentDue,
    InstalmentFailed,
    InstalmentPaid,
    PausePlan,
    PlanChanged,
    PlanCompleted,
    PlanDefaulted,
)
from tests.unit.payments.plan_story import (
    BANK,
    PLAN,
    declined,
    due,
    failed_three_times,
    host,
    paid_by,
    pay,
    plan_of,
    started,
    timers,
)
from tests.unit.payments.story import (
    CARD,
    NOW,
    adjustment,
    answer,
    charge,
    charge_tasks,
    closed,
    events,
    outcome,
    start_plan,
    submit,
    when,
)


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
    assert plan_of(taken.state).left_minor == 8_000


def test_a_timer_that_comes_twice_or_is_of_an_earlier_plan_charges_nothing() -> None:
    fell_due = due(started()).state

    assert charge_tasks(due(fell_due)) == []
    changed = when(fell_due, ChangePlan(**PLAN, monthly_amount_minor=3_000)).state
    late = InstalmentTimer(**PLAN, number=2, revision=0)
    assert when(changed, late).state is changed


def test_a_bank_is_not_debited_on_a_day_without_banking_when_something_was_waited_for() -> None:
    saturday = NOW.replace(month=4, day=5)

    waiting = due(started(method=BANK), at=saturday)
    for day in (6, 7):
        assert waiting.events == ()
        ((again, at),) = timers(waiting)
        assert at == NOW.replace(month=4, day=day)
        waiting = when(waiting.state, again, at=at)

    assert len(charge_tasks(waiting)) == 1
    assert len(charge_tasks(due(started(), at=saturday))) == 1


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
    assert outcome(when(ended.state, submit(13_000))) == ("done", None)


def test_what_is_paid_by_hand_in_the_days_of_grace_keeps_the_plan() -> None:
    decision = failed_three_times(started())
    ((grace, at),) = timers(decision)
    paying = when(decision.state, submit(5_000, plan_id="plan-1"))
    account = when(paying.state, answer("succeeded")).state

    assert outcome(paying) == ("done", None)
    assert plan_of(account).instalment(1).status == "paid"
    assert when(account, grace, at=at or NOW).state is account


def test_a_plan_does_not_end_unpaid_while_a_payment_of_it_is_under_way() -> None:
    missed = failed_three_times(started())
    ((grace, at),) = timers(missed)
    paying = when(missed.state, submit(5_000, plan_id="plan-1"), at=NOW + timedelta(days=9)).state
    unknown = when(paying, answer("unknown"), at=NOW + timedelta(days=9)).state

    waiting = when(unknown, grace, at=at or NOW)

    assert (waiting.state, waiting.events) == (unknown, ())
    ((again, next_day),) = timers(waiting)
    assert next_day == NOW + timedelta(days=11)
    taken = when(unknown, answer("succeeded", query=1))
    assert InstalmentPaid in [type(event) for event in events(taken)]
    assert when(taken.state, again, at=next_day or NOW).events == ()
    lost = when(unknown, answer("declined", query=1)).state
    ended = when(lost, again, at=next_day or NOW)
    assert [type(event) for event in events(ended)] == [PlanDefaulted, WorkRaised]


@pytest.mark.parametrize("reason", ["invalid_token", "card_declined", "do_not_honor"])
def test_a_decline_that_does_not_say_that_it_may_pass_is_not_tried_again(reason: str) -> None:
    decision = declined(started(), reason)

    assert [type(event) for event in events(decision)] == [PaymentFailed, InstalmentFailed]
    assert [type(data) for data, _ in timers(decision)] == [GraceTimer]


def test_without_autopay_the_payer_is_reminded() -> None:
    decision = due(started(autopay=False, method=None))

    (told,) = events(decision)
    assert isinstance(told, InstalmentDue)
    assert (told.amount_minor, told.autopay) == (5_000, False)
    assert charge_tasks(decision) == []
    ((grace, ends_at), (following, _)) = timers(decision)
    assert (type(grace), type(following)) == (GraceTimer, InstalmentTimer)
    assert ends_at == NOW.replace(month=4, day=10)


def test_paying_a_plan_off_early_ends_the_rest() -> None:
    account = started()
    paying = when(account, submit(13_000, plan_id="plan-1"))
    decision = when(paying.state, answer("succeeded"))

    assert outcome(when(account, submit(13_001, plan_id="plan-1"))) == ("refused", "amount_exceeds_balance")
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
    assert [type(event) for event in told] == [PaymentReturned, BalanceChanged, PlanChanged, InstalmentFailed]
    assert decision.state.balance_minor == 5_000
    assert plan_of(decision.state).status == "active"
    ((timer, at),) = timers(decision)
    again = when(decision.state, timer, at=at or NOW)
    (asked,) = charge_tasks(again)
    assert [type(event) for event in events(again)] == [PaymentAccepted]
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


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("fact", [adjustment(-13_000), adjustment(-13_000, kind="write-off"), closed()])
def test_a_plan_completes_as_soon_as_its_visits_owe_nothing_or_are_closed(fact: Data, paused: bool) -> None:
    account = when(started(), PausePlan(**PLAN)).state if paused else started()

    decision = when(account, fact, actor="host:billing")

    assert [type(event) for event in events(decision)] == [BalanceChanged, PlanCompleted]
    after = host(decision.state, charge(6_000, "V-2"))
    assert outcome(when(after, start_plan(3_000, "plan-2"))) == ("done", None)
    assert when(after, InstalmentTimer(**PLAN, number=1, revision=0)).state is after


def test_a_plan_goes_on_while_its_visits_owe_anything() -> None:
    account = host(started(), adjustment(-12_999))

    assert plan_of(account).status == "active"
    assert [asked.amount_minor for asked in charge_tasks(due(account))] == [1]


def test_what_a_plan_charges_pays_its_own_instalment_and_leaves_one_that_failed_before() -> None:
    account = due(declined(started(), "invalid_token").state, 2).state

    taken = when(account, answer("succeeded", payment_id=paid_by(account, 2))).state

    assert [one.status for one in plan_of(taken).instalments] == ["failed", "paid", "scheduled"]


def test_a_credit_on_another_visit_ends_a_plan_only_when_an_instalment_falls_due() -> None:
    account = host(started(), adjustment(-13_000, "V-2"))
    assert plan_of(account).status == "active"

    assert events(due(account)) == [PlanCompleted(**PLAN)]
    moved = host(account, charge(13_000, "V-2"))
    assert [asked.amount_minor for asked in charge_tasks(due(moved))] == [5_000]


def test_an_instalment_is_due_as_what_was_not_paid_of_it_before_its_day() -> None:
    account = pay(started(), 2_000, "pay-1", plan_id="plan-1")

    (told, accepted) = events(due(account))

    assert isinstance(told, InstalmentDue)
    assert isinstance(accepted, PaymentAccepted)
    assert (told.amount_minor, told.payment_id, accepted.amount_minor) == (3_000, None, 3_000)


def test_an_instalment_is_due_as_what_the_insurance_has_left_of_it() -> None:
    account = due(started(8_000)).state
    account = when(account, answer("succeeded", payment_id=paid_by(account))).state
    account = host(account, adjustment(-2_000))

    fell_due = due(account, 2)
    (told, _) = events(fell_due)
    assert isinstance(told, InstalmentDue)
    assert told.amount_minor == 1_000
    ended = when(fell_due.state, answer("succeeded", payment_id=paid_by(fell_due.state, 2)))

    (*_, paid, completed) = events(ended)
    assert isinstance(paid, InstalmentPaid)
    assert (paid.number, paid.amount_minor) == (2, 1_000)
    assert completed == PlanCompleted(**PLAN)
    plan = plan_of(ended.state)
    assert [(one.amount_minor, one.status) for one in plan.instalments] == [(5_000, "paid"), (1_000, "paid")]
    assert plan.left_minor == 0


def test_a_plan_that_the_insurance_completes_tells_what_was_paid_of_it_and_has_nothing_left() -> None:
    account = pay(started(), 7_000, "pay-1", plan_id="plan-1")
    decision = when(account, adjustment(-6_000), actor="host:billing")

    (_, paid, completed) = events(decision)
    assert isinstance(paid, InstalmentPaid)
    assert (paid.number, paid.amount_minor, paid.payment_id) == (2, 2_000, "pay-1")
    assert completed == PlanCompleted(**PLAN)
    plan = plan_of(decision.state)
    assert [(one.amount_minor, one.status) for one in plan.instalments] == [(5_000, "paid"), (2_000, "paid")]
    assert plan.left_minor == 0


def test_a_plan_does_not_complete_while_a_payment_of_it_is_under_way() -> None:
    account = due(started()).state
    account = host(account, adjustment(-13_000))

    waiting = due(account, 2)

    assert waiting.state is account
    ((again, at),) = timers(waiting)
    ended = when(account, answer("succeeded", payment_id=paid_by(account)))
    assert [type(event) for event in events(ended)][-2:] == [InstalmentPaid, PlanCompleted]
    failed = when(account, answer("declined", payment_id=paid_by(account), reason="invalid_token")).state
    assert events(when(failed, again, at=at or NOW)) == [PlanCompleted(**PLAN)]


def test_a_plan_does_not_end_unpaid_while_a_payment_covers_what_is_owed() -> None:
    missed = declined(started(), "invalid_token")
    ((grace, at),) = timers(missed)
    account = due(missed.state, 2).state
    account = host(account, adjustment(-13_000))

    assert when(account, grace, at=at or NOW).state is account


def test_what_comes_back_from_an_earlier_account_leaves_the_card_that_pays_now() -> None:
    account = due(started(method=BANK)).state
    payment_id = paid_by(account)
    taken = when(account, answer("succeeded", payment_id=payment_id)).state
    changed = when(taken, ChangePlan(**PLAN, method=CARD)).state

    for turn in ({"stands": "returned", "reason": "R10"}, {"stands": "disputed", "dispute_status": "lost"}):
        back = when(changed, answer("succeeded", payment_id=payment_id, query=None, **turn)).state
        assert (plan_of(back).autopay, plan_of(back).method) == (True, CARD)
        assert plan_of(back).instalment(1).status == "failed"


def test_a_dispute_stops_paying_by_itself_and_one_that_is_lost_reopens_the_instalment() -> None:
    account = due(started()).state
    payment_id = paid_by(account)
    taken = when(account, answer("succeeded", payment_id=payment_id)).state
    turned = partial(answer, "succeeded", payment_id=payment_id, query=None, stands="disputed")

    opened = when(taken, turned(dispute_status="needs_response"))
    assert [type(event) for event in events(opened)] == [PaymentDisputed, PlanChanged, WorkRaised]
    assert (plan_of(opened.state).autopay, plan_of(opened.state).method) == (False, None)
    assert charge_tasks(due(opened.state, 2)) == []
    lost = when(opened.state, turned(dispute_status="lost"))

    (_, _, failed, over) = events(lost)
    assert isinstance(failed, InstalmentFailed)
    assert isinstance(over, WorkSettled)
    assert (failed.number, failed.reason, failed.payment_id) == (1, "dispute_lost", payment_id)
    assert [type(data) for data, _ in timers(lost)] == [GraceTimer]
    assert (plan_of(lost.state).left_minor, lost.state.balance_minor) == (13_000, 13_000)
    assert outcome(when(lost.state, submit(13_000, plan_id="plan-1"))) == ("done", None)
    won = when(opened.state, turned(dispute_status="won"))
    assert [type(event) for event in events(won)] == [PaymentDisputed, WorkSettled]


def test_a_dispute_lost_brings_back_the_plan_that_its_payment_had_completed() -> None:
    account = pay(started(), 13_000, "pay-1", plan_id="plan-1")
    answered = answer("succeeded", query=None, stands="disputed", dispute_status="lost")

    lost = when(account, answered, at=NOW + timedelta(days=45))

    plan = plan_of(lost.state)
    assert (plan.status, plan.autopay) == ("active", False)
    assert [one.status for one in plan.instalments] == ["failed", "scheduled", "scheduled"]
    ((grace, _), (following, at)) = timers(lost)
    assert isinstance(grace, GraceTimer)
    assert isinstance(following, InstalmentTimer)
    assert (following.number, at and at.date()) == (2, date(2025, 4, 30))
    assert lost.state.visits["V-1"].plan_id == "plan-1"


def test_a_completed_plan_that_goes_on_by_a_return_says_so() -> None:
    account = pay(started(), 13_000, "pay-1", plan_id="plan-1")

    decision = when(account, answer("succeeded", query=None, stands="returned", reason="R01"))

    (changed,) = (event for event in events(decision) if isinstance(event, PlanChanged))
    assert [one.amount_minor for one in changed.instalments] == [5_000, 5_000, 3_000]
    assert plan_of(decision.state).status == "active"


def test_a_completed_plan_stays_so_when_its_visits_are_in_another_plan_by_now() -> None:
    account = host(pay(started(), 13_000, "pay-1", plan_id="plan-1"), charge(6_000, charge_id="C-later"))
    account = when(account, start_plan(3_000, "plan-2")).state

    decision = when(account, answer("succeeded", query=None, stands="returned", reason="R01"))

    assert [type(event) for event in events(decision)] == [PaymentReturned, BalanceChanged]
    assert plan_of(decision.state).status == "completed"
    done = pay(pay(decision.state, 13_000, "pay-2"), 6_000, "pay-3", plan_id="plan-2")
    assert (done.balance_minor, done.plans["plan-2"].status) == (0, "completed")
