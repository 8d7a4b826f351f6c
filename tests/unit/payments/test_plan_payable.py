"""What the visits of a plan owe is paid by it alone, and what they owe beyond it beside it."""

from tests.unit.payments.plan_story import started
from tests.unit.payments.story import (
    charge,
    outcome,
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
    assert outcome(when(account, submit(14_000))) == ("refused", "amount_exceeds_balance")
    other = when(account, submit(700))
    assert other.state.payments["pay-1"].allocation == shares(V2=700)
