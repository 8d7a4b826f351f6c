"""The processor's webhooks: taken only with its signature, and only as a reason to ask it how things stand."""

from http import HTTPStatus
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Header, Request, Response

from services.payments import reads
from services.payments.adapters.processor import Told, told_by_webhook
from services.payments.api.callers import TheSettings, or_refused
from services.payments.domain.webhook import HearProcessor
from shared.auth import public
from shared.problems import Problem
from shared.routes import Now, TheAsk, ThePool, body_of

router = APIRouter(prefix="/v1/processor", tags=["processor"], dependencies=[Depends(public)])

Signature = Annotated[
    str, Header(max_length=200, description="`t=SECONDS,v1=HEX`, HMAC-SHA256 of `t.body`, made lately")
]

_ACTOR: Final = "service:processor"
_WHY_NOT: Final = {
    "signature_invalid": "The signature is not right, or too old.",
    "invalid_data": "This is no event.",
}

log = structlog.get_logger(__name__)


@router.post(
    "/webhooks",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    openapi_extra=body_of("application/json", Told.model_json_schema()),
)
async def hear(
    request: Request,
    pool: ThePool,
    now: Now,
    ask: TheAsk,
    own: TheSettings,
    processor_signature: Signature = "",
) -> None:
    """Take up an event of the processor, once; it sends an event again until it is taken."""
    secret = own.processor_secret.get_secret_value()
    told = told_by_webhook(secret, processor_signature, await request.body(), now)
    if isinstance(told, str):
        raise Problem(HTTPStatus.BAD_REQUEST, _WHY_NOT[told], reason=told)
    number = await reads.account_of_payment(pool, told.payment_id)
    if number is None:
        # Another system's charge, perhaps: a settlement shows what is really lacking here.
        log.warning("the processor told of a payment that is not known", kind=told.type)
        return
    command = HearProcessor(
        event_id=told.event_id, account_number=number, payment_id=told.payment_id, about=told.about
    )
    or_refused(await ask(command, number, _ACTOR))
