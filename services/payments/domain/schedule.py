"""When the instalments of a plan fall due, and how much each is."""

from calendar import monthrange
from collections.abc import Container, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, islice
from typing import Final

from holidays.financial.federal_reserve import FederalReserve

from services.payments.domain.records import PlanInstalment

NOTICE: Final = timedelta(days=10)
"""Between the start of a plan and its first instalment, and between a failure and the default."""

RETRY_AFTER: Final = timedelta(days=3)
ATTEMPTS_MAX: Final = 3
"""The first time and two more: all that the rules of banks allow."""

_DUE_AT: Final = time(12, tzinfo=UTC)
"""In the morning everywhere in the United States, so that the day is the day that was told."""

_BANK_HOLIDAYS: Final = FederalReserve()  # type: ignore[no-untyped-call]  # holidays' own gap
_SATURDAY: Final = 6


def by_amount(total_minor: int, monthly_minor: int, least_minor: int) -> tuple[int, ...]:
    """Return instalments of a monthly amount, with the remainder on the last."""
    number = months_taken(total_minor, monthly_minor, least_minor)
    if not number:
        return ()
    return (monthly_minor,) * (number - 1) + (total_minor - monthly_minor * (number - 1),)


def by_months(total_minor: int, months: int) -> int:
    """Return the monthly amount that pays a total in so many months, with the remainder on the last."""
    return max(total_minor // months, 1)


def months_taken(total_minor: int, monthly_minor: int, least_minor: int) -> int:
    """Return how many instalments of a monthly amount a total takes.

    A remainder is an instalment of its own, except below the smallest there may be, or where it is only what a
    split over as many months leaves: then it is paid with the last.
    """
    full, rest = divmod(total_minor, monthly_minor)
    return full + (rest >= max(least_minor, full)) if full else min(rest, 1)


def due_dates(
    start: date, day_of_month: int, number: int, *, bank: bool, taken: Container[int] = ()
) -> tuple[date, ...]:
    """Return so many due dates: each month's chosen day or its last, the first at least ten days after the start.

    A bank debit on a day without banking moves to the next banking day; each month starts again from the
    chosen day. Months that are `taken` have their instalment.
    """
    earliest = start + NOTICE
    free = (month for month in count(month_of(earliest, 1)) if month not in taken)
    anchored = (_anchored(month, day_of_month) for month in free)
    days = islice((day for day in anchored if day >= earliest), number)
    return tuple(banking_day(day) if bank else day for day in days)


def month_of(due_on: date, day_of_month: int) -> int:
    """Return the month, from the year 0 on, that a due date is of: a banking day may be the first after it."""
    month = due_on.year * 12 + due_on.month - 1
    return month - (due_on <= banking_day(_anchored(month - 1, day_of_month)))


def first_of(month: int) -> date:
    """Return the first day of a month, counted in the same way."""
    return _anchored(month, 1)


def charging_day(due_on: date, day_of_month: int, earliest: date, *, bank: bool) -> date:
    """Return the day for what falls due about a day, once something else pays it: never before the earliest.

    The chosen day, or for a bank the next banking day from there.
    """
    chosen = _anchored(month_of(due_on, day_of_month), day_of_month)
    day = max(chosen, earliest)
    return banking_day(day) if bank else day


def schedule(
    amounts: Sequence[int], start: date, day_of_month: int, *, bank: bool, taken: Container[int] = ()
) -> tuple[PlanInstalment, ...]:
    """Return the instalments of these amounts, numbered from one."""
    days = due_dates(start, day_of_month, len(amounts), bank=bank, taken=taken)
    return tuple(
        PlanInstalment(number, due_on, amount_minor)
        for number, (due_on, amount_minor) in enumerate(zip(days, amounts, strict=True), 1)
    )


def banking_day(day: date) -> date:
    """Return the day, or the next one on which banks work."""
    while day.isoweekday() >= _SATURDAY or day in _BANK_HOLIDAYS:
        day += timedelta(days=1)
    return day


def moment(day: date) -> datetime:
    """Return when something that is due on a day happens."""
    return datetime.combine(day, _DUE_AT)


def _anchored(month: int, day_of_month: int) -> date:
    year, before = divmod(month, 12)
    return date(year, before + 1, min(day_of_month, monthrange(year, before + 1)[1]))
