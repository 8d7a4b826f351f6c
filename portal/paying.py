"""Paying in three steps: amount and method, review, done; and how a payment stands.

Numbers of cards and bank accounts go from the processor's own page in a frame to the processor; here arrive only
its token and what people recognise the card by.
"""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ValidationError

from portal.amounts import AmountError, typed_amount, written_amount
from portal.billing import Json, Number, account_of, is_own
from portal.calls import ServiceProblem
from portal.commands import new_id
from portal.guarding import page_router
from portal.language import _
from portal.refusals import failure, refusal
from portal.rendering import render
from portal.visitors import Person, PersonAtPage
from shared.events.payments import SubmitPayment
from shared.events.vocabulary import Method
from shared.paths import segment

router = page_router()

NEW_METHODS = ("card", "bank_account")


class Wish(BaseModel):
    """The first step's form as it was sent: what is paid, and with what."""

    amount_choice: str = "all"
    amount: str = ""
    method: str = ""
    token: str = ""
    last4: str = ""
    brand: str = ""
    save_method: bool = False
    plan: str = ""

    def chosen(self) -> Json:
        """Return the method as payments want it: a saved one by its id, or the processor's token.

        Raises:
            LookupError: none was chosen.
        """
        if self.method not in NEW_METHODS:
            if not self.method:
                raise LookupError
            return {"method_id": self.method}
        try:
            method = Method(kind=self.method, token=self.token, last4=self.last4, brand=self.brand or None)
        except ValidationError as error:
            raise LookupError from error
        return {"method": method.model_dump(exclude_none=True)}

    def payment(self, asked: Json) -> SubmitPayment:
        """Return the command that pays with the chosen method.

        Raises:
            RequestValidationError: no page of ours sends such a form.
        """
        try:
            return SubmitPayment.model_validate(asked | self.chosen())
        except (LookupError, ValidationError) as error:
            raise RequestValidationError([]) from error

    def amount_minor(self, due_minor: int, currency: str) -> int:
        """Return what is to be paid.

        Raises:
            AmountError: another amount was chosen and is none.
        """
        return due_minor if self.amount_choice == "all" else typed_amount(self.amount, currency)

    def looked_over(self, due_minor: int, currency: str) -> tuple[Json, dict[str, str]]:
        """Return what a review is asked for with, and a sentence for each field that does not say it."""
        asked: Json = {"currency": currency}
        faults = {}
        try:
            asked["amount_minor"] = self.amount_minor(due_minor, currency)
        except AmountError as error:
            faults["amount"] = str(error)
        try:
            asked |= self.chosen()
        except LookupError:
            faults["method"] = refusal("payments", "method_missing")
        return asked, faults


@router.get("/pay/{number}")
async def begin(request: Request, number: Number, person: Person, plan: str = "") -> Response:
    """Ask for the amount and the method."""
    return await _first_step(request, person, number, Wish(plan=plan), {})


@router.post("/pay/{number}/review")
async def review(request: Request, number: Number, person: Person, wish: Annotated[Wish, Form()]) -> Response:
    """Show how the amount is spread over the visits, or what is wrong with the wish."""
    account = await account_of(person, number)
    asked, faults = wish.looked_over(_due(account, wish.plan), account["currency"])
    if faults:
        return await _first_step(request, person, number, wish, faults)
    asked |= {"account_number": number, **({"plan_id": wish.plan} if wish.plan else {})}
    try:
        told = await person.post("payments", "/v1/payment-reviews", asked)
    except ServiceProblem as problem:
        if problem.status not in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise
        return await _first_step(request, person, number, wish, {"amount": refusal("payments", problem.reason)})
    shown = await _shown_method(person, number, wish)
    payment_id = new_id("pay")
    return render(
        request, "pay/review.html", account=account, review=told, wish=wish, shown=shown, payment_id=payment_id
    )


@router.post("/pay/{number}")
async def pay(
    request: Request,
    number: Number,
    person: Person,
    wish: Annotated[Wish, Form()],
    payment_id: Annotated[str, Form()],
    review_token: Annotated[str, Form()],
    total_minor: Annotated[int, Form()],
) -> Response:
    """Submit what was reviewed; a second click is the same payment."""
    account = await account_of(person, number)
    command = wish.payment(
        {
            "payment_id": payment_id,
            "account_number": number,
            "amount_minor": total_minor,
            "currency": account["currency"],
            "review_token": review_token,
            "save_method": wish.save_method and wish.method in NEW_METHODS,
            **({"plan_id": wish.plan} if wish.plan else {}),
        },
    )
    outcome = await person.ask(command, subject=number, own=is_own(account))
    if outcome.state == "refused":
        wish = wish.model_copy(
            update={"amount_choice": "other", "amount": written_amount(total_minor, account["currency"])}
        )
        return await _first_step(request, person, number, wish, {"all": refusal("payments", outcome.reason)})
    return RedirectResponse(f"/payments/{segment(payment_id)}?account={segment(number)}", HTTPStatus.SEE_OTHER)


@router.get("/payments/{payment_id}")
async def payment(request: Request, payment_id: Number, person: Person, account: str = "") -> Response:
    """Show how a payment stands; a moment after it was sent it may not be there yet."""
    try:
        found = await person.get("payments", f"/v1/payments/{segment(payment_id)}")
    except ServiceProblem as problem:
        if problem.status != HTTPStatus.NOT_FOUND or not account:
            raise
        await account_of(person, account)
        found = {"payment_id": payment_id, "account_number": account, "status": "sent"}
    return render(request, "pay/done.html", payment=found, why=_why(found))


async def _first_step(
    request: Request, person: PersonAtPage, number: str, wish: Wish, faults: dict[str, str]
) -> Response:
    account = await account_of(person, number)
    methods = await person.get("payments", f"/v1/accounts/{segment(number)}/methods")
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    return render(
        request,
        "pay/amount.html",
        status,
        account=account,
        due_minor=_due(account, wish.plan),
        methods=methods,
        wish=wish,
        faults=faults,
        processor=request.app.state.settings.processor_js_url,
    )


def _why(payment: Json) -> str:
    """Return why a payment's money was not taken, or did not stay."""
    if payment["status"] in ("failed", "returned"):
        return failure(payment["status"], payment.get("reason"))
    if payment.get("dispute_status") == "lost":
        return _("This payment was disputed, and the bank took the money back.")
    return ""


def _due(account: Json, plan_id: str) -> int:
    """Return what can be paid at most: what is left of a plan, or what is owed beyond plans."""
    if plan_id:
        return sum(int(plan["remaining_minor"]) for plan in account["plans"] if plan["plan_id"] == plan_id)
    return int(account["payable_minor"])


async def _shown_method(person: PersonAtPage, number: str, wish: Wish) -> dict[str, Any]:
    if wish.method in NEW_METHODS:
        return {"kind": wish.method, "last4": wish.last4, "brand": wish.brand}
    methods = await person.get("payments", f"/v1/accounts/{segment(number)}/methods")
    return next((one for one in methods if one["method_id"] == wish.method), {"kind": "card", "last4": ""})


def steps() -> list[str]:
    """Return the names of the steps of paying."""
    return [_("Amount and method"), _("Review"), _("Done")]
