"""A quote of a change says what the change then does."""

from datetime import timedelta

import pytest

from services.payments.api.paying import QuoteAsked, terms_of
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.terms import Terms
from shared.events.payments import RefusalReason
from shared.events.plans import ChangePlan, PausePlan, PlanChanged
from shared.events.vocabulary import MethodKind
from tests.unit.payments.plan_story import BANK, BY_BANK, PLAN, declined, due, paid_by, pay, plan_of, started
from tests.unit.payments.story import NOW, RULES, answer, events, outcome, when

LATER = NOW + timedelta(days=40)


def quote(
    account: GuarantorAccount,
    monthly_minor: int | None = None,
    day: int = 31,
    *,
    months: int | None = None,
    kind: MethodKind | None = None,
) -> Terms | RefusalReason:
    wished = {"monthly_amount_minor": monthly_minor, "months": months, "day_of_month": day, "method_kind": kind}
    return terms_of(account, QuoteAsked.model_validate(PLAN | wished), LATER, RULES)


def first_paid() -> GuarantorAccount:
    fell_due = due(started()).state
    return when(fell_due, answer("succeeded", payment_id=paid_by(fell_due))).state


@pytest.mark.parametrize(
    "account",
    [
        started(),
        first_paid(),
        due(started()).state,
        pay(started(), 2_000, "by-hand", plan_id="plan-1"),
        declined(started(), "R03").state,
        when(started(), PausePlan(**PLAN)).state,
        started(method=BANK),
    ],
    ids=["nothing", "one", "under-way", "partly", "failed", "paused", "by-bank"],
)
@pytest.mark.parametrize(("monthly_minor", "day"), [(5_000, 31), (3_000, 31), (5_000, 10), (8_000, 1)])
def test_the_instalments_are_those_that_the_change_tells(
    account: GuarantorAccount, monthly_minor: int, day: int
) -> None:
    quoted = quote(account, monthly_minor, day)
    changed = when(account, ChangePlan(**PLAN, monthly_amount_minor=monthly_minor, day_of_month=day), at=LATER)

    (told,) = events(changed)
    assert isinstance(told, PlanChanged)
    assert isinstance(quoted, Terms)
    assert quoted.instalments == plan_of(changed.state).instalments
    assert quoted.total_minor == sum(one.amount_minor for one in told.instalments)
    assert (tuple(quoted.planned_minor), quoted.monthly_amount_minor) == (("V-1",), monthly_minor)


def test_what_a_bank_will_pay_is_quoted_on_banking_days() -> None:
    account = started()
    changed = when(account, ChangePlan(**PLAN, day_of_month=10, **BY_BANK), at=LATER).state
    by_card, by_bank = quote(account, 5_000, 10), quote(account, 5_000, 10, kind="bank_account")

    assert isinstance(by_bank, Terms)
    assert isinstance(by_card, Terms)
    assert by_bank.instalments == plan_of(changed).instalments != by_card.instalments
    for other in (started(authorization=None), started(autopay=False, method=None)):
        to_come = quote(other, 5_000, 10, kind="bank_account")
        assert isinstance(to_come, Terms)
        assert to_come.instalments == by_bank.instalments


def test_a_number_of_months_is_for_what_is_still_to_pay() -> None:
    quoted = quote(first_paid(), months=2)

    assert isinstance(quoted, Terms)
    told = [(one.amount_minor, one.status) for one in quoted.instalments]
    assert told == [(5_000, "paid"), (4_000, "scheduled"), (4_000, "scheduled")]


@pytest.mark.parametrize(("monthly_minor", "reason"), [(100, "instalment_too_small"), (0, "amount_not_positive")])
def test_a_change_that_would_be_refused_is_refused_alike(monthly_minor: int, reason: str) -> None:
    command = ChangePlan(**PLAN, monthly_amount_minor=monthly_minor)

    assert outcome(when(started(), command)) == ("refused", reason)
    assert quote(started(), monthly_minor) == reason


def test_a_plan_that_would_take_too_long_is_refused() -> None:
    account = started(100_000, 50_000)
    command = ChangePlan(**PLAN, monthly_amount_minor=2_500)

    assert outcome(when(account, command)) == ("refused", "plan_too_long")
    assert quote(account, 2_500) == "plan_too_long"


@pytest.mark.parametrize("owed_minor", [13_000, 90_000, 90_001, 100_000, 123_457])
def test_the_least_a_month_that_a_quote_names_is_the_least_that_a_plan_may_take(owed_minor: int) -> None:
    account = started(owed_minor, 20_000)
    quoted = quote(account, 10_000)

    assert isinstance(quoted, Terms)
    assert quoted.limits.months_max == RULES.plan_months_max
    least_minor = quoted.limits.monthly_min_minor
    least = quote(account, least_minor)
    assert isinstance(least, Terms)
    assert len(least.instalments) <= quoted.limits.months_max
    assert quote(account, least_minor - 1) in ("instalment_too_small", "plan_too_long")
