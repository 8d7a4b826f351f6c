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
        plan_id: the plan that is paid; without one, no visit that is in a plan can be.
    """
    owed = {
        number: visit.balance_minor
        for number, visit in account.visits.items()
        if not visit.closed and visit.plan_id == plan_id
    }
    misfit = _misfit(account, amount_minor, chosen, owed)
    if misfit:
        return misfit
    reserved = account.reserved_minor()
    free = {number: due - reserved.get(number, 0) for number, due in owed.items() if due > reserved.get(number, 0)}
    # Credits lower what can be paid. What is reserved beyond a visit's balance holds up no other visit.
    credit_minor = sum(due for due in owed.values() if due < 0)
    if amount_minor > sum(free.values()) + credit_minor:
        return "payment_in_progress"
    if chosen:
        fits = all(share.amount_minor <= free.get(share.visit_account_number, 0) for share in chosen)
        return chosen if fits else "payment_in_progress"
    shares = _oldest_first(account, free, amount_minor)
    return shares if len(shares) <= SHARES_MAX else "allocation_mismatch"


def _misfit(
    account: GuarantorAccount, amount_minor: int, chosen: Allocation | None, owed: Mapping[str, int]
) -> RefusalReason | None:
    """Return why the payment could not be made even if no other were under way."""
    if chosen:
        named = [account.visit(share.visit_account_number) for share in chosen]
        if any(visit.closed for visit in named):
            return "account_closed"
        if any(visit.plan_id and visit.number not in owed for visit in named):
            return "plan_exists"
        if not _adds_up(chosen, amount_minor, owed):
            return "allocation_mismatch"
    if amount_minor <= sum(owed.values()):
        return None
    if account.visits and all(visit.closed for visit in account.visits.values()):
        return "account_closed"
    return "plan_exists" if amount_minor <= account.balance_minor else "amount_exceeds_balance"


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
