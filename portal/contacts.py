"""Settings: where the person can be reached, what they are told there, and their saved ways to pay."""

import asyncio
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from portal.answers import preferences_of
from portal.billing import Number, account_of, is_own
from portal.calls import aside
from portal.commands import new_id
from portal.guarding import local_path, not_found, page_router
from portal.language import _
from portal.notices import tell
from portal.refusals import refusal
from portal.rendering import render
from portal.visitors import Person, PersonAtPage
from shared.events.envelope import Command
from shared.events.notifications import (
    AddContact,
    Channel,
    ConfirmContact,
    EndPaperless,
    RemoveContact,
    ResendCode,
)
from shared.events.payments import RemoveMethod
from shared.paths import segment

router = page_router("/settings")

Back = Annotated[str, Form(max_length=300)]


@router.get("")
async def settings(request: Request, person: Person) -> Response:
    """Show contacts, alerts and saved methods."""
    return await _page(request, person)


@router.post("/contacts")
async def add(
    request: Request,
    person: Person,
    contact_id: Annotated[str, Form()],
    channel: Annotated[Channel, Form()],
    address: Annotated[str, Form(max_length=320)] = "",
    back: Back = "/settings",
) -> Response:
    """Add an email address or a phone number; a code goes there."""
    if not address.strip():
        return await _page(
            request, person, typed={"channel": channel}, fault=refusal("notifications", "address_invalid")
        )
    command = AddContact(contact_id=contact_id, person_id=person.id, channel=channel, address=address.strip())
    outcome = await person.ask(command, subject=person.id)
    if outcome.state == "refused":
        typed = {"channel": channel, "address": address}
        return await _page(request, person, typed=typed, fault=refusal("notifications", outcome.reason))
    if outcome.state == "pending":
        tell(request, outcome, "notifications", _("We sent you a code."))
        return _to("/settings")
    return _to(f"/settings/contacts/{segment(contact_id)}?back={segment(local_path(back))}")


@router.get("/contacts/{contact_id}")
async def ask_code(request: Request, contact_id: Number, person: Person, back: str = "/settings") -> Response:
    """Ask for the code that was sent."""
    return await _code_page(request, person, contact_id, back)


@router.post("/contacts/{contact_id}")
async def confirm(
    request: Request,
    contact_id: Number,
    person: Person,
    code: Annotated[str, Form(max_length=20)] = "",
    back: Back = "/settings",
) -> Response:
    """Bring the code."""
    digits = "".join(filter(str.isdigit, code))
    if not digits:
        return await _code_page(request, person, contact_id, back, fault=refusal("notifications", "code_wrong"))
    command = ConfirmContact(contact_id=contact_id, person_id=person.id, code=digits)
    outcome = await person.ask(command, subject=person.id)
    if outcome.state == "refused":
        return await _code_page(request, person, contact_id, back, fault=refusal("notifications", outcome.reason))
    tell(request, outcome, "notifications", _("Confirmed. We can reach you there now."))
    return _to(local_path(back))


@router.post("/contacts/{contact_id}/resend")
async def resend(request: Request, contact_id: Number, person: Person, back: Back = "/settings") -> Response:
    """Send another code."""
    outcome = await person.ask(ResendCode(contact_id=contact_id, person_id=person.id), subject=person.id)
    tell(request, outcome, "notifications", _("We sent you a new code."))
    return _to(f"/settings/contacts/{segment(contact_id)}?back={segment(local_path(back))}")


@router.post("/contacts/{contact_id}/remove")
async def remove(request: Request, contact_id: Number, person: Person) -> Response:
    """Forget a contact."""
    command = RemoveContact(contact_id=contact_id, person_id=person.id)
    return await _do(request, person, command, _("The contact is removed."))


@router.post("/paperless/{number}/end")
async def end_paperless(request: Request, number: Number, person: Person) -> Response:
    """Have statements on paper again."""
    command = EndPaperless(person_id=person.id, account_number=number)
    return await _do(request, person, command, _("Your statements will come on paper again."))


@router.post("/methods/{number}/{method_id}/remove")
async def remove_method(request: Request, number: Number, method_id: Number, person: Person) -> Response:
    """Forget a saved card or bank account."""
    account = await account_of(person, number)
    command = RemoveMethod(account_number=number, method_id=method_id)
    outcome = await person.ask(command, subject=number, own=is_own(account))
    tell(request, outcome, "payments", _("It is removed."))
    return _to("/settings")


async def _do(request: Request, person: PersonAtPage, command: Command, done: str) -> Response:
    outcome = await person.ask(command, subject=person.id)
    tell(request, outcome, "notifications", done)
    return _to("/settings")


def _to(address: str) -> Response:
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


async def _page(
    request: Request, person: PersonAtPage, typed: dict[str, str] | None = None, fault: str = ""
) -> Response:
    preferences, accounts = await asyncio.gather(preferences_of(person), aside(_accounts(person)))
    return render(
        request,
        "settings/settings.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK,
        preferences=preferences,
        accounts=accounts,
        typed=typed or {},
        fault=fault,
        contact_id=new_id("contact"),
    )


async def _code_page(
    request: Request, person: PersonAtPage, contact_id: str, back: str, fault: str = ""
) -> Response:
    contacts = (await preferences_of(person))["contacts"]
    contact = next((one for one in contacts if one["contact_id"] == contact_id), None)
    if contact is None:
        raise not_found()
    now = request.app.state.clock.now()
    return render(
        request,
        "settings/code.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK,
        contact=contact,
        expired=contact["status"] == "pending" and datetime.fromisoformat(contact["code_expires_at"]) <= now,
        stopped=refusal("notifications", "texts_stopped"),
        back=local_path(back),
        fault=fault,
    )


async def _accounts(person: PersonAtPage) -> list[dict[str, Any]]:
    """Return the accounts with the saved methods of each."""
    accounts: list[dict[str, Any]] = (await person.get("payments", "/v1/billing-summary"))["accounts"]
    numbers = [segment(account["account_number"]) for account in accounts]
    methods = await asyncio.gather(
        *(person.get("payments", f"/v1/accounts/{number}/methods") for number in numbers)
    )
    return [account | {"methods": saved} for account, saved in zip(accounts, methods, strict=True)]
