"""Pay my bill: without an account, by the number on the bill and the last name.

A guest sees what is to be paid and nothing else. A proof of work (ALTCHA) keeps machines from guessing numbers;
what the lookup gives is kept, encrypted, in the browser's session, until it expires.
"""

import json
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from portal.billing import Json, Number
from portal.calls import ServiceProblem
from portal.commands import new_id
from portal.guarding import page_router
from portal.language import _
from portal.notices import notice
from portal.paying import Wish
from portal.refusals import failure, refusal
from portal.rendering import render
from portal.visitors import Guest
from shared.paths import segment

router = page_router("/pay-my-bill")

_STATUSES = {
    "payments.payment-accepted.v1": "processing",
    "payments.payment-unknown.v1": "unknown",
    "payments.payment-succeeded.v1": "succeeded",
    "payments.payment-failed.v1": "failed",
    "payments.payment-returned.v1": "returned",
    "payments.command-refused.v1": "refused",
}
_ENDED = ("succeeded", "failed", "returned", "refused")


@router.get("")
async def begin(request: Request) -> Response:
    """Ask for the number, the last name and a proof of work."""
    return render(request, "guest/lookup.html", typed={}, faults={})


@router.get("/challenge")
async def challenge(guest: Guest) -> Response:
    """Hand on a challenge for the browser to solve."""
    return JSONResponse(await guest.get("payments", "/v1/guest/challenge"))


@router.post("")
async def look_up(
    request: Request,
    guest: Guest,
    account_number: Annotated[str, Form(max_length=128)] = "",
    last_name: Annotated[str, Form(max_length=100)] = "",
    captcha: Annotated[str, Form(max_length=8192)] = "",
) -> Response:
    """Look the bill up; an unknown number and another name are answered alike."""
    asked = {"account_number": account_number.strip(), "last_name": last_name.strip(), "captcha": captcha}
    faults = {}
    if not asked["account_number"]:
        faults["account_number"] = _("Please type the number on your bill.")
    if not asked["last_name"]:
        faults["last_name"] = _("Please type the last name.")
    if not captcha and not faults:
        faults["all"] = _("Please wait until the check below is done. It needs JavaScript.")
    if not faults:
        try:
            bill = await guest.post("payments", "/v1/guest/lookup", asked)
        except ServiceProblem as problem:
            faults["all"] = _lookup_fault(problem)
        else:
            kept = bill | {"account_number": asked["account_number"]}
            request.session["bill"] = request.app.state.cookie_box.close(json.dumps(kept))
            return RedirectResponse("/pay-my-bill/amount", HTTPStatus.SEE_OTHER)
    return render(request, "guest/lookup.html", HTTPStatus.UNPROCESSABLE_ENTITY, typed=asked, faults=faults)


@router.get("/amount")
async def amount(request: Request) -> Response:
    """Ask for the amount and the method."""
    bill = _bill(request)
    return _first_step(request, bill, Wish(), {}) if bill else _again()


@router.post("/review")
async def review(request: Request, guest: Guest, wish: Annotated[Wish, Form()]) -> Response:
    """Show what will be paid, or what is wrong with the wish."""
    bill = _bill(request)
    if bill is None:
        return _again()
    asked, faults = wish.looked_over(bill["balance_minor"], bill["currency"])
    if faults:
        return _first_step(request, bill, wish, faults)
    try:
        told = await guest.post("payments", "/v1/payment-reviews", _asked(bill) | asked)
    except ServiceProblem as problem:
        if problem.reason in ("guest_expired", "not_found"):
            return _again()
        if problem.reason == "amount_exceeds_balance" and asked["amount_minor"] <= bill["balance_minor"]:
            return _changed(request)
        return _first_step(request, bill, wish, {"amount": refusal("payments", problem.reason)})
    payment_id = new_id("pay")
    return render(request, "guest/review.html", bill=bill, review=told, wish=wish, payment_id=payment_id)


