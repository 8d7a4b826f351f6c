"""When a plan does not pay by itself any more: its account was revoked, or its payer may not act any more."""

from collections.abc import Callable
from typing import Any

import pytest

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from shared.events.billing import Guarantor
from shared.events.payments import MethodRemoved, PaymentReturned, RemoveMethod, SaveMethod
from shared.events.plans import ChangePlan, InstalmentDue, PausePlan, PlanChanged
from shared.messaging.decision import Decision
from tests.unit.payments.plan_story import (
    BANK,
    BY_BANK,
    PLAN,
    declined,
    due,
    host,
    paid_by,
    pay,
    plan_of,
    returned,
    started,
    timers,
)
from tests.unit.payments.story import (
    CARD,
    NUMBER,
    answer,
    charge,
    charge_tasks,
    events,
    opened,
    owing,
    start_plan,
    submit,
    when,
)


def beside(**paying: Any) -> GuarantorAccount:
    """Return an account with a plan that a bank account pays, and a payment that was made beside it."""
    return pay(host(started(method=BANK), charge(700, charge_id="C-later")), 700, "pay-1", **paying)


def came_back(account: GuarantorAccount, **turn: Any) -> Decision[GuarantorAccount]:
    return when(account, answer("succeeded", query=None, **turn))


@pytest.mark.parametrize("code", ["R02", "R03", "R04", "R05", "R07", "R10", "R11", "R29"])
def test_an_account_that_a_bank_revoked_or_did_not_know_pays_no_plan_any_more(code: str) -> None:
    decision = came_back(beside(method=BANK), stands="returned", reason=code)

    plan = plan_of(decision.state)
    assert (plan.autopay, plan.method) == (False, None)
    first, *_, last = events(decision)
    assert (type(first), type(last)) == (PaymentReturned, PlanChanged)
    fell_due = due(decision.state)
    assert charge_tasks(fell_due) == []
    assert [event.autopay for event in events(fell_due) if isinstance(event, InstalmentDue)] == [False]


@pytest.mark.parametrize("code", ["R03", "R10"])
def test_an_account_that_the_bank_refuses_to_debit_is_not_debited_for_the_next_instalment(code: str) -> None:
    refused = declined(started(method=BANK), code)

    assert [type(data) for data, _ in timers(refused)] == [GraceTimer]
    assert charge_tasks(due(refused.state, 2)) == []


def dispute_lost(account: GuarantorAccount, payment_id: str = "pay-1") -> Decision[GuarantorAccount]:
    return came_back(account, payment_id=payment_id, stands="disputed", dispute_status="lost")


def disputed_and_given_again() -> tuple[GuarantorAccount, str]:
    """Return an account whose plan pays by the card again whose holder objects to its first instalment."""
    account = due(started()).state
    payment_id = paid_by(account)
    taken = when(account, answer("succeeded", payment_id=payment_id)).state
    objected = came_back(taken, payment_id=payment_id, stands="disputed", dispute_status="needs_response").state
    return when(objected, ChangePlan(**PLAN, method=CARD, autopay=True)).state, payment_id


@pytest.mark.parametrize(
    "stopped",
    [
        lambda: declined(started(method=BANK), "R10"),
        lambda: returned(started(method=BANK), "R29"),
        lambda: came_back(
            pay(started(method=BANK), 10_000, "pay-1", plan_id="plan-1", method=BANK),
            stands="returned",
            reason="R03",
        ),
        lambda: came_back(
            pay(started(method=BANK), 13_000, "pay-1", plan_id="plan-1", method=BANK),
            stands="returned",
            reason="R10",
        ),
        lambda: dispute_lost(*disputed_and_given_again()),
        lambda: dispute_lost(pay(started(), 5_000, "pay-1", plan_id="plan-1")),
        lambda: dispute_lost(pay(started(), 13_000, "pay-1", plan_id="plan-1")),
    ],
    ids=[
        "the bank refuses an instalment",
        "an instalment comes back",
        "what was paid ahead comes back",
        "what completed the plan comes back",
        "a dispute of a card that was given again is lost",
        "a dispute is lost at once",
        "a dispute of what completed the plan is lost",
    ],
)
def test_that_a_plan_pays_by_itself_no_more_is_told_once(
    stopped: Callable[[], Decision[GuarantorAccount]],
) -> None:
    decision = stopped()

    plan = plan_of(decision.state)
    assert (plan.status, plan.autopay, plan.method) == ("active", False, None)
    assert [type(event) for event in events(decision)].count(PlanChanged) == 1


def test_a_saved_account_that_was_revoked_pays_no_paused_plan_either() -> None:
    saved = when(beside(method=BANK), SaveMethod(account_number=NUMBER, method_id="m-1", method=BANK)).state
    paused = when(saved, PausePlan(**PLAN)).state

    back = came_back(paused, stands="returned", reason="R10").state

    assert (plan_of(back).method, back.methods["m-1"].token) == (None, None)


def test_a_return_for_want_of_money_or_of_another_account_stops_no_plan() -> None:
    other = BANK.model_copy(update={"last4": "1111"})

    for account, code in ((beside(method=BANK), "R01"), (beside(method=other), "R10")):
        decision = came_back(account, stands="returned", reason=code)
        assert plan_of(decision.state).method == BANK
        assert PlanChanged not in [type(event) for event in events(decision)]


