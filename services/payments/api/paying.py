"""Before paying: a review of a payment, and a quote of a plan. Neither changes anything."""

import uuid
from datetime import date, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, Field, model_validator

from services.payments.api.callers import Person, TheSettings, account_for, refused
from services.payments.domain import proofs
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.card_digits import Found, card_number_in
from services.payments.domain.payer import guests_allocation
from services.payments.domain.payment import saved_method, spread_payment
from services.payments.domain.proofs import REVIEW_LIFETIME, GuestPass, Review
from services.payments.domain.records import InstalmentStatus
from services.payments.domain.respreading import unpaid_minor
from services.payments.domain.rules import Rules
from services.payments.domain.schedule import NOTICE, by_months
from services.payments.domain.terms import Terms, changed_terms, starting_terms, to_plan
from services.payments.reads import show_accounts
from shared.auth import Caller, OnBehalfOf, calling_for, gateway
from shared.database import Pool
from shared.events.envelope import Id
from shared.events.payments import Allocation, RefusalReason
from shared.events.plans import Instalment, VisitAccountNumbers
from shared.events.vocabulary import AmountMinor, Currency, DayOfMonth, Method, MethodKind, Secret
from shared.routes import Now, ThePool

router = APIRouter(prefix="/v1", tags=["paying"])

Gateway = Annotated[Caller, Depends(gateway)]

_STRICT: Final = Field(strict=True)
"""As in a command: `100.0` and `"100"` are no amounts."""


class ReviewAsked(BaseModel):
    """A payment as it would be submitted."""

    account_number: Id
    amount_minor: Annotated[AmountMinor, _STRICT]
    currency: Currency
    method: Method | None = None
    method_id: Id | None = None
    allocation: Allocation | None = None
    plan_id: Id | None = None
    guest_token: Secret | None = None


class ReviewShown(BaseModel):
    """What the payer is shown, and the token that stands for it."""

    review_token: str
    expires_at: AwareDatetime
    account_number: str
    total_minor: int
    currency: str
    allocation: Allocation


class QuoteAsked(BaseModel):
    """A plan as it would be started or changed: by a monthly amount, or by a number of months."""

    account_number: Id
    plan_id: Id | None = Field(None, description="the plan to change; without one, a plan to start")
    visit_account_numbers: VisitAccountNumbers | None = None
    monthly_amount_minor: Annotated[AmountMinor, _STRICT] | None = None
    months: Annotated[int, Field(ge=1, le=1_000, strict=True)] | None = None
    day_of_month: Annotated[DayOfMonth, _STRICT]
    method_kind: MethodKind | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "QuoteAsked":
        if (self.monthly_amount_minor is None) == (self.months is None):
            raise ValueError("either monthly_amount_minor or months")
        if self.plan_id is not None and self.visit_account_numbers:
            raise ValueError("a plan that is changed keeps its visits")
        return self

    def monthly_minor(self, total_minor: int) -> int:
        """Return the monthly amount that a total is to be paid by."""
        if self.monthly_amount_minor is not None:
            return self.monthly_amount_minor
        return by_months(total_minor, self.months or 1)


class Limits(BaseModel):
    """Within what a plan can be chosen."""

    instalment_min_minor: int
    months_max: int
    monthly_min_minor: int = Field(description="the least that keeps within the longest plan")
    monthly_max_minor: int
    first_due_from: date


class QuotedInstalment(Instalment):
    """A part of a plan as it would be; where one is changed, also what is paid or under way and stays."""

    status: InstalmentStatus


class Quote(BaseModel):
    """A plan as it would be."""

    account_number: str
    currency: str
    total_minor: int
    visit_account_numbers: tuple[str, ...]
    monthly_amount_minor: int
    instalments: list[QuotedInstalment]
    limits: Limits


