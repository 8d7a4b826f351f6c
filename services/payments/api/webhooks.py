"""The processor's webhooks: taken only with its signature, and only as a reason to ask it how things stand."""

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
from shared.signatures import signed_at

router = APIRouter(prefix="/v1/processor", tags=["processor"], dependencies=[Depends(public)])

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
    sent_at = signed_at(own.processor_secret.get_secret_value(), processor_signature, body)
    if sent_at is None or abs(now.timestamp() - sent_at) > _AGE_S_MAX:
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
