"""What the visits of a plan owe is paid by it alone, and what they owe beyond it beside it."""

from datetime import timedelta

from services.payments.domain.instalment_timer import InstalmentTimer
from services.payments.domain.refund import RefundAnswered
from shared.events.payments import (
    RequestRefund,
)
from shared.events.plans import (
    CancelPlan,
    InstalmentDue,
    PlanCompleted,
)
from shared.frozen import replace
from tests.unit.payments.plan_story import PLAN, due, host, paid_by, pay, plan_of, started
from tests.unit.payments.story import (
    NOW,
    NUMBER,
    adjustment,
    answer,
    charge,
    charge_tasks,
    events,
    outcome,
    owing,
    shares,
    start_plan,
    submit,
    when,
)


def test_what_is_in_a_plan_is_in_no_other_and_not_payable_twice() -> None:
    account = when(started(), charge(700, "V-2"), actor="host:billing").state

    assert outcome(when(account, start_plan(plan_id="plan-2", visit_account_numbers=("V-1",)))) == (
        "refused",
        "plan_exists",
    )
    assert outcome(when(started(), start_plan(plan_id="plan-2"))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(1_000))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(100, allocation=shares(V1=100)))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(13_700))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(13_701))) == ("refused", "amount_exceeds_balance")
    other = when(account, submit(700))
    assert other.state.payments["pay-1"].allocation == shares(V2=700)


def test_what_a_visit_in_a_plan_is_charged_later_is_paid_beside_the_plan() -> None:
    account = when(owing(V1=6_000, V2=5_000), start_plan(5_500)).state
    account = host(account, charge(700, "V-2", "C-later"), charge(300, "V-3"))
    late = shares(V2=700)

    assert outcome(when(account, submit(1_001))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(701, allocation=shares(V2=701)))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(5_701, allocation=shares(V2=5_701)))) == ("refused", "allocation_mismatch")
    assert outcome(when(account, submit(1, allocation=shares(V1=1)))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(301, allocation=shares(V3=300, V1=1)))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(11_001, plan_id="plan-1"))) == ("refused", "amount_exceeds_balance")
    both = when(account, submit(1_000)).state
    assert both.payments["pay-1"].allocation == shares(V2=700, V3=300)
    assert outcome(when(both, submit(1, "pay-2"))) == ("refused", "payment_in_progress")
    assert outcome(when(both, submit(11_000, "pay-2", plan_id="plan-1"))) == ("done", None)
    paid = pay(account, 700, "pay-1", allocation=late)
    assert outcome(when(paid, submit(1, "pay-2", allocation=shares(V2=1)))) == ("refused", "plan_exists")
    done = pay(paid, 11_000, "pay-2", plan_id="plan-1")
    assert plan_of(done).status == "completed"
    assert (done.balance_minor, done.visits["V-2"].plan_id) == (300, None)


def test_a_plan_completes_without_what_was_charged_later() -> None:
    account = host(started(5_000), charge(700, "V-1", "C-later"))
    account = due(account).state
    decision = when(account, answer("succeeded", payment_id=paid_by(account)))

    assert [type(event) for event in events(decision)][-1] is PlanCompleted
    assert decision.state.balance_minor == 700
    assert outcome(when(decision.state, submit(700))) == ("done", None)


def test_what_the_insurance_pays_of_a_plan_makes_no_room_for_what_is_charged_later() -> None:
    account = host(started(), adjustment(-4_000), charge(700, "V-1", "C-later"))

    assert outcome(when(account, submit(701))) == ("refused", "plan_exists")
    assert outcome(when(account, submit(9_001, plan_id="plan-1"))) == ("refused", "amount_exceeds_balance")
    later = pay(account, 700, "pay-1")
    assert pay(later, 9_000, "pay-2", plan_id="plan-1").balance_minor == 0
    credited = when(owing(V1=6_000, V2=5_000), start_plan(5_500)).state
    credited = host(credited, adjustment(-7_000), charge(1_700, "V-1", "C-later"))
    assert (credited.owed_minor("plan-1"), credited.owed_minor(None)) == (5_000, 700)


def test_a_payment_of_more_than_the_insurance_has_left_makes_no_room_for_what_is_charged_later() -> None:
    account = when(owing(V1=6_000, V2=5_000), start_plan(5_500)).state
    paying = host(when(account, submit(6_000, plan_id="plan-1")).state, adjustment(-1_000))

    taken = when(paying, answer("succeeded")).state
    later = host(taken, charge(1_700, "V-1", "C-later"))

    assert (later.balance_minor, later.owed_minor("plan-1"), later.owed_minor(None)) == (5_700, 5_000, 700)