@router.post("/pay")
async def pay(
    request: Request,
    guest: Guest,
    wish: Annotated[Wish, Form()],
    payment_id: Annotated[str, Form()],
    review_token: Annotated[str, Form()],
    total_minor: Annotated[int, Form()],
) -> Response:
    """Submit what was reviewed; a second click is the same payment."""
    if _paying(request, payment_id):
        return _to_payment(payment_id)
    bill = _bill(request)
    if bill is None:
        return _again()
    asked = _asked(bill) | {"payment_id": payment_id, "amount_minor": total_minor, "review_token": review_token}
    outcome = await guest.ask(wish.payment(asked), subject=bill["subject"])
    if outcome.reason in ("amount_exceeds_balance", "review_stale"):
        return _changed(request)
    if outcome.state == "refused":
        return _first_step(request, bill, wish, {"all": refusal("payments", outcome.reason)})
    request.session["paying"] = {
        "id": payment_id,
        "command": outcome.command_id,
        "account_number": bill["account_number"],
        "at": request.app.state.clock.now().isoformat(),
        "amount_minor": total_minor,
        "currency": bill["currency"],
        "method": {"kind": wish.method, "last4": wish.last4, "brand": wish.brand},
    }
    return _to_payment(payment_id)


@router.get("/payments/{payment_id}")
async def payment(request: Request, payment_id: Number) -> Response:
    """Show how the payment stands, by what has been said because of it."""
    paying = _paying(request, payment_id)
    if paying is None:
        return _again()
    status, reason = _standing(request, paying)
    why = refusal("payments", reason) if status == "refused" else failure(status, reason)
    return render(request, "guest/done.html", payment=paying | {"status": status}, why=why)


def _standing(request: Request, paying: Json) -> tuple[str, str]:
    """Return how a payment stands, and the reason when it failed.

    Only the process that sent it hears more of it, so the browser keeps how it ended; of another it is `lost`.
    """
    kept = paying.get("ended")
    chain = request.app.state.commands.chain(paying["command"])
    if chain is None:
        return tuple(kept or ("lost", ""))
    status, reason = "sent", ""
    for heard in chain:
        if heard.type in _STATUSES:
            status, reason = _STATUSES[heard.type], str(heard.data.get("reason") or "")
    if status in _ENDED and kept != [status, reason]:
        request.session["paying"] = paying | {"ended": [status, reason]}
        if status == "succeeded" and (_bill(request) or {}).get("account_number") == paying.get("account_number"):
            # What was looked up says what was owed before.
            request.session.pop("bill")
    return status, reason


def _asked(bill: Json) -> Json:
    return {name: bill[name] for name in ("account_number", "currency", "guest_token")}


def _bill(request: Request) -> dict[str, Any] | None:
    """Return what the guest looked up in this browser, if it did."""
    box = request.session.get("bill")
    opened = request.app.state.cookie_box.open(box) if box else None
    return dict(json.loads(opened)) if opened else None


def _paying(request: Request, payment_id: str) -> Json | None:
    """Return the payment that this browser made, if it is this one."""
    paying: Json | None = request.session.get("paying")
    return paying if paying and paying["id"] == payment_id else None


def _changed(request: Request) -> Response:
    """Lead back to the lookup: what is owed is no longer what was looked up."""
    request.session.pop("bill", None)
    notice(request, _("Your balance has changed. Please look your bill up again."), "warning")
    return _again()


def _to_payment(payment_id: str) -> Response:
    return RedirectResponse(f"/pay-my-bill/payments/{segment(payment_id)}", HTTPStatus.SEE_OTHER)


def _again() -> Response:
    return RedirectResponse("/pay-my-bill", HTTPStatus.SEE_OTHER)


def _first_step(request: Request, bill: Json, wish: Wish, faults: dict[str, str]) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    processor = request.app.state.settings.processor_js_url
    return render(request, "guest/amount.html", status, bill=bill, wish=wish, faults=faults, processor=processor)


def _lookup_fault(problem: ServiceProblem) -> str:
    match problem.status:
        case HTTPStatus.NOT_FOUND:
            return _("We found no bill with this number and last name. Please check both; they are on your bill.")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return _("There were too many tries. Please wait a few minutes and try again.")
    return _("The check has run out. Please try once more.")
