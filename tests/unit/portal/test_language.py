"""Money, dates and languages, as people say and type them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal import language
from portal.amounts import AmountError, typed_amount, written_amount

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "minor"), [("50", 5000), ("50.5", 5050), ("$1,234.50", 123_450), (" 0.01 ", 1), ("$ 20", 2000)]
)
def test_an_amount_is_read_as_it_is_typed(text: str, minor: int) -> None:
    assert typed_amount(text, "USD") == minor


@pytest.mark.parametrize(("text", "currency", "minor"), [("€ 50", "EUR", 5000), ("¥5,000", "JPY", 5000)])
def test_an_amount_may_have_the_sign_of_its_currency(text: str, currency: str, minor: int) -> None:
    assert typed_amount(text, currency) == minor
    with pytest.raises(AmountError):
        typed_amount(f"${minor}", currency)


@pytest.mark.parametrize("text", ["", "-5", "0", "1.005", "12,34", "NaN", "1e3", "ten", "4242 4242", "Infinity"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        typed_amount(text, "USD")


@given(st.integers(min_value=1, max_value=10**17))
@example(2**53 + 1)
def test_an_amount_that_is_written_is_read_again(minor: int) -> None:
    assert typed_amount(written_amount(minor, "USD"), "USD") == minor
    assert typed_amount(language.money(minor, "USD"), "USD") == minor


def test_a_moment_is_near_or_a_day() -> None:
    assert language.moment(NOW - timedelta(minutes=5), NOW) == "5 minutes ago"
    assert language.moment((NOW + timedelta(hours=3)).isoformat(), NOW) == "in 3 hours"
    assert language.moment(NOW - timedelta(days=30), NOW) == "Oct 23, 2026"


@pytest.mark.parametrize(
    ("wished", "accepted", "spoken"),
    [
        (None, "es-MX,es;q=0.9,en;q=0.8", "es"),
        (None, "de-DE,de;q=0.9", "en"),
        (None, "", "en"),
        (None, "*", "en"),
        ("es", "en-US", "es"),
        ("xx", "en-US", "en"),
    ],
)
def test_the_language_is_what_was_chosen_or_what_the_browser_prefers(
    wished: str | None, accepted: str, spoken: str
) -> None:
    assert language.choose(wished, accepted) == spoken
