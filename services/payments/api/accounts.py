"""Reading accounts: balances, visits, activity, payments, plans, saved methods, statements and receipts.

A gateway asks on behalf of a person, who sees the accounts they answer for or view; billing staff see any. What
one may not see is not found. Whether an account is paperless is what the notifications service said last.
"""

import base64
import binascii
import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from services.payments import reads
from services.payments.api.callers import Limit, PathId, Person, PersonOrStaff, account_for, may_see, note_read
from services.payments.api.views import (
    AccountView,
    ActivityPage,
    BillingSummary,
    MethodView,
    PaymentPage,
    PaymentView,
    PlanView,
    StatementView,
    account_view,
    activity_view,
    method_view,
    payment_view,
    plan_view,
    statement_view,
)
from services.payments.documents import receipt_pdf, statement_pdf
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.records import Payment
from shared.auth import Caller
from shared.database import Pool
from shared.problems import Problem
from shared.routes import ThePool

router = APIRouter(prefix="/v1", tags=["accounts"])

After = Annotated[str | None, Query(max_length=400, description="`next` of the part before")]
Version = Annotated[int | None, Query(ge=1, description="of the receipt; without one, the newest")]
_PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/billing-summary")
async def billing_summary(caller: Person, pool: ThePool) -> BillingSummary:
    """Show all accounts that the person answers for or may view."""
    numbers = await reads.numbers_of_person(pool, caller.on_behalf_of or "")
    shown = await reads.show_accounts(pool, numbers)
    return BillingSummary(accounts=[account_view(one, caller) for one in shown])


@router.get("/accounts/{number}")
async def account(number: PathId, caller: PersonOrStaff, pool: ThePool) -> AccountView:
    """Show one account."""
    return account_view(await account_for(pool, number, caller), caller)


@router.get("/accounts/{number}/activity")
async def activity(
    number: PathId, caller: PersonOrStaff, pool: ThePool, limit: Limit = 50, after: After = None
) -> ActivityPage:
    """Show what changed what is owed: charges, adjustments, payments, refunds, returns; newest first."""
    await account_for(pool, number, caller)
    at, kind, cause_id = _place(after, 3)
    found = await reads.activity(pool, number, (_moment(at), kind, cause_id), limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return ActivityPage(
        items=[activity_view(one) for one in found[:limit]],
        next=_cursor(last.at.isoformat(), last.kind, last.cause_id) if last else None,
    )


@router.get("/accounts/{number}/payments")
async def payments(
    number: PathId, caller: PersonOrStaff, pool: ThePool, limit: Limit = 50, after: After = None
) -> PaymentPage:
    """Show the payments of an account, newest first."""
    shown = await account_for(pool, number, caller)
    at, payment_id = _place(after, 2)
    found = await reads.payments(pool, number, (_moment(at), payment_id), limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return PaymentPage(
        items=[payment_view(shown.account, one) for one in found[:limit]],
        next=_cursor(last.created_at.isoformat(), last.payment_id) if last else None,
    )


@router.get("/accounts/{number}/statements")
async def statements(number: PathId, caller: PersonOrStaff, pool: ThePool) -> list[StatementView]:
    """Show the statements of an account, newest first."""
    await account_for(pool, number, caller)
    return [statement_view(number, one) for one in await reads.statements(pool, number)]


@router.get("/accounts/{number}/plans")
async def plans(number: PathId, caller: PersonOrStaff, pool: ThePool) -> list[PlanView]:
    """Show all plans of an account, newest first; also those that have ended."""
    shown = await account_for(pool, number, caller)
    return [plan_view(shown.account, one) for one in await reads.plans(pool, number)]


@router.get("/accounts/{number}/methods")
async def methods(number: PathId, caller: Person, pool: ThePool) -> list[MethodView]:
    """Show the cards and bank accounts that the person keeps for an account."""
    await account_for(pool, number, caller)
    return [method_view(one) for one in await reads.methods(pool, number, caller.on_behalf_of or "")]


@router.get("/statements/{statement_id}.pdf", response_class=Response, responses=_PDF)
async def statement_document(statement_id: PathId, caller: PersonOrStaff, pool: ThePool) -> Response:
    """Give a statement as PDF."""
    found = await reads.statement(pool, statement_id, caller.on_behalf_of)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such statement.", reason="not_found")
    await note_read(pool, caller, "statement", statement_id, found[0])
    return Response(await statement_pdf(*found), media_type="application/pdf")


@router.get("/payments/{payment_id}")
async def payment(payment_id: PathId, caller: PersonOrStaff, pool: ThePool) -> PaymentView:
    """Show one payment; it is there as soon as it was accepted."""
    return payment_view(*await _payment(pool, payment_id, caller))


@router.get("/payments/{payment_id}/receipt.pdf", response_class=Response, responses=_PDF)
async def receipt(payment_id: PathId, caller: PersonOrStaff, pool: ThePool, version: Version = None) -> Response:
    """Give the receipt of a payment as PDF, once the money was taken.

    What becomes of the money later, as a refund, makes another version, which says its number; all can be had.
    """
    account, found = await _payment(pool, payment_id, caller)
    posted = await reads.posted_of_payment(pool, account.number, payment_id)
    if not posted:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no receipt: the money was not taken.", reason="not_found")
    if version is not None and version > len(posted):
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such version of the receipt.", reason="not_found")
    return Response(await receipt_pdf(account.number, found, posted[:version]), media_type="application/pdf")


async def _payment(pool: Pool, payment_id: str, caller: Caller) -> tuple[GuarantorAccount, Payment]:
    found = await reads.show_payment(pool, payment_id)
    if found is None or not may_see(caller, found[0].opened):
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such payment.", reason="not_found")
    await note_read(pool, caller, "payment", payment_id, found[0].number)
    return found


def _cursor(*place: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(cursor: str | None, parts: int) -> list[str]:
    """Return where a part of a list begins.

    Raises:
        Problem: nobody was given such a cursor.
    """
    if cursor is None:
        return [""] * parts
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        # What PostgreSQL cannot keep is in no place: a NUL, half a character, a time before the calendar's first.
        fits = len(place) == parts and all(isinstance(one, str) and "\0" not in one for one in place)
        "".join(place).encode()
        _moment(place[0])
    except (ValueError, TypeError, LookupError, OverflowError, binascii.Error):
        fits = False
    if not fits:
        raise Problem(HTTPStatus.BAD_REQUEST, "There is no such place in the list.", reason="bad_cursor")
    return list(place)


def _moment(at: str) -> datetime | None:
    found = datetime.fromisoformat(at) if at else None
    if found is not None and found.tzinfo is None:
        raise ValueError("a moment without a zone")
    return found and found.astimezone(UTC)
