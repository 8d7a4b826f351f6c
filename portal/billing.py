"""The bills: all guarantor accounts, and one account with its visits, payments, statements and plan."""

import asyncio
from typing import Annotated, Any

from fastapi import Path, Request
from fastapi.responses import Response

from portal.answers import names_to_tell_apart, preferences_of
from portal.calls import aside
from portal.guarding import page_router
from portal.rendering import render
from portal.visitors import Person, PersonAtPage
from shared.paths import segment

Json = dict[str, Any]
Number = Annotated[str, Path(max_length=128)]

router = page_router()


@router.get("/billing")
async def summary(request: Request, person: Person) -> Response:
    """Show a card for each account."""
    told, paperless, names = await asyncio.gather(
        person.get("payments", "/v1/billing-summary"), _paperless(person), names_to_tell_apart(person)
    )
    return render(request, "billing/summary.html", accounts=told["accounts"], paperless=paperless, names=names)


@router.get("/billing/{number}")
async def visits(request: Request, number: Number, person: Person) -> Response:
    """Show what each visit cost, who paid what of it, and what is left."""
    return await _tab(request, person, number, "visits", names=await names_to_tell_apart(person))


@router.get("/billing/{number}/payments")
async def payments(request: Request, number: Number, person: Person, after: str | None = None) -> Response:
    """Show the payments, newest first."""
    page = {"limit": 20} | ({"after": after} if after else {})
    found = await person.get("payments", f"/v1/accounts/{segment(number)}/payments", **page)
    return await _tab(request, person, number, "payments", payments=found["items"], following=found["next"])


@router.get("/billing/{number}/statements")
async def statements(request: Request, number: Number, person: Person) -> Response:
    """Show the statements, newest first, each as a PDF."""
    found = await person.get("payments", f"/v1/accounts/{segment(number)}/statements")
    return await _tab(request, person, number, "statements", statements=found)


@router.get("/billing/{number}/plan")
async def plan(request: Request, number: Number, person: Person) -> Response:
    """Show the payment plans and how far they are."""
    found = await person.get("payments", f"/v1/accounts/{segment(number)}/plans")
    return await _tab(request, person, number, "plan", plans=found)


@router.get("/statements/{statement_id}.pdf")
async def statement(statement_id: Number, person: Person) -> Response:
    """Hand a statement on as it was issued."""
    return await _pdf(person, f"/v1/statements/{segment(statement_id)}.pdf", f"statement-{statement_id}.pdf")


@router.get("/payments/{payment_id}/receipt.pdf")
async def receipt(payment_id: Number, person: Person) -> Response:
    """Hand a receipt on."""
    return await _pdf(person, f"/v1/payments/{segment(payment_id)}/receipt.pdf", f"receipt-{payment_id}.pdf")


async def account_of(person: PersonAtPage, number: str) -> Json:
    """Return an account of the person's; it is not found when it is somebody else's."""
    found: Json = await person.get("payments", f"/v1/accounts/{segment(number)}")
    return found


def is_own(account: Json) -> bool:
    """Tell whether the person answers for the account, or acts for who does."""
    return bool(account["relationship"] == "guarantor")


async def _paperless(person: PersonAtPage) -> dict[str, Json] | None:
    """Return how the person gets each account's statements; nothing while nobody knows."""
    told = await aside(preferences_of(person))
    return None if told is None else {account["account_number"]: account for account in told["accounts"]}


async def _tab(request: Request, person: PersonAtPage, number: str, tab: str, **values: Any) -> Response:
    account = await account_of(person, number)
    return render(request, f"billing/{tab}.html", account=account, tab=tab, **values)


async def _pdf(person: PersonAtPage, path: str, name: str) -> Response:
    answer = await person.call("GET", "payments", path)
    return Response(
        answer.body,
        media_type="application/pdf",
        headers={"content-disposition": f"inline; filename*=UTF-8''{segment(name)}"},
    )
