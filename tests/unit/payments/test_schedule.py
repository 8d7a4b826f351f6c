"""When instalments fall due, and how much each is."""

from datetime import date, timedelta

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from services.payments.domain.schedule import banking_day, by_amount, by_months, due_dates, schedule


@examples(
    st.integers(1, 10**9), st.integers(1, 10**8), st.integers(1, 31), st.dates(date(2024, 1, 1), date(2030, 1, 1))
)
def test_instalments_sum_to_the_balance_and_fall_due_once_a_month(
    total: int, monthly: int, day: int, start: date
) -> None:
    monthly = max(monthly, by_months(total, 60))
    made = schedule(by_amount(total, monthly, 2_500), start, day, bank=False)

    assert sum(one.amount_minor for one in made) == total
    assert all(one.amount_minor == monthly for one in made[:-1])
    assert min(total, monthly, 2_500) <= made[-1].amount_minor < monthly + 2_500
    assert [one.number for one in made] == list(range(1, len(made) + 1))
    months = [one.due_on.year * 12 + one.due_on.month for one in made]
    assert months == list(range(months[0], months[0] + len(months)))
    assert timedelta(days=10) <= made[0].due_on - start <= timedelta(days=41)


@pytest.mark.parametrize(
    ("total", "monthly", "amounts"),
    [
        (10_000, 3_333, (3_333, 3_333, 3_334)),
        (10_001, 5_000, (5_000, 5_001)),
        (12_499, 5_000, (5_000, 7_499)),
        (12_500, 5_000, (5_000, 5_000, 2_500)),
        (4_000, 5_000, (4_000,)),
        (2_000, 5_000, (2_000,)),
        (0, 5_000, ()),
    ],
)
def test_a_remainder_below_the_smallest_instalment_is_paid_with_the_last(
    total: int, monthly: int, amounts: tuple[int, ...]
) -> None:
    assert by_amount(total, monthly, 2_500) == amounts


@examples(st.integers(1, 10**9), st.integers(1, 36), st.sampled_from([1, 2_500]))
def test_a_split_over_months_is_that_many_instalments_with_the_remainder_on_the_last(
    total: int, months: int, least: int
) -> None:
    total = max(total, months * months)
    made = by_amount(total, by_months(total, months), least)

    assert made[:-1] == (total // months,) * (months - 1)
    assert sum(made) == total


def test_dates_start_from_the_chosen_day_again_after_a_short_month() -> None:
    dates = due_dates(date(2025, 1, 15), 31, 4, bank=False)

    assert dates == (date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31), date(2025, 4, 30))


def test_a_bank_debit_moves_to_the_next_banking_day_and_a_card_does_not() -> None:
    assert banking_day(date(2025, 7, 4)) == date(2025, 7, 7)
    assert due_dates(date(2025, 6, 20), 4, 2, bank=True) == (date(2025, 7, 7), date(2025, 8, 4))
    assert due_dates(date(2025, 6, 20), 4, 1, bank=False) == (date(2025, 7, 4),)
