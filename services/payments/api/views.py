"""The shapes of what payments shows: made from the states, without anything that stays in the database."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.records import (
    InstalmentStatus,
    Payment,
    PaymentStatus,
    Plan,
    PlanStatus,
    SavedMethod,
    Statement,
    Visit,
)
from services.payments.reads import Activity, Shown
from shared.auth import Caller
from shared.events.payments import Allocation, MethodShown, Share


class VisitAccountView(BaseModel):
    """What is owed for one visit: charges less what the insurance paid, adjusted, less what was paid."""

    visit_account_number: str
    patient_id: str | None = Field(description="absent while only charges are known")
    visit_date: date | None
    description: str | None
    closed: bool = Field(description="neither payable nor part of the account's balance")
    plan_id: str | None = Field(description="the plan that pays it by instalments")
    balance_minor: int
    payable_minor: int = Field(description="what can be paid of it now: what its plan pays is no part")
    charges_minor: int
    insurance_paid_minor: int
    adjustments_minor: int = Field(description="negative where it lowers what is owed")
    paid_minor: int


class StatementView(BaseModel):
    """A statement as it was issued."""

    statement_id: str
    account_number: str
    issued_on: date
    due_on: date
    period_from: date
    period_to: date
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
    reason: str | None = Field(description="why it failed or came back")
    method: MethodShown
    plan_id: str | None
    refunded_minor: int
    dispute_status: str | None
    created_at: datetime
    updated_at: datetime


class InstalmentView(BaseModel):
    """A part of a plan."""

    number: int
    due_on: date
    amount_minor: int
    status: InstalmentStatus
    payment_id: str | None


class PlanView(BaseModel):
    """A payment plan."""

    plan_id: str
    account_number: str
    status: PlanStatus
    currency: str
    monthly_amount_minor: int
    day_of_month: int
    autopay: bool
    method: MethodShown | None
    visit_account_numbers: tuple[str, ...]
    total_minor: int
    paid_minor: int
    remaining_minor: int = Field(
        description="less than the instalments where the insurance, or a credit, paid meanwhile"
    )
    instalments: list[InstalmentView]
    started_at: datetime
    reason: str | None


class MethodView(BaseModel):
    """A saved card or bank account."""

    method_id: str
    kind: Literal["card", "bank_account"]
    last4: str
    brand: str | None
    saved_at: datetime


class NameView(BaseModel):
    """A person's name."""

    first_name: str
    last_name: str


class AccountView(BaseModel):
    """A guarantor account; the balance is that of its visit accounts that are not closed."""

    account_number: str
    guarantor: NameView
    relationship: Literal["guarantor", "viewer"] | None = Field(description="what the person is to the account")
    paperless: bool | None = Field(description="whether the person gets its statements without paper")
    balance_minor: int
    payable_minor: int = Field(description="what can be paid now, beyond what plans pay")
    currency: str
    version: int = Field(description="as in the event that told this balance")
    visit_accounts: list[VisitAccountView] = Field(description="oldest visit first")
    newest_statement: StatementView | None
    payments_in_progress: list[PaymentView]
    plan: PlanView | None = Field(description="of those that have not ended, the one that started last")
    plans: list[PlanView] = Field(description="those that have not ended")


class BillingSummary(BaseModel):
    """All guarantor accounts of a person."""

    accounts: list[AccountView]


class ActivityView(BaseModel):
    """A change of what is owed; a positive amount raises it."""

    kind: str
    id: str
    at: datetime
    amount_minor: int
    visits: list[Share]
    description: str | None
    service_date: date | None
    adjustment_kind: str | None


class ActivityPage(BaseModel):
    """A part of the activity, newest first; `next` is where the following part begins."""

    items: list[ActivityView]
    next: str | None


class PaymentPage(BaseModel):
    """A part of the payments, newest first; `next` is where the following part begins."""

    items: list[PaymentView]
    next: str | None


def account_view(shown: Shown, caller: Caller) -> AccountView:
    """Return an account as this caller sees it."""
    account, statement, opened = shown.account, shown.newest_statement, shown.opened
    plans = sorted(account.plans.values(), key=lambda plan: plan.started_at, reverse=True)
    views = [plan_view(account, plan) for plan in plans if plan.is_open]
    relationship: Literal["guarantor", "viewer"] | None = None
    if caller.on_behalf_of:
        relationship = "guarantor" if caller.on_behalf_of == opened.person_id else "viewer"
    payable_minor = max(account.owed_minor(None), 0)
    return AccountView(
        account_number=account.number,
        guarantor=NameView(first_name=opened.first_name, last_name=opened.last_name),
        relationship=relationship,
        paperless=caller.on_behalf_of in account.paperless if caller.on_behalf_of else None,
        balance_minor=account.balance_minor,
        payable_minor=payable_minor,
        currency=opened.currency,
        version=account.version,
        visit_accounts=[
            _visit_view(visit, payable_minor)
            for visit in sorted(account.visits.values(), key=lambda visit: visit.age)
        ],
        newest_statement=statement_view(account.number, statement) if statement else None,
        payments_in_progress=[
            payment_view(account, payment)
            for payment in sorted(account.payments.values(), key=lambda payment: payment.created_at)
        ],
        plan=views[0] if views else None,
        plans=views,
    )


