"""How a plan's instalments are spread, dated and tried anew, when it is changed or goes on.

What is paid or under way stays.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.payments.domain.records import Plan, PlanInstalment
from services.payments.domain.schedule import NOTICE, charging_day, first_of, month_of, schedule
from shared.frozen import replace


def unpaid_minor(instalments: Iterable[PlanInstalment]) -> int:
    """Return what of instalments a change spreads anew: what is neither paid nor under way."""
    return sum(one.left_minor for one in instalments if not _stays(one))


def spread_anew(
    plan: Plan, amounts: Sequence[int], day_of_month: int, now: datetime, *, bank: bool
) -> tuple[PlanInstalment, ...]:
    """Return the instalments of a plan with these amounts in place of what is left, on this day of the month."""
    kept = tuple(
        one if _stays(one) else replace(one, amount_minor=one.paid_minor, status="paid")
        for one in plan.instalments
        if _stays(one) or one.paid_minor
    )
    fresh = _to_come(plan, amounts, day_of_month, now, bank=bank)
    if bank:
        fresh = _as_often_tried(fresh, plan.instalments)
    return _in_order((*kept, *fresh))


def dated_anew(plan: Plan, now: datetime) -> tuple[PlanInstalment, ...]:
    """Return the instalments with what is neither paid nor under way to come anew, in the amounts that it had.

    A card is tried anew; a bank was asked for the same debit as often as it was.
    """
    bank, rest = by_bank(plan), [one for one in plan.instalments if not _stays(one)]
    dates = _to_come(plan, [one.left_minor for one in rest], plan.day_of_month, now, bank=bank)
    dated = (
        replace(one, due_on=on.due_on, status="scheduled", attempts=one.attempts if bank else 0)
        for one, on in zip(rest, dates, strict=True)
    )
    return _in_order((*(one for one in plan.instalments if _stays(one)), *dated))


def _to_come(
    plan: Plan, amounts: Sequence[int], day_of_month: int, now: datetime, *, bank: bool
) -> tuple[PlanInstalment, ...]:
    """Return instalments of these amounts, on a day of the month, in place of what is unpaid of a plan.

    They are of the same months, where those are still to come, and of those after the last: none is earlier than
    before, and months that are paid get no other. Where a part of one was paid, what is left is of that month.
    """
    unpaid = {month_of(one.due_on, plan.day_of_month) for one in plan.instalments if not _stays(one)}
    if not unpaid:
        return ()
    # What is paid may have been dated by an earlier day, so that only the calendar tells its month.
    last = max(unpaid | {month_of(one.due_on, 1) for one in plan.instalments if _stays(one)})
    taken = set(range(min(unpaid), last + 1)) - unpaid
    start = max(now.date(), first_of(min(unpaid)) - NOTICE)
    return schedule(amounts, start, day_of_month, bank=bank, taken=taken)


def _as_often_tried(
    fresh: Iterable[PlanInstalment], before: Iterable[PlanInstalment]
) -> tuple[PlanInstalment, ...]:
    """Return instalments with the attempts at those of the same amount, whose place they take.

    On another day it is the same debit, and banks allow so many attempts for one.
    """
    tried, again = [one for one in before if one.attempts and not _stays(one)], []
    for one in fresh:
        same = next((each for each in tried if each.left_minor == one.amount_minor), None)
        if same:
            tried.remove(same)
        again.append(replace(one, attempts=same.attempts) if same else one)
    return tuple(again)


def moved(plan: Plan, now: datetime, *, bank: bool) -> tuple[PlanInstalment, ...]:
    """Return the instalments with those to come on the days of banks, or of cards."""
    day, today = plan.day_of_month, now.date()
    return _in_order(
        replace(one, due_on=charging_day(one.due_on, day, today, bank=bank)) if one.status == "scheduled" else one
        for one in plan.instalments
    )


def untried(instalments: tuple[PlanInstalment, ...]) -> tuple[PlanInstalment, ...]:
    """Return the instalments with the attempts at what is unpaid begun anew, since something else pays it.

    With the same bank account they go on: banks allow so many for one debit.
    """
    return tuple(one if _stays(one) else replace(one, attempts=0) for one in instalments)


def by_bank(plan: Plan) -> bool:
    """Tell whether a plan debits a bank account by itself."""
    return plan.method is not None and plan.method.kind == "bank_account"


def _in_order(instalments: Iterable[PlanInstalment]) -> tuple[PlanInstalment, ...]:
    by_date = sorted(instalments, key=lambda one: one.due_on)
    return tuple(replace(one, number=number) for number, one in enumerate(by_date, 1))


def _stays(one: PlanInstalment) -> bool:
    return one.status in ("paid", "processing")
