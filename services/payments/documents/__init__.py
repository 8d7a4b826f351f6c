"""Statements and receipts as PDF, made by typst from what is kept: the same bytes whenever they are made again."""

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import typst
from babel.dates import format_date
from babel.numbers import format_currency, get_currency_precision

from services.payments.domain.records import Payment, Statement
from services.payments.reads import Posted

_FOLDER: Final = Path(__file__).parent
_LOCALE: Final = "en_US"
_AT_ONCE_MAX: Final = 2
_PAGES: Final = ThreadPoolExecutor(_AT_ONCE_MAX, "pdf")
"""Making a page takes some milliseconds of a core: never on the event loop, and never many at once."""


async def statement_pdf(account_number: str, statement: Statement) -> bytes:
    """Return a statement as it was when its readers were told of it."""
    currency = statement.currency
    said = {
        "account_number": account_number,
        "statement_id": statement.statement_id,
        "addressee": statement.addressee,
        "issued_on": _day(statement.issued_on),
        "due_on": _day(statement.due_on),
        "period": f"{_day(statement.period_from)} to {_day(statement.period_to)}",
        "amount_due": _money(statement.amount_due_minor, currency),
        "visits": [
            {
                "number": visit.visit_account_number,
                "day": _day(visit.visit_date) if visit.visit_date else "",
                "description": visit.description,
                "balance": _money(visit.balance_minor, currency),
            }
            for visit in statement.visits
        ],
    }
    return await _pdf("statement", said, statement.issued_on)


async def receipt_pdf(account_number: str, payment: Payment, posted: Sequence[Posted]) -> bytes:
    """Return the receipt of a payment after the first of its postings: each that comes is another version of it.

    Only what never changes is taken from the payment, so that earlier versions can be made again.
    """
    currency = payment.currency
    method = payment.method
    refunded_minor = _refunded_minor(posted)
    said = {
        "account_number": account_number,
        "payment_id": payment.payment_id,
        "paid_on": _day(payment.created_at.date()),
        "method": f"{(method.brand or method.kind.replace('_', ' ')).title()} ending in {method.last4}",
        "status": standing(payment.amount_minor, posted),
        "amount": _money(payment.amount_minor, currency),
        "refunded": _money(refunded_minor, currency) if refunded_minor else "",
        "version": str(len(posted)) if len(posted) > 1 else "",
        "visits": [
            {"number": share.visit_account_number, "amount": _money(share.amount_minor, currency)}
            for share in payment.allocation
        ],
    }
    return await _pdf("receipt", said, payment.created_at.date())


def standing(amount_minor: int, posted: Sequence[Posted]) -> str:
    """Return how a payment whose money was taken stands, after all that was posted of it."""
    kinds, refunded_minor = {one.kind for one in posted}, _refunded_minor(posted)
    if "return" in kinds:
        return "Sent back by the bank"
    if "dispute" in kinds:
        return "Taken back after a dispute"
    if refunded_minor:
        return "Refunded in part" if refunded_minor < amount_minor else "Refunded"
    return "Paid"


def _refunded_minor(posted: Sequence[Posted]) -> int:
    return -sum(one.received_minor for one in posted if one.kind in ("refund", "refund-failed"))


async def _pdf(page: str, said: dict[str, Any], made_on: date) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(_PAGES, _compile, page, said, made_on)


def _compile(page: str, said: dict[str, Any], made_on: date) -> bytes:
    made: bytes = typst.compile(
        _FOLDER / f"{page}.typ",
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"said": json.dumps(said)},
        timestamp=int(datetime.combine(made_on, time(), UTC).timestamp()),
    )
    return made


def _money(amount_minor: int, currency: str) -> str:
    amount = Decimal(amount_minor).scaleb(-get_currency_precision(currency))
    return format_currency(amount, currency, locale=_LOCALE)


def _day(day: date) -> str:
    return format_date(day, "long", locale=_LOCALE)
