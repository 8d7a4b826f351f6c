"""How a payment is spread over the visits of an account: as the payer chose, else the oldest visit first."""

from collections.abc import Mapping
from typing import Final

from services.payments.domain.account import GuarantorAccount
from shared.events.payments import Allocation, RefusalReason, Share

SHARES_MAX: Final = 500
"""As many as an event can tell."""


def allocate(
    account: GuarantorAccount, amount_minor: int, chosen: Allocation | None, plan_id: str | None = None
) -> Allocation | RefusalReason:
    """Return the shares of a payment, or why it cannot be made.

    Args:
        account: its visits and the payments that have not ended, whose amounts are reserved.
        amount_minor: a positive amount.
        chosen: the payer's own choice; an empty one is none.
        plan_id: the plan that is paid; without one, of a visit in a plan only what it owes beyond the plan.
    """
    owed = account.due_minor(plan_id)
    misfit = _misfit(account, amount_minor, chosen, owed, plan_id)
    if misfit:
        return misfit
    free = _free(account, owed, plan_id)
    if amount_minor > _payable(account, owed, free):
        return "payment_in_progress"
    if chosen:
        fits = all(share.amount_minor <= free.get(share.visit_account_number, 0) for share in chosen)
        return chosen if fits else "payment_in_progress"
    shares = _oldest_first(account, free, amount_minor)
    return shares if len(shares) <= SHARES_MAX else "allocation_mismatch"


def payable_minor(account: GuarantorAccount, plan_id: str | None) -> int:
    """Return what can be paid now of a plan, or beyond any: what is owed, less what is being paid of it."""
    owed = account.due_minor(plan_id)
    return _payable(account, owed, _free(account, owed, plan_id))


def _payable(account: GuarantorAccount, owed: Mapping[str, int], free: Mapping[str, int]) -> int:
    """Return how much of what is free can be paid: a credit lowers it, on whichever visit it is.

    What is reserved beyond a visit's balance holds up no other visit.
    """
    credit_minor = sum(due for due in owed.values() if due < 0)
    reserved = account.reserved_minor()
    paying_minor = sum(min(reserved[number], max(account.visits[number].balance_minor, 0)) for number in owed)
    return min(sum(free.values()) + credit_minor, account.balance_minor - paying_minor)


def _free(account: GuarantorAccount, owed: Mapping[str, int], plan_id: str | None) -> dict[str, int]:
    """Return by visit what no payment that has not ended will pay, neither of the part that is paid nor in all."""
    part, whole = account.reserved_of(plan_id), account.reserved_minor()
    free = {
        number: min(due - part[number], account.visits[number].balance_minor - whole[number])
        for number, due in owed.items()
    }
    return {number: due for number, due in free.items() if due > 0}


def _misfit(
    account: GuarantorAccount,
    amount_minor: int,
    chosen: Allocation | None,
    owed: Mapping[str, int],
    plan_id: str | None,
) -> RefusalReason | None:
    """Return why the payment could not be made even if no other were under way."""
    if chosen:
        named = [(account.visit(share.visit_account_number), share.amount_minor) for share in chosen]
        if any(visit.closed for visit, _ in named):
            return "account_closed"
        if any(
            visit.plan_id not in (None, plan_id) and owed[visit.number] < share_minor <= visit.balance_minor
            for visit, share_minor in named
        ):
            return "plan_exists"
        if not _adds_up(chosen, amount_minor, owed):
            return "allocation_mismatch"
    if amount_minor <= account.owed_minor(plan_id):
        return None
    if account.visits and all(visit.closed for visit in account.visits.values()):
        return "account_closed"
    planned = plan_id is None and amount_minor <= account.balance_minor
    return "plan_exists" if planned else "amount_exceeds_balance"


def _adds_up(chosen: Allocation, amount_minor: int, owed: Mapping[str, int]) -> bool:
    """Tell whether the shares are of different open visits, none above what it owes, and sum to the amount."""
    return (
        sum(share.amount_minor for share in chosen) == amount_minor
        and len({share.visit_account_number for share in chosen}) == len(chosen)
        and all(0 < share.amount_minor <= owed.get(share.visit_account_number, 0) for share in chosen)
    )


def _oldest_first(account: GuarantorAccount, free: Mapping[str, int], amount_minor: int) -> Allocation:
    shares = []
    for number in sorted(free, key=lambda number: account.visits[number].age):
        if not amount_minor:
            break
        paid_minor = min(free[number], amount_minor)
        shares.append(Share(visit_account_number=number, amount_minor=paid_minor))
        amount_minor -= paid_minor
    return tuple(shares)
