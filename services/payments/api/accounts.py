"""What payments shows over HTTP: balances, visit accounts and payments, to those who may see them.

A gateway asks on behalf of a person, who sees the accounts they answer for or view; billing staff see any. What
one may not see is not found.
"""

from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, Field

from services.payments.domain.account import GuarantorAccount, Opened, Payment, PaymentStatus, Statement, Visit
from services.payments.store import Shown, numbers_of_person, show_accounts, show_payment
from shared.auth import Caller, person, person_or_staff
from shared.database import Pool
from shared.events.payments import Allocation, MethodShown
from shared.problems import Problem

router = APIRouter(prefix="/v1", tags=["payments"])


class VisitAccountView(BaseModel):
    """What is owed for one visit: charges less what the insurance paid, adjusted, less what was paid."""

    visit_account_number: str
    patient_id: str | None = Field(description="absent while only charges are known")
    visit_date: date | None
    description: str | None
    closed: bool = Field(description="neither payable nor part of the account's balance")
    balance_minor: int
    charges_minor: int
    insurance_paid_minor: int
    adjustments_minor: int = Field(description="negative where it lowers what is owed")
    paid_minor: int


class StatementView(BaseModel):
    """A statement as it was issued."""

    statement_id: str
    issued_on: date
    due_on: date
    amount_due_minor: int
    currency: str


class PaymentView(BaseModel):
    """A payment and how it stands."""

    payment_id: str
    account_number: str
    amount_minor: int
    currency: str
    status: PaymentStatus
    allocation: Allocation
    reason: str | None = Field(description="why it failed")
    method: MethodShown
    created_at: datetime
    updated_at: datetime


class AccountView(BaseModel):
    """A guarantor account; the balance is that of its visit accounts that are not closed."""

    account_number: str
    balance_minor: int
    currency: str
    version: int = Field(description="as in the event that told this balance")
    visit_accounts: list[VisitAccountView] = Field(description="oldest visit first")
    newest_statement: StatementView | None
    payments_in_progress: list[PaymentView]


class BillingSummary(BaseModel):
    """All guarantor accounts of a person."""

    accounts: list[AccountView]


async def _pool(request: Request) -> Pool:
    pool: Pool = request.app.state.pool
    return pool


ThePool = Annotated[Pool, Depends(_pool)]
Person = Annotated[Caller, Depends(person)]
PersonOrStaff = Annotated[Caller, Depends(person_or_staff("billing", "supervisor"))]
Id = Annotated[str, Path(max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]


@router.get("/billing-summary")
async def billing_summary(caller: Person, pool: ThePool) -> BillingSummary:
    """Show all accounts that the person answers for or may view."""
    numbers = await numbers_of_person(pool, caller.on_behalf_of or "")
    return BillingSummary(accounts=[_account_view(shown) for shown in await show_accounts(pool, numbers)])


@router.get("/accounts/{number}")
async def account(number: Id, caller: PersonOrStaff, pool: ThePool) -> AccountView:
    """Show one account."""
    for shown in await show_accounts(pool, [number]):
        if _may_see(caller, shown.opened):
            return _account_view(shown)
    raise Problem(HTTPStatus.NOT_FOUND, "There is no such account.", reason="not_found")


@router.get("/payments/{payment_id}")
async def payment(payment_id: Id, caller: PersonOrStaff, pool: ThePool) -> PaymentView:
    """Show one payment; it is there as soon as it was accepted."""
    found = await show_payment(pool, payment_id)
    if found is None or not _may_see(caller, found[0].opened):
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such payment.", reason="not_found")
    return _payment_view(*found)


def _may_see(caller: Caller, opened: Opened | None) -> bool:
    if caller.on_behalf_of is None:
        return True
    return opened is not None and caller.on_behalf_of in opened.persons()


def _account_view(shown: Shown) -> AccountView:
    account, statement = shown.account, shown.newest_statement
    return AccountView(
        account_number=account.number,
        balance_minor=account.balance_minor,
        currency=shown.opened.currency,
        version=account.version,
        visit_accounts=[
            _visit_view(visit) for visit in sorted(account.visits.values(), key=lambda visit: visit.age)
        ],
        newest_statement=_statement_view(statement) if statement else None,
        payments_in_progress=[
            _payment_view(account, payment)
            for payment in sorted(account.payments.values(), key=lambda payment: payment.created_at)
        ],
    )


def _visit_view(visit: Visit) -> VisitAccountView:
    opened = visit.opened
    return VisitAccountView(
        visit_account_number=visit.number,
        patient_id=opened.patient_id if opened else None,
        visit_date=opened.visit_date if opened else None,
        description=opened.description if opened else None,
        closed=visit.closed,
        balance_minor=visit.balance_minor,
        charges_minor=visit.charges_minor,
        insurance_paid_minor=visit.insurance_paid_minor,
        adjustments_minor=visit.adjustments_minor,
        paid_minor=visit.paid_minor,
    )


def _statement_view(statement: Statement) -> StatementView:
    return StatementView(
        statement_id=statement.statement_id,
        issued_on=statement.issued_on,
        due_on=statement.due_on,
        amount_due_minor=statement.amount_due_minor,
        currency=statement.currency,
    )


def _payment_view(account: GuarantorAccount, payment: Payment) -> PaymentView:
    return PaymentView(
        payment_id=payment.payment_id,
        account_number=account.number,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        status=payment.status,
        allocation=payment.allocation,
        reason=payment.reason,
        method=payment.method,
        created_at=payment.created_at,
        updated_at=payment.updated_at,
    )
