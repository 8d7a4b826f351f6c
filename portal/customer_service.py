"""Contact customer service: a message about an account or a statement, which the inbox routes."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from portal.answers import check_about, patients_of
from portal.billing import Number, account_of
from portal.commands import new_id
from portal.guarding import page_router
from portal.language import _
from portal.notices import tell
from portal.refusals import refusal
from portal.rendering import render
from portal.visitors import Person, PersonAtPage
from shared.events.inbox import SendMessage
from shared.events.vocabulary import About
from shared.paths import segment

router = page_router("/contact")


@router.get("/{number}")
async def begin(request: Request, number: Number, person: Person, statement: str = "") -> Response:
    """Ask what the message is."""
    return await _page(request, person, number, {"statement_id": statement})


@router.post("/{number}")
async def send(
    request: Request,
    number: Number,
    person: Person,
    message_id: Annotated[str, Form(max_length=128)],
    category: Annotated[Literal["billing-question", "customer-service"], Form()] = "billing-question",
    patient_id: Annotated[str, Form(max_length=128)] = "",
    subject: Annotated[str, Form(max_length=300)] = "",
    body: Annotated[str, Form(max_length=20_000)] = "",
    statement_id: Annotated[str, Form(max_length=128)] = "",
) -> Response:
    """Send it; a second click sends the same message."""
    typed = {"category": category, "patient_id": patient_id, "subject": subject, "body": body}
    typed |= {"statement_id": statement_id, "message_id": message_id}
    await check_about(person, number, statement_id)
    patients = {one.patient_id: one for one in await patients_of(person, "inbox")}
    faults = {}
    if patient_id not in patients:
        faults["patient_id"] = _("Please say for whom you write.")
    if not subject.strip():
        faults["subject"] = _("Please say in a few words what it is about.")
    if not body.strip():
        faults["body"] = _("Please write your question.")
    if faults:
        return await _page(request, person, number, typed, faults)
    command = SendMessage(
        message_id=message_id,
        patient_id=patient_id,
        kind="non-medical",
        category=category,
        subject=subject.strip(),
        body=body.replace("\r\n", "\n").strip(),
        about=About(account_number=number, statement_id=statement_id or None),
    )
    outcome = await person.ask(command, subject=patient_id, own=patients[patient_id].own)
    if outcome.state == "refused":
        return await _page(request, person, number, typed, {"all": refusal("inbox", outcome.reason)})
    done = _("Your message is on its way to our billing office. You find the answer under Messages.")
    tell(request, outcome, "inbox", done, message_id)
    thread_id = outcome.data.get("thread_id")
    return RedirectResponse(f"/messages/{segment(thread_id)}" if thread_id else "/messages", HTTPStatus.SEE_OTHER)


async def _page(
    request: Request,
    person: PersonAtPage,
    number: str,
    typed: dict[str, Any],
    faults: dict[str, str] | None = None,
) -> Response:
    return render(
        request,
        "contact.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        account=await account_of(person, number),
        patients=await patients_of(person, "inbox"),
        typed={"message_id": new_id("message")} | typed,
        faults=faults or {},
    )