def test_what_is_charged_later_stays_payable_beside_the_plan_after_an_instalment_was_paid() -> None:
    account = host(started(), charge(700, "V-1", "C-later"))

    paid = pay(account, 5_000, "pay-1", plan_id="plan-1")

    assert outcome(when(paid, submit(701, "pay-2"))) == ("refused", "plan_exists")
    assert pay(paid, 700, "pay-2").balance_minor == 8_000


def test_a_plan_is_not_paid_twice_while_a_payment_of_it_is_under_way_and_more_was_charged() -> None:
    account = host(started(5_000), charge(700, "V-1", "C-later"))

    paying = when(account, submit(5_000, plan_id="plan-1")).state

    assert outcome(when(paying, submit(1, "pay-2", plan_id="plan-1"))) == ("refused", "payment_in_progress")
    assert outcome(when(paying, submit(700, "pay-2"))) == ("done", None)


def test_a_plan_that_goes_on_pays_what_came_back_and_nothing_that_was_charged_since() -> None:
    done = host(pay(started(5_000), 5_000, "pay-1", plan_id="plan-1"), adjustment(-2_000))

    back = when(done, answer("succeeded", query=None, stands="returned", reason="R01")).state
    later = host(back, charge(700, "V-1", "C-later"))

    assert (later.balance_minor, later.owed_minor("plan-1"), later.owed_minor(None)) == (3_700, 3_000, 700)
    whole = host(pay(started(5_000), 5_000, "pay-1", plan_id="plan-1"), charge(700, "V-1", "C-later"))
    again = when(whole, answer("succeeded", query=None, stands="returned", reason="R01")).state
    assert (again.owed_minor("plan-1"), again.owed_minor(None)) == (5_000, 700)


def test_nothing_is_paid_twice_when_the_insurance_pays_what_is_being_paid() -> None:
    account = host(started(5_000), charge(700, "V-1", "C-later"))
    account = host(when(account, submit(700)).state, adjustment(-1_000))

    assert account.balance_minor == 4_700
    assert outcome(when(account, submit(4_001, "pay-2", plan_id="plan-1"))) == ("refused", "payment_in_progress")
    assert outcome(when(account, submit(4_000, "pay-2", plan_id="plan-1"))) == ("done", None)


def test_a_refund_of_what_a_plan_paid_is_owed_beside_the_plan() -> None:
    account = pay(started(), 5_000, "pay-1", plan_id="plan-1")
    refund = RequestRefund(
        refund_id="refund-1",
        account_number=NUMBER,
        payment_id="pay-1",
        amount_minor=1_000,
        currency="USD",
        reason="Too much",
    )
    charged = replace(account.payments["pay-1"], charge_id="ch-1")
    asked = when(account.with_payment(charged), refund, actor="staff:ann").state
    answered = RefundAnswered(refund_id="refund-1", account_number=NUMBER, query=0, result="succeeded")
    refunded = when(asked, answered).state

    assert refunded.balance_minor == 9_000
    lost = when(refunded, answer("succeeded", query=None, stands="disputed", dispute_status="lost")).state
    assert (lost.balance_minor, plan_of(lost).left_minor) == (13_000, 12_000)
    assert outcome(when(lost, submit(1_000, "pay-2"))) == ("done", None)
    assert outcome(when(refunded, submit(1_000, "pay-2"))) == ("done", None)
    assert outcome(when(refunded, submit(8_001, "pay-2", plan_id="plan-1"))) == (
        "refused",
        "amount_exceeds_balance",
    )


def test_a_plan_from_before_its_part_was_counted_pays_all_of_its_visits() -> None:
    account = started(5_000)
    account = account.with_visit(replace(account.visits["V-1"], planned_minor=None))
    account = host(account, charge(700, "V-1", "C-later"))

    assert outcome(when(account, submit(700))) == ("refused", "plan_exists")
    paid = pay(account, 5_000, "pay-1", plan_id="plan-1")
    assert (paid.balance_minor, plan_of(paid).status) == (700, "completed")


def test_a_payment_that_its_plan_began_and_did_not_outlive_still_holds_its_amount() -> None:
    account = when(when(started(), submit(5_000, plan_id="plan-1")).state, CancelPlan(**PLAN)).state

    assert outcome(when(account, submit(8_001, "pay-2"))) == ("refused", "payment_in_progress")
    assert outcome(when(account, submit(8_000, "pay-2"))) == ("done", None)