def test_a_card_whose_holder_objects_to_any_payment_pays_no_plan_any_more() -> None:
    account = pay(host(started(), charge(700, charge_id="C-later")), 700, "pay-1", method=CARD)

    decision = came_back(account, stands="disputed", dispute_status="needs_response")

    assert plan_of(decision.state).autopay is False
    assert PlanChanged in [type(event) for event in events(decision)]


def test_a_plan_that_goes_on_by_a_return_does_not_debit_the_account_again() -> None:
    done = pay(started(method=BANK), 13_000, "pay-1", plan_id="plan-1", method=BANK)

    decision = came_back(done, stands="returned", reason="R10")

    assert (plan_of(decision.state).status, plan_of(decision.state).autopay) == ("active", False)


def completed() -> GuarantorAccount:
    """Return an account whose plan has debited a bank account once, and was paid by that."""
    account = due(started(5_000, method=BANK)).state
    return when(account, answer("succeeded", payment_id=paid_by(account))).state


def no_money(account: GuarantorAccount) -> Decision[GuarantorAccount]:
    return when(
        account, answer("succeeded", payment_id=paid_by(account), query=None, stands="returned", reason="R01")
    )


def test_a_plan_that_goes_on_by_a_return_debits_nobody_who_left_the_account_meanwhile() -> None:
    ben = Guarantor(person_id="P-9", first_name="Ben", last_name="Ode")
    done = completed()

    decision = no_money(host(done, opened(guarantor=ben)))

    assert PlanChanged in [type(event) for event in events(decision)]
    assert (plan_of(decision.state).status, plan_of(decision.state).autopay) == ("active", False)
    assert [type(data) for data, _ in timers(decision)] == [GraceTimer]
    assert [type(data) for data, _ in timers(no_money(done))] == [InstalmentTimer]


def test_a_plan_that_goes_on_by_a_return_debits_no_saved_account_that_was_removed_meanwhile() -> None:
    saved = when(owing(V1=5_000), SaveMethod(account_number=NUMBER, method_id="m-1", method=BANK)).state
    account = due(when(saved, start_plan(method=None, method_id="m-1")).state).state
    done = when(account, answer("succeeded", payment_id=paid_by(account))).state

    removed = when(done, RemoveMethod(account_number=NUMBER, method_id="m-1")).state

    assert plan_of(no_money(removed).state).autopay is False
    assert plan_of(no_money(host(done, opened(viewers=()))).state).autopay is True


def test_a_plan_of_the_staff_that_goes_on_by_a_return_pays_itself_again() -> None:
    by_staff = when(owing(V1=5_000), start_plan(method=BANK), actor="staff:ann").state
    taken_over = when(started(5_000), ChangePlan(**PLAN, **BY_BANK), actor="staff:ann").state

    for account in (due(by_staff).state, due(taken_over).state):
        done = when(account, answer("succeeded", payment_id=paid_by(account))).state
        assert plan_of(no_money(done).state).autopay is True


def test_a_plan_takes_nothing_more_from_a_payer_who_may_not_act_for_the_account_any_more() -> None:
    viewers = when(owing(V1=13_000), start_plan(), actor="proxy:P-2").state

    decision = when(viewers, opened(viewers=()), actor="host:billing")

    assert (plan_of(decision.state).autopay, plan_of(decision.state).method) == (False, None)
    assert [type(event) for event in events(decision)] == [PlanChanged]
    assert charge_tasks(due(decision.state)) == []


def test_a_plan_of_a_guarantor_whom_another_follows_is_paid_by_hand() -> None:
    ben = Guarantor(person_id="P-9", first_name="Ben", last_name="Ode")

    after = host(started(), opened(guarantor=ben))

    assert plan_of(after).autopay is False
    by_hand = when(started(autopay=False, method=None), opened(guarantor=ben), actor="host:billing")
    assert by_hand.events == ()


def test_a_plan_goes_on_while_who_pays_it_may_act_for_the_account() -> None:
    by_staff = when(owing(V1=13_000), start_plan(), actor="staff:ann").state
    taken_over = when(started(), ChangePlan(**PLAN, method=CARD), actor="proxy:P-2").state

    moved = when(started(), ChangePlan(**PLAN, day_of_month=15), actor="proxy:P-2").state

    for account, viewers in ((started(), ()), (by_staff, ()), (moved, ()), (taken_over, ("P-2", "P-3"))):
        assert plan_of(host(account, opened(viewers=viewers))).autopay is True
    assert plan_of(host(taken_over, opened(viewers=()))).autopay is False


@pytest.mark.parametrize(("code", "removed"), [("R29", ["m-1"]), ("R01", [])])
def test_a_saved_account_that_a_bank_revoked_is_told_to_be_forgotten(code: str, removed: list[str]) -> None:
    other = BANK.model_copy(update={"last4": "1111"})
    account = owing(V1=13_000)
    for method_id, method in (("m-1", BANK), ("m-2", other), ("m-3", CARD)):
        account = when(account, SaveMethod(account_number=NUMBER, method_id=method_id, method=method)).state
    waiting = when(account, submit(300, "pay-2", method=BANK, save_method=True)).state

    decision = came_back(pay(waiting, 700, "pay-1", method=BANK), stands="returned", reason=code)

    told = [event for event in decision.events if isinstance(event.data, MethodRemoved)]
    assert [(event.data, event.outcome) for event in told] == [
        (MethodRemoved(account_number=NUMBER, method_id=method_id), None) for method_id in removed
    ]
    assert came_back(decision.state, stands="returned", reason=code).events == ()
    assert (decision.state.methods["pay-2"].token is None) is bool(removed)
