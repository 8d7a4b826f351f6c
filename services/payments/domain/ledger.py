"""The ledger: every change of what is owed, as a posting of two or more lines that add up to zero.

It only grows. Debits are positive, credits negative; a posting is kept in the currency of its guarantor account.
Its accounts are `receivable:<visit account number>`, `charges`, `adjustments:<kind>` and `processor:clearing`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from shared.events.billing import AdjustmentPosted, ChargePosted
from shared.events.payments import Allocation

PostingKind = Literal["charge", "adjustment", "payment", "refund", "refund-failed", "return", "dispute"]
PostingKey = tuple[str, str]
"""A posting within its guarantor account: its kind, and the id of what caused it. Nothing is posted twice."""

Lines = tuple[tuple[str, int], ...]
"""Ledger accounts with amounts in minor units."""


@dataclass(frozen=True)
class Posting:
    """One change of what is owed: why, when, and its lines; what the host said of it where it said something."""

    kind: PostingKind
    cause_id: str
    at: datetime
    lines: Lines
    service_date: date | None = None
    description: str | None = None

    @property
    def key(self) -> PostingKey:
        """What makes it the only one of its kind."""
        return (self.kind, self.cause_id)


def charge(posted: ChargePosted, at: datetime) -> Posting:
    """Return the posting of a charge for a visit."""
    lines = _transfer(posted.visit_account_number, "charges", posted.amount_minor)
    return Posting("charge", posted.charge_id, at, lines, posted.service_date, posted.description)


def adjustment(posted: AdjustmentPosted, at: datetime) -> Posting:
    """Return the posting of an adjustment; a negative amount lowers what is owed."""
    lines = _transfer(posted.visit_account_number, f"adjustments:{posted.kind}", posted.amount_minor)
    return Posting("adjustment", posted.adjustment_id, at, lines)


def payment(payment_id: str, allocation: Allocation, at: datetime) -> Posting:
    """Return the posting of money that the processor took and now owes to us."""
    return Posting("payment", payment_id, at, _received(allocation, 1))


def given_back(
    kind: Literal["refund", "return", "dispute"], cause_id: str, allocation: Allocation, at: datetime
) -> Posting:
    """Return the posting of money that went back to the payer, and is owed again."""
    return Posting(kind, cause_id, at, _received(allocation, -1))


def kept_after_all(refund_id: str, allocation: Allocation, at: datetime) -> Posting:
    """Return the posting that takes back a refund which the payer never got."""
    return Posting("refund-failed", refund_id, at, _received(allocation, 1))


def _received(allocation: Allocation, sign: int) -> Lines:
    received_minor = sign * sum(share.amount_minor for share in allocation)
    paid = ((_receivable(share.visit_account_number), -sign * share.amount_minor) for share in allocation)
    return (("processor:clearing", received_minor), *paid)


def _transfer(visit_account_number: str, other: str, amount_minor: int) -> Lines:
    return ((_receivable(visit_account_number), amount_minor), (other, -amount_minor))


def _receivable(visit_account_number: str) -> str:
    return f"receivable:{visit_account_number}"
