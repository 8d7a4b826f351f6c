"""How a payment is spread over visits, and when it cannot be."""

from datetime import date

import pytest

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.allocation import allocate
from shared.events.payments import Allocation
from tests.unit.payments.plan_story import host
from tests.unit.payments.story import (
    adjustment,
    charge,
    closed,
    given,
    opened,
    outcome,
    owing,
    shares,
    start_plan,
    submit,
    visit,
    when,
)


def paying(account: GuarantorAccount, amount_minor: int, chosen: Allocation = ()) -> GuarantorAccount:
    """Return the account while a payment is under way."""
    return when(account, submit(amount_minor, f"pay-{amount_minor}", allocation=chosen)).state


def test_without_a_choice_the_oldest_visit_is_paid_first() -> None:
    account = given(
        opened(),
        visit("V-3", date(2025, 1, 2)),
        visit("V-2", date(2025, 1, 1)),
        visit("V-1", date(2025, 1, 2)),
        *(charge(100, number) for number in ("V-1", "V-2", "V-3")),
    )

    assert allocate(account, 250, None) == shares(V2=100, V1=100, V3=50)
    assert allocate(account, 250, ()) == shares(V2=100, V1=100, V3=50)
    assert allocate(owing(V1=1, V2=1), 2, None) == shares(V1=1, V2=1)


def test_a_visit_whose_day_is_not_known_is_paid_last() -> None:
    account = given(opened(), charge(100, "V-1"), visit("V-2"), charge(100, "V-2"))

    assert allocate(account, 150, None) == shares(V2=100, V1=50)


def test_a_visit_that_owes_nothing_gets_nothing() -> None:
    account = given(opened(), charge(-30, "V-1"), charge(100, "V-2"))

    assert allocate(account, 70, None) == shares(V2=70)


def test_the_payers_own_choice_is_taken_as_it_is() -> None:
    assert allocate(owing(V1=100, V2=100), 120, shares(V2=100, V1=20)) == shares(V2=100, V1=20)
    assert allocate(owing(V1=100, V2=100), 101, shares(V2=100, V1=1)) == shares(V2=100, V1=1)


@pytest.mark.parametrize(
    "chosen",
    [
        shares(V1=100),
        shares(V1=100, V2=30),
        shares(V1=150, V2=-30),
        shares(V1=100, V2=20, V3=0),
        shares(V1=101, V2=19),
        shares(V1=100, V9=20),
        (*shares(V1=60), *shares(V1=60)),
    ],
    ids=["too little", "too much", "negative", "nothing", "more than owed", "no such visit", "twice"],
)
def test_a_choice_that_does_not_fit_is_an_allocation_mismatch(chosen: Allocation) -> None:
    assert allocate(owing(V1=100, V2=100, V3=5), 120, chosen) == "allocation_mismatch"


def test_more_than_is_owed_exceeds_the_balance() -> None:
    account = owing(V1=100, V2=100)

    assert allocate(account, 201, None) == "amount_exceeds_balance"
    assert allocate(given(opened()), 1, None) == "amount_exceeds_balance"


def test_a_credit_on_one_visit_lowers_what_can_be_paid_on_another() -> None:
    account = given(opened(), charge(-30, "V-1"), charge(100, "V-2"))

    assert allocate(account, 100, shares(V2=100)) == "amount_exceeds_balance"


def test_a_credit_on_a_visit_in_a_plan_lowers_what_can_be_paid_beside_it() -> None:
    account = when(owing(V1=10_000), start_plan(5_000)).state
    account = host(account, adjustment(-18_000), charge(10_000, "V-2"))

    assert account.balance_minor == 2_000
    assert outcome(when(account, submit(2_001))) == ("refused", "amount_exceeds_balance")
    assert allocate(account, 2_000, None) == shares(V2=2_000)
    assert allocate(paying(account, 1_500), 501, None) == "payment_in_progress"


def test_a_closed_visit_cannot_be_paid() -> None:
    account = when(owing(V1=100, V2=100), closed("V-1")).state

    assert allocate(account, 100, shares(V1=100)) == "account_closed"
    assert allocate(account, 100, None) == shares(V2=100)
    assert allocate(when(account, closed("V-2")).state, 100, None) == "account_closed"


def test_what_another_payment_has_reserved_is_in_progress() -> None:
    account = paying(owing(V1=100, V2=100), 150)

    assert allocate(account, 51, None) == "payment_in_progress"
    assert allocate(account, 51, shares(V2=51)) == "payment_in_progress"
    assert allocate(account, 1, shares(V1=1)) == "payment_in_progress"
    assert allocate(account, 50, None) == shares(V2=50)


def test_a_choice_of_which_any_share_is_being_paid_is_in_progress() -> None:
    account = paying(owing(V1=100, V2=100), 60, shares(V1=60))

    assert allocate(account, 130, shares(V1=50, V2=80)) == "payment_in_progress"
    assert allocate(account, 120, shares(V1=40, V2=80)) == shares(V1=40, V2=80)


def test_what_is_reserved_beyond_a_visits_balance_holds_up_no_other_visit() -> None:
    account = when(paying(owing(V1=100, V2=100), 100), adjustment(-100, "V-1")).state

    assert allocate(account, 100, None) == shares(V2=100)


def test_reservations_never_add_up_to_more_than_the_balance() -> None:
    account = paying(given(opened(), charge(100, "V-1"), charge(-30, "V-2")), 70)

    assert allocate(account, 30, None) == "payment_in_progress"


def test_a_payment_over_more_visits_than_an_event_can_tell_is_refused() -> None:
    account = owing(**{f"V{number}": 1 for number in range(501)})

    assert allocate(account, 501, None) == "allocation_mismatch"
    assert len(allocate(account, 500, None)) == 500