def test_a_plan_is_over_no_more_than_is_owed_in_all() -> None:
    credit = owing(V1=-3_000, V2=5_000, V3=6_000)

    assert outcome(when(owing(V1=-10_000, V2=10_000), start_plan())) == ("refused", "amount_exceeds_balance")
    account = when(credit, start_plan(4_000)).state
    assert sum(one.amount_minor for one in plan_of(account).instalments) == account.balance_minor == 8_000
    assert [account.visits[number].planned_minor for number in plan_of(account).visits] == [5_000, 3_000]
    freed = host(account, adjustment(3_000, "V-1"))
    assert pay(pay(freed, 3_000, "pay-1"), 8_000, "pay-2", plan_id="plan-1").balance_minor == 0
    alone = when(credit, start_plan(5_000, visit_account_numbers=("V-2",))).state
    assert plan_of(alone).left_minor == 5_000
    assert outcome(when(alone, submit(3_001))) == ("refused", "plan_exists")
    assert outcome(when(alone, submit(3_000))) == ("done", None)


def test_a_visit_that_a_credit_leaves_nothing_of_for_a_plan_is_not_in_it() -> None:
    account = when(owing(V1=-7_000, V2=10_000, V3=5_000), start_plan(4_000)).state

    assert plan_of(account).visits == ("V-2",)
    assert (account.visits["V-2"].planned_minor, account.visits["V-3"].plan_id) == (8_000, None)
    freed = host(account, adjustment(7_000, "V-1"))
    again = start_plan(5_000, "plan-2", visit_account_numbers=("V-3",))
    assert outcome(when(freed, again)) == ("done", None)
    assert outcome(when(account, again)) == ("refused", "amount_exceeds_balance")


def test_a_plan_leaves_out_what_is_being_paid_of_another_visit() -> None:
    account = when(owing(V1=-3_000, V2=6_000, V3=6_000), submit(6_000, allocation=shares(V3=6_000))).state
    asked = start_plan(3_000, visit_account_numbers=("V-2",))

    assert plan_of(when(account, asked).state).left_minor == 3_000
    covered = host(account, adjustment(-3_000, "V-1"))
    assert outcome(when(covered, asked)) == ("refused", "payment_in_progress")


def test_an_instalment_takes_no_more_than_is_owed_in_all_and_nothing_owed_ends_the_plan() -> None:
    account = host(started(10_000), adjustment(-8_000, "V-2"))

    fell_due = due(account)
    (told, _) = events(fell_due)
    assert isinstance(told, InstalmentDue)
    assert told.amount_minor == 2_000
    assert [asked.amount_minor for asked in charge_tasks(fell_due)] == [2_000]
    paid = when(fell_due.state, answer("succeeded", payment_id=paid_by(fell_due.state)))
    assert paid.state.balance_minor == 0
    assert PlanCompleted(**PLAN) in events(paid)
    assert outcome(when(account, submit(2_001, plan_id="plan-1"))) == ("refused", "amount_exceeds_balance")


def test_plans_together_take_no_more_than_is_owed_in_all() -> None:
    account = when(owing(V1=5_000, V2=5_000), start_plan(5_000, visit_account_numbers=("V-1",))).state
    account = when(account, start_plan(5_000, "plan-2", visit_account_numbers=("V-2",))).state
    account = host(account, adjustment(-4_000, "V-3"))

    first = due(account)
    other = InstalmentTimer(plan_id="plan-2", account_number=NUMBER, number=1, revision=0)
    second = when(first.state, other, at=NOW + timedelta(days=30))

    assert [asked.amount_minor for asked in charge_tasks(first)] == [5_000]
    assert charge_tasks(second) == []
    known = when(second.state, answer("succeeded", payment_id=paid_by(first.state))).state
    again = when(known, other, at=NOW + timedelta(days=31))
    assert [asked.amount_minor for asked in charge_tasks(again)] == [1_000]


def test_a_payment_beside_a_plan_does_not_keep_it_from_being_over() -> None:
    account = when(host(started(), charge(700, "V-2")), submit(700)).state

    assert PlanCompleted(**PLAN) in events(when(account, adjustment(-13_000), actor="host:billing"))


def test_what_is_paid_by_hand_while_an_instalment_is_charged_pays_the_next_one() -> None:
    account = due(started()).state
    own = paid_by(account)

    by_hand = pay(account, 5_000, "pay-1", plan_id="plan-1")
    both = when(by_hand, answer("succeeded", payment_id=own)).state

    assert [one.status for one in plan_of(by_hand).instalments] == ["processing", "paid", "scheduled"]
    assert [(one.payment_id, one.left_minor) for one in plan_of(both).instalments] == [
        (own, 0),
        ("pay-1", 0),
        (None, 3_000),
    ]