@router.post("/payment-reviews")
async def review_payment(
    asked: ReviewAsked,
    caller: Gateway,
    pool: ThePool,
    now: Now,
    own: TheSettings,
    on_behalf_of: OnBehalfOf = None,
) -> ReviewShown:
    """Show how a payment would be spread, before it is submitted; refused as the payment would be."""
    if card_number_in(asked.model_dump_json().encode()) is not Found.NOWHERE:
        raise refused("card_number_refused")
    rules = own.rules()
    guest = rules.proofs.read(GuestPass, asked.guest_token) if asked.guest_token else None
    number = guest.account_number if guest else asked.account_number
    if asked.guest_token:
        account = await _guests_account(pool, guest, asked.account_number)
    else:
        person = calling_for(caller, on_behalf_of)
        account = (await account_for(pool, number, person, asked.method_id)).account
    allocation = _allocation(account, asked, guest, None if guest else on_behalf_of, now)
    if isinstance(allocation, str):
        raise refused(allocation)
    expires_at = now + REVIEW_LIFETIME
    review = Review(
        review_id=uuid.uuid4().hex,  # noqa: TID251  # a call begins a chain, nothing caused it
        account_number=number,
        version=account.version,
        asked=proofs.asked(asked.amount_minor, asked.currency, asked.method, asked.method_id),
        spread=proofs.spread(allocation, asked.plan_id),
        expires_at=expires_at.timestamp(),
    )
    return ReviewShown(
        review_token=rules.proofs.sign(review),
        expires_at=expires_at,
        account_number=asked.account_number,
        total_minor=asked.amount_minor,
        currency=asked.currency,
        allocation=allocation,
    )


@router.post("/plan-quotes")
async def quote_plan(asked: QuoteAsked, caller: Person, pool: ThePool, now: Now, own: TheSettings) -> Quote:
    """Show the instalments of a plan before it is started or changed; refused as that would be."""
    shown, rules = await account_for(pool, asked.account_number, caller), own.rules()
    found = terms_of(shown.account, asked, now, rules)
    if isinstance(found, str):
        raise refused(found)
    return Quote(
        account_number=shown.account.number,
        currency=shown.opened.currency,
        total_minor=found.total_minor,
        visit_account_numbers=tuple(found.planned_minor),
        monthly_amount_minor=found.monthly_amount_minor,
        instalments=[
            QuotedInstalment(
                number=one.number, due_on=one.due_on, amount_minor=one.amount_minor, status=one.status
            )
            for one in found.instalments
        ],
        limits=Limits(**found.limits._asdict(), first_due_from=now.date() + NOTICE),
    )


def terms_of(account: GuarantorAccount, asked: QuoteAsked, now: datetime, rules: Rules) -> Terms | RefusalReason:
    """Return what a plan would be, by the rules of the command that starts or changes it."""
    day_of_month = asked.day_of_month
    if asked.plan_id is None:
        planned_minor = to_plan(account, asked.visit_account_numbers)
        if isinstance(planned_minor, str):
            return planned_minor
        monthly_minor = asked.monthly_minor(sum(planned_minor.values()))
        return starting_terms(planned_minor, monthly_minor, day_of_month, asked.method_kind, now, rules)
    plan = account.plans.get(asked.plan_id)
    if plan is None:
        return "not_found"
    kind = asked.method_kind or (plan.method.kind if plan.method else None)
    monthly_minor = asked.monthly_minor(unpaid_minor(plan.instalments))
    return changed_terms(account, plan, monthly_minor, day_of_month, kind, now, rules)


async def _guests_account(pool: Pool, guest: GuestPass | None, typed: str) -> GuarantorAccount:
    if guest is None or guest.typed != typed:
        raise refused("not_found")
    shown = await show_accounts(pool, [guest.account_number])
    if not shown:
        raise refused("not_found")
    return shown[0].account


def _allocation(
    account: GuarantorAccount,
    asked: ReviewAsked,
    guest: GuestPass | None,
    person: str | None,
    now: datetime,
) -> Allocation | RefusalReason:
    """Return how the payment would be spread, by the rules of its submission."""
    if asked.method is None and saved_method(account, asked.method_id, person) is None:
        return "not_found" if asked.method_id else "method_missing"
    chosen: Allocation | RefusalReason | None = asked.allocation
    if guest:
        chosen = guests_allocation(account, guest, asked.amount_minor, asked.allocation, asked.plan_id, now)
    if isinstance(chosen, str):
        return chosen
    return spread_payment(account, asked.amount_minor, asked.currency, chosen, asked.plan_id)
