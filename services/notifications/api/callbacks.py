"""What providers and readers of alerts tell over HTTP: receipts, texted words, and links to unsubscribe.

Nobody of them logs in. Providers sign what they tell, a link is signed by us; what is not is 401, or not found.
"""

from http import HTTPStatus
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import HTMLResponse, Response
from itsdangerous import BadSignature
from starlette.datastructures import FormData

from services.notifications import reads
from services.notifications.adapters import mail, texts
from services.notifications.adapters.signatures import carrier_signed
from services.notifications.domain.internal import Unsubscribe
from services.notifications.hearing import Hearing
from services.notifications.settings import Settings
from services.notifications.wording import language_of, wording
from shared.auth import public
from shared.database import Pool
from shared.events.notifications import CommandRefused
from shared.problems import Problem
from shared.routes import TheAsk, ThePool, body_of, own_settings

router = APIRouter(prefix="/v1", tags=["callbacks"], dependencies=[Depends(public)])

_PAGE_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    )
}

# These bodies are read whole, for their signatures.
_FORM: Final = body_of("application/x-www-form-urlencoded", {"type": "object"})
_EVENTS: Final = body_of("application/json", {"type": "array", "items": {"type": "object"}})

Own = Annotated[Settings, Depends(own_settings)]
Reference = Annotated[
    str, Query(min_length=1, max_length=128, pattern=r"^[\w.-]+$", description="what we called the text")
]
Token = Annotated[str, Path(max_length=500)]
CarrierSignature = Annotated[str, Header(description="as Twilio signs: HMAC-SHA1 of the URL and the form")]
MailSignature = Annotated[str, Header(description="`t=SECONDS,v1=HEX`, HMAC-SHA256 of `t.body`")]


async def _hearing(pool: ThePool, ask: TheAsk, own: Own) -> Hearing:
    return Hearing(pool, ask, own.rules())


TheHearing = Annotated[Hearing, Depends(_hearing)]


class Reader(NamedTuple):
    """Whose alert a link was in, and the contact that it went to."""

    person_id: str
    contact_id: str


async def _reader(token: Token, pool: ThePool, own: Own) -> Reader:
    """Return who reads the alert that a link was in.

    Raises:
        Problem: 404, the link is none of ours.
    """
    try:
        alert_id = own.links().signer.loads(token)
    except BadSignature:
        raise _no_link() from None
    alert = await reads.alert_of(pool, alert_id)
    if alert is None:
        raise _no_link()
    return Reader(alert[1], alert[2])


TheReader = Annotated[Reader, Depends(_reader)]


async def _signed_form(request: Request, own: Own, x_twilio_signature: CarrierSignature = "") -> FormData:
    """Return the form that the carrier sent.

    Raises:
        Problem: 401, it is not signed by the carrier, or the carrier speaks SMPP and calls nobody.
    """
    form = await request.form()
    query = f"?{request.url.query}" if request.url.query else ""
    url = f"{str(own.public_url).rstrip('/')}{request.url.path}{query}"
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    if own.smpp or not carrier_signed(own.sms_secret.get_secret_value(), url, fields, x_twilio_signature):
        raise _unsigned()
    return form


SignedForm = Annotated[FormData, Depends(_signed_form)]


@router.post("/sms/receipts", status_code=HTTPStatus.NO_CONTENT, openapi_extra=_FORM)
async def text_receipt(reference: Reference, form: SignedForm, hearing: TheHearing) -> None:
    """Hear from the carrier what became of a text; statuses on the way there are no news."""
    status = texts.receipt(form)
    if status is not None and not await hearing.receipt(reference, status):
        raise Problem(HTTPStatus.NOT_FOUND, "We sent no such message.", reason="not_found")


class _NoAnswer(Response):
    media_type = "application/xml"


@router.post("/sms/inbound", response_class=_NoAnswer, openapi_extra=_FORM)
async def inbound_text(form: SignedForm, hearing: TheHearing) -> _NoAnswer:
    """Hear what somebody texted: STOP, START and HELP in their variants; all else is nothing to us."""
    await hearing.text(*texts.inbound(form))
    return _NoAnswer(texts.NO_ANSWER)


@router.post("/email/events", status_code=HTTPStatus.NO_CONTENT, openapi_extra=_EVENTS)
async def mail_events(request: Request, own: Own, hearing: TheHearing, mail_signature: MailSignature = "") -> None:
    """Hear from the mail service what became of mails; mails of others, and other kinds of events, are no news."""
    told = mail.receipts(own.email_secret.get_secret_value(), mail_signature, await request.body())
    if told == "signature_invalid":
        raise _unsigned()
    if told == "invalid_data":
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "These are no events.", reason="invalid_data")
    for reference, status in told:
        await hearing.receipt(reference, status)


@router.get("/unsubscribe/{token}", response_class=HTMLResponse)  # noqa: FAST003  # `_reader` takes it
async def unsubscribe_page(reader: TheReader, pool: ThePool) -> HTMLResponse:
    """Show a page with a button; nothing is changed."""
    return await _page(pool, reader.person_id, "unsubscribe")


@router.post("/unsubscribe/{token}", response_class=HTMLResponse)  # noqa: FAST003  # `_reader` takes it
async def unsubscribe(reader: TheReader, pool: ThePool, ask: TheAsk) -> HTMLResponse:
    """Send no more alerts to the contact that the alert went to (RFC 8058); again, it is so already."""
    asked = Unsubscribe(person_id=reader.person_id, contact_id=reader.contact_id)
    if isinstance(await ask(asked, reader.person_id, "guest"), CommandRefused):
        raise _no_link()
    return await _page(pool, reader.person_id, "unsubscribed")


async def _page(pool: Pool, person_id: str, name: str) -> HTMLResponse:
    language = language_of((await reads.whereabouts(pool, person_id)).language)
    return HTMLResponse(wording().page(language, name), headers=_PAGE_HEADERS)


def _no_link() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "This link is not one of ours.", reason="not_found")


def _unsigned() -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, "This call is not signed as agreed.", reason="signature_invalid")
