"""When instalments fall due, and how much each is."""

from datetime import date, timedelta

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
    made = schedule(by_amount(total, monthly), start, day, bank=False)

    assert sum(one.amount_minor for one in made) == total
    assert all(one.amount_minor == monthly for one in made[:-1])
    assert 0 < made[-1].amount_minor <= monthly
    assert [one.number for one in made] == list(range(1, len(made) + 1))
    months = [one.due_on.year * 12 + one.due_on.month for one in made]
    assert months == list(range(months[0], months[0] + len(months)))
    assert timedelta(days=10) <= made[0].due_on - start <= timedelta(days=41)


def test_dates_start_from_the_chosen_day_again_after_a_short_month() -> None:
    dates = due_dates(date(2025, 1, 15), 31, 4, bank=False)

    assert dates == (date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31), date(2025, 4, 30))


def test_a_bank_debit_moves_to_the_next_banking_day_and_a_card_does_not() -> None:
    assert banking_day(date(2025, 7, 4)) == date(2025, 7, 7)
    assert due_dates(date(2025, 6, 20), 4, 2, bank=True) == (date(2025, 7, 7), date(2025, 8, 4))
    assert due_dates(date(2025, 6, 20), 4, 1, bank=False) == (date(2025, 7, 4),)
