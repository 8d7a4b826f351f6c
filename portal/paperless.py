"""Paperless: statements on the portal instead of in the mail, by consent to a text, with alerts where wished."""

from http import HTTPStatus
from operator import itemgetter
from typing import Annotated, Any, Final

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from portal import language
from portal.answers import preferences_of
from portal.billing import Number, account_of
from portal.commands import new_id
from portal.guarding import page_router
from portal.language import _
from portal.notices import tell
from portal.refusals import refusal
from portal.rendering import render
from portal.visitors import Person, PersonAtPage
from shared.events.notifications import Alerts, Consent, EnrolPaperless

router = page_router("/paperless")

_AT: Final = {"consent_missing": "accepted", "consent_stale": "accepted"}


@router.get("/{number}")
async def begin(request: Request, number: Number, person: Person) -> Response:
    """Show the contacts and the text to agree to."""
    return await _page(request, person, number)


@router.post("/{number}")
async def sign_up(
    request: Request,
    number: Number,
    person: Person,
    text_version: Annotated[str, Form(max_length=80)],
    email: Annotated[str, Form()] = "",
    text: Annotated[str, Form()] = "",
    accepted: Annotated[bool, Form()] = False,
) -> Response:
    """Sign up, with the consent that was given to the text that was shown."""
    command = EnrolPaperless(
        person_id=person.id,
        account_number=number,
        alerts=Alerts(email=email or None, text=text or None),
        consent=Consent(accepted=accepted, text_version=text_version),
    )
    outcome = await person.ask(command, subject=person.id)
    if outcome.state == "refused":
        faults = {_AT.get(outcome.reason, "all"): refusal("notifications", outcome.reason)}
        return await _page(request, person, number, faults, command)
    tell(request, outcome, "notifications", _("You are signed up. Your next statement comes without paper."))
    return RedirectResponse("/billing", HTTPStatus.SEE_OTHER)


async def _page(
    request: Request,
    person: PersonAtPage,
    number: str,
    faults: dict[str, str] | None = None,
    typed: EnrolPaperless | None = None,
) -> Response:
    account = await account_of(person, number)
    preferences = await preferences_of(person)
    consent = await person.get("notifications", "/v1/consent-texts/current", language=language.spoken())
    present = next((one for one in preferences["accounts"] if one["account_number"] == number), None)
    return render(
        request,
        "settings/paperless.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        account=account,
        present=present,
        contacts=preferences["contacts"],
        chosen=typed.alerts.model_dump() if typed else _chosen(preferences["contacts"], present),
        consent=consent,
        accepted=typed is not None and typed.consent.accepted,
        contact_id=new_id("contact"),
        faults=faults or {},
    )


def _chosen(contacts: list[dict[str, Any]], present: dict[str, Any] | None) -> dict[str, str | None]:
    """Return by channel the contact that alerts go to; for who is not enrolled, the one confirmed last."""
    if present is not None and present["paperless"]:
        alerts: dict[str, str | None] = present["alerts"]
        return alerts
    verified = [one for one in contacts if one["status"] == "verified"]
    return {one["channel"]: one["contact_id"] for one in sorted(verified, key=itemgetter("verified_at"))}
