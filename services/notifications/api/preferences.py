"""What notifications shows over HTTP: a person's contacts and enrolments, and the texts to consent to."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from services.notifications import reads
from services.notifications.domain.address import mask
from services.notifications.domain.contacts import BETWEEN_CODES, CODE_LIFETIME
from services.notifications.domain.person import Contact, ContactStatus, Enrolment
from services.notifications.wording import CONSENT_TEXTS, ConsentText, current_text
from shared.auth import Caller, anyone, person
from shared.events.notifications import Alerts, Channel
from shared.problems import Problem
from shared.routes import ThePool

router = APIRouter(prefix="/v1", tags=["notifications"])


class ContactView(BaseModel):
    """A contact, as far as its owner needs to see it."""

    contact_id: str
    channel: Channel
    address: str = Field(description="masked")
    status: ContactStatus = Field(description="alerts go to `verified` ones alone")
    reason: str | None = Field(description="why it is refused or stopped")
    code_expires_at: datetime | None = Field(description="until when the code sent last can be typed")
    code_sent_at: datetime | None = Field(description="when a code was sent last")
    resend_from: datetime | None = Field(description="from when another code can be asked for")
    verified_at: datetime | None
    refused_at: datetime | None = Field(description="since when nothing gets there, if it is refused")


class PaperlessView(BaseModel):
    """A guarantor account that the person may see, and whether its statements come to them without paper."""

    account_number: str
    paperless: bool
    alerts: Alerts = Field(description="the contacts that hear of a new statement")
    text_version: str | None = Field(description="of the text that was consented to")
    since: datetime | None
    ended_at: datetime | None
    ended_reason: str | None
    health: Literal["ok", "no_alerts", "unhealthy"] | None = Field(
        description="`unhealthy`: no alert gets through, so statements come on paper until a contact is confirmed"
    )


class Preferences(BaseModel):
    """All that a person can choose."""

    person_id: str
    contacts: list[ContactView]
    accounts: list[PaperlessView]


class ConsentTextView(BaseModel):
    """A text to consent to; its version names its language too."""

    version: str
    language: str
    text: str
    sha256: str


Person = Annotated[Caller, Depends(person)]
Version = Annotated[str, Path(max_length=80)]
Language = Annotated[str, Query(max_length=35, description="as in `en` or `es-MX`; English for all others")]


@router.get("/preferences")
async def preferences(caller: Person, pool: ThePool) -> Preferences:
    """Show the person's contacts and accounts; nothing for somebody who is not known."""
    person_id = caller.on_behalf_of or ""
    contacts, enrolments, numbers = await reads.preferences(pool, person_id)
    by_id = {contact.contact_id: contact for contact in contacts}
    return Preferences(
        person_id=person_id,
        contacts=[_contact_view(contact) for contact in contacts],
        accounts=[_paperless_view(number, enrolments.get(number), by_id) for number in numbers],
    )


@router.get("/consent-texts/current", dependencies=[Depends(anyone)])
async def current_consent_text(language: Language = "en") -> ConsentTextView:
    """Show the text that may be consented to now."""
    return _text_view(current_text(language))


@router.get("/consent-texts/{version}", dependencies=[Depends(anyone)])
async def consent_text(version: Version) -> ConsentTextView:
    """Show any text that somebody may have consented to."""
    if version not in CONSENT_TEXTS:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such text.", reason="not_found")
    return _text_view(CONSENT_TEXTS[version])


def _contact_view(contact: Contact) -> ContactView:
    waits = contact.status != "verified"
    return ContactView(
        contact_id=contact.contact_id,
        channel=contact.channel,
        address=mask(contact.channel, contact.address or ""),
        status=contact.status,
        reason=contact.reason,
        code_expires_at=contact.code.sent_at + CODE_LIFETIME if waits else None,
        code_sent_at=contact.code.sent_at if waits else None,
        resend_from=contact.code.sent_at + BETWEEN_CODES if waits else None,
        verified_at=contact.verified_at,
        refused_at=contact.refused_at if contact.status == "refused" else None,
    )


def _paperless_view(number: str, enrolment: Enrolment | None, contacts: dict[str, Contact]) -> PaperlessView:
    in_force = enrolment is not None and enrolment.in_force
    return PaperlessView(
        account_number=number,
        paperless=in_force,
        alerts=enrolment.alerts if enrolment else Alerts(),
        text_version=enrolment.text_version if enrolment else None,
        since=enrolment.consented_at if enrolment else None,
        ended_at=enrolment.ended_at if enrolment else None,
        ended_reason=enrolment.ended_reason if enrolment else None,
        health=_health(enrolment, contacts) if enrolment and in_force else None,
    )


def _health(enrolment: Enrolment, contacts: dict[str, Contact]) -> Literal["ok", "no_alerts", "unhealthy"]:
    chosen = [one for one in (enrolment.alerts.email, enrolment.alerts.text) if one is not None]
    if not chosen:
        return "no_alerts"
    return "ok" if any(one in contacts and contacts[one].status == "verified" for one in chosen) else "unhealthy"


def _text_view(text: ConsentText) -> ConsentTextView:
    return ConsentTextView(version=text.version, language=text.language, text=text.text, sha256=text.sha256)
