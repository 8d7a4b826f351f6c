"""Paying month by month: a quote that changes as one moves the amount, and what is done with a plan."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from portal.amounts import AmountError, digits, typed_amount, written_amount
from portal.billing import Json, Number, account_of, is_own
from portal.calls import ServiceProblem
from portal.commands import new_id
from portal.guarding import not_found, page_router
from portal.language import _
from portal.notices import tell
from portal.paying import Wish
from portal.refusals import refusal
from portal.rendering import render
from portal.visitors import Person, PersonAtPage
from shared.events.envelope import Command
from shared.events.plans import CancelPlan, ChangePlan, PausePlan, ResumePlan, StartPlan
from shared.paths import segment

AUTHORIZATION_VERSION = "2026-11"
"""Of the words beside the box, in all languages: other words are another version, or they prove nothing."""

KEEP = "keep"
_MONTHS_AT_FIRST = 6

router = page_router()


class Terms(BaseModel):
    """What the person chose of a plan."""

    monthly: str = ""
    day: Annotated[int, Query(ge=1, le=31)] = 15
    autopay: bool = False


class PlanForm(Terms, Wish):
    """The form that starts or changes a plan."""

    plan_id: str
    authorized: bool = False


class TermsError(Exception):
    """What was chosen makes no plan: the field at fault, and why, in words."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field
        self.why = why


@router.get("/plan/{number}")
async def begin(request: Request, number: Number, person: Person) -> Response:
    """Show the quote for half a year, and what can be chosen; or that there is nothing to pay."""
    account = await account_of(person, number)
    if account["payable_minor"] <= 0:
        return render(request, "plan/nothing.html", account=account)
    return await _page(request, person, account, Terms(autopay=True), plan=None)


@router.get("/plan/{number}/quote")
async def quote(
    request: Request, number: Number, person: Person, terms: Annotated[Terms, Query()], plan: str = ""
) -> Response:
    """Show the instalments for other terms, while the person moves the amount."""
    told, fault = await _quote(person, await account_of(person, number), terms, plan)
    return render(request, "plan/quote.html", quote=told, fault=fault)


@router.post("/plan/{number}")
async def start(request: Request, number: Number, person: Person, form: Annotated[PlanForm, Form()]) -> Response:
    """Start a plan; a second click is the same plan."""
    account = await account_of(person, number)
    try:
        asked = _asked(request, account, form, None)
    except TermsError as error:
        return await _page(request, person, account, form, plan=None, fault=error)
    command = StartPlan.model_validate(asked | {"autopay": form.autopay})
    outcome = await person.ask(command, subject=number, own=is_own(account))
    if outcome.state == "refused":
        return await _page(request, person, account, form, plan=None, fault=_refused(outcome.reason))
    tell(request, outcome, "payments", _("Your plan has started."))
    return _to_plan(number)


@router.get("/plan/{number}/{plan_id}")
async def begin_change(request: Request, number: Number, plan_id: Number, person: Person) -> Response:
    """Show the terms of a plan, to change what is still to come."""
    account = await account_of(person, number)
    plan = _plan(account, plan_id)
    monthly = written_amount(plan["monthly_amount_minor"], plan["currency"])
    terms = Terms(monthly=monthly, day=plan["day_of_month"], autopay=plan["autopay"])
    return await _page(request, person, account, terms, plan=plan)


@router.post("/plan/{number}/{plan_id}")
async def change(
    request: Request, number: Number, plan_id: Number, person: Person, form: Annotated[PlanForm, Form()]
) -> Response:
    """Change a plan's amount, day or method."""
    account = await account_of(person, number)
    plan = _plan(account, plan_id)
    try:
        asked = _asked(request, account, form, plan)
    except TermsError as error:
        return await _page(request, person, account, form, plan=plan, fault=error)
    # What stays as it is must not be said: the services would lay the dates anew.
    changed = {
        name: value for name, value in (asked | {"autopay": form.autopay}).items() if plan.get(name) != value
    }
    command = ChangePlan.model_validate(changed | {"plan_id": plan_id, "account_number": number})
    outcome = await person.ask(command, subject=number, own=is_own(account))
    if outcome.state == "refused":
        return await _page(request, person, account, form, plan=plan, fault=_refused(outcome.reason))
    tell(request, outcome, "payments", _("Your plan was changed."))
    return _to_plan(number)


@router.post("/plan/{number}/{plan_id}/pause")
async def pause(request: Request, number: Number, plan_id: Number, person: Person) -> Response:
    """Let nothing fall due until the plan goes on."""
    command = PausePlan(plan_id=plan_id, account_number=number)
    return await _do(request, person, number, command, _("Your plan is paused. Nothing is due until you go on."))


@router.post("/plan/{number}/{plan_id}/resume")
async def resume(request: Request, number: Number, plan_id: Number, person: Person) -> Response:
    """Let a paused plan go on."""
    command = ResumePlan(plan_id=plan_id, account_number=number)
    return await _do(request, person, number, command, _("Your plan goes on."))


