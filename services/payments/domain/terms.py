"""What a plan would be, started or changed: what a quote shows, and what follows from the command."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.allocation import payable_minor
from services.payments.domain.records import Plan, PlanInstalment
from services.payments.domain.respreading import moved, spread_anew, unpaid_minor
from services.payments.domain.rules import Rules
from services.payments.domain.schedule import by_amount, months_taken, schedule
from shared.events.payments import RefusalReason
from shared.events.vocabulary import MethodKind


class Limits(NamedTuple):
    """Within what the monthly amount of a plan can be chosen; the least keeps within the longest plan."""

    instalment_min_minor: int
    months_max: int
    monthly_min_minor: int
    monthly_max_minor: int


@dataclass(frozen=True)
class Terms:
    """What a plan would be: how much of which visits, in all and a month, and which instalments.

    `limits` are of what is still to pay.
    """

    planned_minor: Mapping[str, int]
    total_minor: int
    monthly_amount_minor: int
    instalments: tuple[PlanInstalment, ...]
    limits: Limits


def to_plan(account: GuarantorAccount, visits: tuple[str, ...] | None) -> Mapping[str, int] | RefusalReason:
    """Return by visit what a plan that is started pays, or why there can be none.

    Without visits that are named, it is all that owe something and are in no plan.
    """
    chosen = _visits(account, visits)
    if isinstance(chosen, str):
        return chosen
    planned_minor = _planned(account, chosen)
    if not planned_minor:
        return "amount_exceeds_balance" if account.owed_minor(None) <= 0 else "payment_in_progress"
    return planned_minor


def starting_terms(
    planned_minor: Mapping[str, int],
    monthly_amount_minor: int,
    day_of_month: int,
    kind: MethodKind | None,
    now: datetime,
    rules: Rules,
) -> Terms | RefusalReason:
    """Return what a plan would be that is started, or why there can be none.

    Args:
        planned_minor: what it pays of which visits; see `to_plan`.
        monthly_amount_minor: of each instalment; the last is what remains.
        day_of_month: the day that they fall due on.
        kind: what pays them by itself, if anything does.
        now: when the plan starts.
        rules: the limits.
    """
    total_minor = sum(planned_minor.values())
    limits = _limits(total_minor, rules)
    misfit = _misfit(total_minor, monthly_amount_minor, limits)
    if misfit:
        return misfit
    instalments = schedule(
        by_amount(total_minor, monthly_amount_minor, rules.instalment_min_minor),
        now.date(),
        day_of_month,
        bank=kind == "bank_account",
    )
    return Terms(planned_minor, total_minor, monthly_amount_minor, instalments, limits)


def changed_terms(
    account: GuarantorAccount,
    plan: Plan,
    monthly_amount_minor: int | None,
    day_of_month: int,
    kind: MethodKind | None,
    now: datetime,
    rules: Rules,
) -> Terms | RefusalReason:
    """Return what a plan would be after a change, with what is paid or under way; or why it cannot be.

    Another amount or day spreads and dates anew what is neither. Else each stays in its month, on a day that suits
    what pays it.

    Args:
        account: whose plan it is.
        plan: as it is.
        monthly_amount_minor: of each instalment that is still to come; without one it stays as it is.
        day_of_month: the day that they fall due on.
        kind: what pays them by itself, if anything does.
        now: when it is changed.
        rules: the limits.
    """
    left_minor, bank = unpaid_minor(plan.instalments), kind == "bank_account"
    limits = _limits(left_minor, rules)
    monthly_minor = plan.monthly_amount_minor if monthly_amount_minor is None else monthly_amount_minor
    if (monthly_minor, day_of_month) == (plan.monthly_amount_minor, plan.day_of_month):
        instalments = moved(plan, now, bank=bank)
    else:
        misfit = _misfit(max(left_minor, rules.instalment_min_minor), monthly_minor, limits)
        if misfit:
            return misfit
        amounts = by_amount(left_minor, monthly_minor, rules.instalment_min_minor)
        instalments = spread_anew(plan, amounts, day_of_month, now, bank=bank)
    planned_minor = {number: account.visit(number).due_minor(plan.plan_id) for number in plan.visits}
    total_minor = sum(one.amount_minor for one in instalments)
    return Terms(planned_minor, total_minor, monthly_minor, instalments, limits)


def _visits(account: GuarantorAccount, named: tuple[str, ...] | None) -> tuple[str, ...] | RefusalReason:
    """Return the visits that a plan pays, the oldest first, or why it cannot pay them."""
    numbers = tuple(dict.fromkeys(named or ()))
    if any(number not in account.visits for number in numbers):
        return "not_found"
    visits = [account.visits[number] for number in numbers] or [
        visit for visit in account.visits.values() if not visit.closed and visit.balance_minor > 0
    ]
    if any(visit.closed for visit in visits):
        return "account_closed"
    free = [visit for visit in visits if visit.plan_id is None and visit.balance_minor > 0]
    if not free or (numbers and len(free) < len(visits)):
        return "plan_exists" if any(visit.plan_id for visit in visits) else "amount_exceeds_balance"
    reserved = account.reserved_minor()
    if any(visit.number in reserved for visit in free):
        return "payment_in_progress"
    return tuple(visit.number for visit in sorted(free, key=lambda visit: visit.age))


def _planned(account: GuarantorAccount, visits: tuple[str, ...]) -> dict[str, int]:
    """Return by visit what a plan pays of it: no more in all than can be paid now, and the first ones whole.

    A visit that nothing is left for is not in the plan.
    """
    left_minor, planned_minor = max(payable_minor(account, None), 0), {}
    for number in visits:
        part_minor = min(account.visits[number].balance_minor, left_minor)
        if part_minor > 0:
            planned_minor[number] = part_minor
            left_minor -= part_minor
    return planned_minor


def _limits(total_minor: int, rules: Rules) -> Limits:
    """Return within what a total can be paid; one below the smallest instalment is paid as if it were that."""
    smallest, months_max = rules.instalment_min_minor, rules.plan_months_max
    monthly = range(smallest, max(total_minor, smallest) + 1)

    def is_short(monthly_minor: int) -> bool:
        return months_taken(total_minor, monthly_minor, smallest) <= months_max

    # More a month never takes longer, and all at once is the shortest.
    least_minor = monthly[bisect_left(monthly, True, key=is_short)]
    return Limits(smallest, months_max, least_minor, monthly[-1])


def _misfit(total_minor: int, monthly_minor: int, limits: Limits) -> RefusalReason | None:
    if monthly_minor <= 0:
        return "amount_not_positive"
    if min(monthly_minor, total_minor) < limits.instalment_min_minor:
        return "instalment_too_small"
    return "plan_too_long" if monthly_minor < limits.monthly_min_minor else None
