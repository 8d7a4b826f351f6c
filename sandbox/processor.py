"""The card and bank processor's HTTP face: charges, refunds, and what tests may ask and set.

`sandbox.tokens` says what a charge does, `sandbox.ledger` remembers it; here is only how a call is answered.
Merchants prove themselves with the secret as a bearer token; the truth for tests and the behaviour are open.
"""

import asyncio
import hmac
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel

from sandbox.clock import TheClock
from sandbox.ledger import (
    Charge,
    ChargeOrder,
    DisputeStatus,
    HappenedCharge,
    Ledger,
    Refund,
    RefundOrder,
    Refusal,
    RefusedError,
)
from sandbox.tokens import SLOW_S, token
from sandbox.webhooks import Mode, Webhooks
from shared.problems import Problem

HANG_S = 120

STATUSES: dict[Refusal, HTTPStatus] = {
    "idempotency_conflict": HTTPStatus.CONFLICT,
    "not_found": HTTPStatus.NOT_FOUND,
    "not_refundable": HTTPStatus.CONFLICT,
    "not_disputed": HTTPStatus.CONFLICT,
    "amount_exceeds_charge": HTTPStatus.UNPROCESSABLE_ENTITY,
}


class Behaviour(BaseModel):
    """How the processor sends its webhooks; `on` again after a restart."""

    webhooks: Mode


class Dispute(BaseModel):
    """How a dispute stands now."""

    status: DisputeStatus


async def _ledger(request: Request) -> Ledger:
    ledger: Ledger = request.app.state.ledger
    return ledger


async def _webhooks(request: Request) -> Webhooks:
    webhooks: Webhooks = request.app.state.webhooks
    return webhooks


async def _merchant(request: Request, authorization: Annotated[str, Header()] = "") -> None:
    secret: str = request.app.state.processor_secret
    if not hmac.compare_digest(authorization.encode(), f"Bearer {secret}".encode()):
        raise Problem(HTTPStatus.UNAUTHORIZED, "The processor wants its secret as a bearer token.")


TheLedger = Annotated[Ledger, Depends(_ledger)]
IdempotencyKey = Annotated[str, Header(min_length=1, max_length=255)]
T = TypeVar("T")

router = APIRouter(prefix="/processor", tags=["processor"])
merchants_only = [Depends(_merchant)]


@router.post("/charges", dependencies=merchants_only)
async def create_charge(
    order: ChargeOrder, idempotency_key: IdempotencyKey, request: Request, ledger: TheLedger, clock: TheClock
) -> Charge:
    """Charge once for each `Idempotency-Key`; the token chooses what happens and how the call ends."""
    does = token(order.method.token)
    if not does.received:
        await _never_answer(request)
    try:
        charge = ledger.charge(idempotency_key, order, clock.now())
    except RefusedError as error:
        raise _refused(error) from error
    if does.answer == "slowly":
        await asyncio.sleep(SLOW_S)
    elif does.answer == "never":
        await _never_answer(request)
    elif does.answer == "with an error":
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The processor failed.")
    return charge


@router.post("/charges/{charge_id}/refunds", dependencies=merchants_only)
async def create_refund(
    charge_id: str, order: RefundOrder, idempotency_key: IdempotencyKey, ledger: TheLedger, clock: TheClock
) -> Refund:
    """Give back a charge or a part of it, once for each `Idempotency-Key`."""
    try:
        return ledger.refund(idempotency_key, charge_id, order, clock.now())
    except RefusedError as error:
        raise _refused(error) from error


@router.post("/charges/{charge_id}/dispute")
async def move_dispute(charge_id: str, dispute: Dispute, ledger: TheLedger, clock: TheClock) -> Charge:
    """Bring the dispute of a charge further, as the card holder's bank would; open, for tests."""
    try:
        return ledger.move_dispute(charge_id, dispute.status, clock.now())
    except RefusedError as error:
        raise _refused(error) from error


@router.get("/charges/by-key/{key:path}", dependencies=merchants_only)
async def read_charge_of_key(key: str, ledger: TheLedger, clock: TheClock) -> Charge:
    """Tell what became of the charge with this key; 404 `not_received` when the key was never seen."""
    return _received(ledger.charge_of_key(key, clock.now()))


@router.get("/refunds/by-key/{key:path}", dependencies=merchants_only)
async def read_refund_of_key(key: str, ledger: TheLedger, clock: TheClock) -> Refund:
    """Tell what became of the refund with this key; 404 `not_received` when the key was never seen."""
    return _received(ledger.refund_of_key(key, clock.now()))


@router.get("/charges")
async def list_charges(
    ledger: TheLedger, clock: TheClock, account_number: Annotated[str | None, Query(max_length=128)] = None
) -> list[HappenedCharge]:
    """List every charge that really happened, of one account or of all: the truth for tests."""
    return ledger.happened(clock.now(), account_number)


@router.post("/behaviour")
async def set_behaviour(behaviour: Behaviour, webhooks: Annotated[Webhooks, Depends(_webhooks)]) -> Behaviour:
    """Choose how webhooks are sent; what `off` held back is sent when another choice follows."""
    webhooks.mode = behaviour.webhooks
    return behaviour


async def _never_answer(request: Request) -> None:
    """Hold the connection until the client goes away, or has waited as long as a gateway in between would."""
    with suppress(TimeoutError):
        async with asyncio.timeout(HANG_S):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    raise Problem(HTTPStatus.GATEWAY_TIMEOUT, "There was no answer.")


def _received(found: T | None) -> T:
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "This key was never received.", reason="not_received")
    return found


def _refused(error: RefusedError) -> Problem:
    return Problem(STATUSES[error.reason], str(error), reason=error.reason)
