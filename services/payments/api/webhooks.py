"""The processor's webhooks: taken only with its signature, and only as a reason to ask it how things stand."""

import hashlib
import hmac
import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, ValidationError

from services.payments import reads
from services.payments.api.callers import TheSettings, or_refused
from services.payments.domain.webhook import HearProcessor
from shared.auth import public
from shared.events.envelope import Id
from shared.events.vocabulary import Code
from shared.problems import Problem
from shared.routes import Now, TheAsk, ThePool

router = APIRouter(prefix="/v1/processor", tags=["processor"], dependencies=[Depends(public)])

_SIGNATURE: Final = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
_AGE_S_MAX: Final = 300
_ACTOR: Final = "service:processor"

log = structlog.get_logger(__name__)


class Told(BaseModel):
    """What the processor says; more of it is not believed."""

    event_id: Id
    type: Code
    payment_id: Id


@router.post("/webhooks", status_code=HTTPStatus.NO_CONTENT, response_class=Response)
async def hear(
    request: Request,
    pool: ThePool,
    now: Now,
    ask: TheAsk,
    own: TheSettings,
    processor_signature: Annotated[str, Header(max_length=200)] = "",
) -> None:
    """Take up an event of the processor, once; it sends an event again until it is taken."""
    body = await request.body()
    secret = own.processor_secret.get_secret_value()
    if not _genuine(secret, processor_signature, body, now):
        raise Problem(
            HTTPStatus.BAD_REQUEST, "The signature is not right, or too old.", reason="signature_invalid"
        )
    try:
        told = Told.model_validate_json(body)
    except ValidationError:
        raise Problem(HTTPStatus.BAD_REQUEST, "This is no event.", reason="invalid_data") from None
    number = await reads.account_of_payment(pool, told.payment_id)
    if number is None:
        # Another system's charge, perhaps: a settlement shows what is really lacking here.
        log.warning("the processor told of a payment that is not known", kind=told.type)
        return
    command = HearProcessor(
        event_id=told.event_id, account_number=number, payment_id=told.payment_id, kind=told.type
    )
    or_refused(await ask(command, number, _ACTOR))


def _genuine(secret: str, signature: str, body: bytes, now: datetime) -> bool:
    """Tell whether a body was signed with the secret, and lately: `t=UNIX_SECONDS,v1=HEX` over `t.body`."""
    found = _SIGNATURE.fullmatch(signature)
    if found is None:
        return False
    expected = hmac.new(secret.encode(), found[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    recent = abs(now.timestamp() - int(found[1])) <= _AGE_S_MAX
    return hmac.compare_digest(expected, found[2]) and recent