@router.post("/plan/{number}/{plan_id}/cancel")
async def cancel(request: Request, number: Number, plan_id: Number, person: Person) -> Response:
    """End a plan; what is left of it is owed as before."""
    command = CancelPlan(plan_id=plan_id, account_number=number)
    return await _do(request, person, number, command, _("Your plan has ended."))


async def _do(request: Request, person: PersonAtPage, number: str, command: Command, done: str) -> Response:
    account = await account_of(person, number)
    outcome = await person.ask(command, subject=number, own=is_own(account))
    tell(request, outcome, "payments", done)
    return _to_plan(number)


def _to_plan(number: str) -> Response:
    return RedirectResponse(f"/billing/{segment(number)}/plan", HTTPStatus.SEE_OTHER)


_AT: Final = {
    "authorization_missing": "authorized",
    "instalment_too_small": "monthly",
    "method_missing": "method",
    "plan_too_long": "monthly",
}


def _refused(reason: str) -> TermsError:
    return TermsError(_AT.get(reason, ""), refusal("payments", reason))


def _asked(request: Request, account: Json, form: PlanForm, plan: Json | None) -> Json:
    """Return what a command asks for; `plan` is the one that is changed.

    Raises:
        TermsError: the monthly amount is none, or autopay has no method or is not allowed.
    """
    try:
        monthly_amount_minor = typed_amount(form.monthly, account["currency"])
    except AmountError as error:
        raise TermsError("monthly", str(error)) from error
    asked: Json = {
        "plan_id": form.plan_id,
        "account_number": account["account_number"],
        "monthly_amount_minor": monthly_amount_minor,
        "currency": account["currency"],
        "day_of_month": form.day,
    }
    if form.autopay and form.method != KEEP:
        try:
            asked |= form.chosen()
        except LookupError as error:
            raise _refused("method_missing") from error
    # Payments asks for it of bank accounts alone; nobody's card is charged either without having allowed it.
    goes_on = plan is not None and plan["autopay"] and form.method == KEEP
    if form.autopay and not form.authorized and not goes_on:
        raise _refused("authorization_missing")
    if form.autopay and form.authorized:
        accepted_at = request.app.state.clock.now()
        asked["authorization"] = {"text_version": AUTHORIZATION_VERSION, "accepted_at": accepted_at}
    return asked


def _plan(account: Json, plan_id: str) -> Json:
    for plan in account["plans"]:
        if plan["plan_id"] == plan_id:
            return dict(plan)
    raise not_found()


async def _quote(
    person: PersonAtPage, account: Json, terms: Terms, plan_id: str, months: int = _MONTHS_AT_FIRST
) -> tuple[Json | None, str | None]:
    """Return the quote of a new plan, or of a plan as it would be changed; or why there is none.

    As long as no amount was typed, it is for so many months.
    """
    asked: Json = {"account_number": account["account_number"], "day_of_month": terms.day}
    if plan_id:
        asked["plan_id"] = plan_id
    try:
        if terms.monthly:
            asked["monthly_amount_minor"] = typed_amount(terms.monthly, account["currency"])
        else:
            asked["months"] = months
        return await person.post("payments", "/v1/plan-quotes", asked), None
    except AmountError as error:
        return None, str(error)
    except ServiceProblem as problem:
        if problem.status not in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise
        return None, refusal("payments", problem.reason)


async def _page(
    request: Request,
    person: PersonAtPage,
    account: Json,
    terms: Terms,
    *,
    plan: Json | None,
    fault: TermsError | None = None,
) -> Response:
    number = account["account_number"]
    changed = plan["plan_id"] if plan else ""
    (told, of_quote), methods = await asyncio.gather(
        _quote(person, account, terms, changed),
        person.get("payments", f"/v1/accounts/{segment(number)}/methods"),
    )
    if not terms.monthly and told is None:
        # Half a year may be below the smallest instalment: then the smallest plan there is.
        once, _of_once = await _quote(person, account, terms, changed, months=1)
        if once:
            least = written_amount(once["limits"]["monthly_min_minor"], once["currency"])
            terms = terms.model_copy(update={"monthly": least})
            told, of_quote = await _quote(person, account, terms, changed)
    values: dict[str, Any] = {
        "account": account,
        "terms": terms,
        "wish": terms if isinstance(terms, Wish) else Wish(method=KEEP if plan and plan["method"] else ""),
        "plan": plan,
        "plan_id": changed or getattr(terms, "plan_id", None) or new_id("plan"),
        "quote": told,
        "fault": of_quote,
        "faults": {fault.field: fault.why} if fault else {},
        "keep": KEEP,
        "methods": methods,
        "processor": request.app.state.settings.processor_js_url,
        "written": written_amount,
        "digits": digits(account["currency"]),
    }
    return render(
        request, "plan/terms.html", HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK, **values
    )
