"""Waits grow as they are told to, never run into each other, and end."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as some

from shared.messaging.tasks import wait_before

WAITS = tuple(timedelta(seconds=s) for s in (1, 5, 30))


@given(attempt=some.integers(1, 3))
def test_a_wait_is_as_long_as_it_is_told_to_be_and_up_to_a_fifth_longer(attempt: int) -> None:
    wait = wait_before(attempt, WAITS)
    assert wait is not None
    assert WAITS[attempt - 1] <= wait <= WAITS[attempt - 1] * 1.2


def test_waits_of_many_are_spread() -> None:
    assert len({wait_before(1, WAITS) for _ in range(100)}) > 90


@given(attempt=some.integers(4, 100))
def test_after_the_last_wait_there_is_none(attempt: int) -> None:
    assert wait_before(attempt, WAITS) is None


def test_without_waits_the_first_attempt_is_the_last() -> None:
    assert wait_before(1, ()) is None