def _visit_view(visit: Visit, payable_minor: int) -> VisitAccountView:
    opened = visit.opened
    return VisitAccountView(
        visit_account_number=visit.number,
        patient_id=opened.patient_id if opened else None,
        visit_date=opened.visit_date if opened else None,
        description=opened.description if opened else None,
        closed=visit.closed,
        plan_id=visit.plan_id,
        balance_minor=visit.balance_minor,
        payable_minor=0 if visit.closed else min(max(visit.due_minor(None), 0), payable_minor),
        charges_minor=visit.charges_minor,
        insurance_paid_minor=visit.insurance_paid_minor,
        adjustments_minor=visit.adjustments_minor,
        paid_minor=visit.paid_minor,
    )


def statement_view(account_number: str, statement: Statement) -> StatementView:
    """Return a statement."""
    return StatementView(
        statement_id=statement.statement_id,
        account_number=account_number,
        issued_on=statement.issued_on,
        due_on=statement.due_on,
        period_from=statement.period_from,
        period_to=statement.period_to,
        amount_due_minor=statement.amount_due_minor,
        currency=statement.currency,
    )


def payment_view(account: GuarantorAccount, payment: Payment) -> PaymentView:
    """Return a payment; never its token."""
    return PaymentView(
        payment_id=payment.payment_id,
        account_number=account.number,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        status=payment.status,
        allocation=payment.allocation,
        reason=payment.reason,
        method=payment.method,
        plan_id=payment.plan_id,
        refunded_minor=payment.refunded_minor,
        dispute_status=payment.dispute_status,
        created_at=payment.created_at,
        updated_at=payment.updated_at,
    )


def plan_view(account: GuarantorAccount, plan: Plan) -> PlanView:
    """Return a plan; never the token that pays it."""
    method = plan.method
    owed_minor = max(account.owed_minor(plan.plan_id), 0)
    return PlanView(
        plan_id=plan.plan_id,
        account_number=account.number,
        status=plan.status,
        currency=plan.currency,
        monthly_amount_minor=plan.monthly_amount_minor,
        day_of_month=plan.day_of_month,
        autopay=plan.autopay,
        method=MethodShown(kind=method.kind, last4=method.last4, brand=method.brand) if method else None,
        visit_account_numbers=plan.visits,
        total_minor=sum(one.amount_minor for one in plan.instalments),
        paid_minor=sum(one.paid_minor for one in plan.instalments),
        remaining_minor=min(plan.left_minor, owed_minor) if plan.is_open else plan.left_minor,
        instalments=[
            InstalmentView(
                number=one.number,
                due_on=one.due_on,
                amount_minor=one.amount_minor,
                status=one.status,
                payment_id=one.payment_id,
            )
            for one in plan.instalments
        ],
        started_at=plan.started_at,
        reason=plan.reason,
    )


def method_view(method: SavedMethod) -> MethodView:
    """Return a saved method by what people recognise it by."""
    return MethodView(
        method_id=method.method_id,
        kind=method.kind,
        last4=method.last4,
        brand=method.brand,
        saved_at=method.saved_at,
    )


def activity_view(posting: Activity) -> ActivityView:
    """Return a posting as what it changed of the visits."""
    lines = list(zip(posting.accounts, posting.amounts, strict=True))
    kinds = [name.removeprefix("adjustments:") for name, _ in lines if name.startswith("adjustments:")]
    shares = [
        Share(visit_account_number=name.removeprefix("receivable:"), amount_minor=amount)
        for name, amount in lines
        if name.startswith("receivable:")
    ]
    adjusted = kinds[0] if kinds else None
    return ActivityView(
        kind="insurance-payment" if adjusted == "insurance-payment" else posting.kind,
        id=posting.cause_id,
        at=posting.at,
        amount_minor=sum(share.amount_minor for share in shares),
        visits=shares,
        description=posting.description,
        service_date=posting.service_date,
        adjustment_kind=adjusted,
    )
