"""The card and bank processor, over HTTP.

`POST /charges` with an `Idempotency-Key` charges at most once for each key; `GET /charges/by-key/{key}` tells what
became of it, and how it stands; refunds the same. It posts events, signed, to our webhook.

An answer is what the processor said for certain; where it may have charged without our knowing,
the answer is `unknown`. What it certainly did not do may be tried again: `TaskFailedError`.
"""

import re
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import aiohttp
from pydantic import BaseModel, Field, ValidationError

from services.payments.domain.charging import ChargeAnswer, ChargeMethod, DisputeStatus, Standing
from services.payments.domain.refund import MakeRefund, RefundAnswer
from services.payments.domain.webhook import HeardOf
from shared.events.envelope import Id
from shared.events.vocabulary import Code
from shared.messaging.handlers import TaskFailedError
from shared.paths import segment
from shared.signatures import signed_at

_CONNECT_TIMEOUT_S: Final = 3.0
# Shorter than any server's: a connection that the other side is just closing would leave a charge unknown.
_IDLE_CONNECTION_S: Final = 2.0
_WEBHOOK_AGE_S_MAX: Final = 300

_REASON: Final = re.compile(r"[!-~]{1,64}")
_STANDINGS: Final[dict[str, Standing]] = {
    "succeeded": "taken",
    "refunded": "taken",
    "returned": "returned",
    "disputed": "disputed",
}
"""The money was taken; what became of it later."""


class _Charge(BaseModel):
    charge_id: Annotated[str, Field(min_length=1, max_length=128)]
    status: str
    reason: str | None = None
    dispute_status: DisputeStatus | None = None


class _Refund(BaseModel):
    status: Literal["succeeded", "failed"]


class Processor:
    """The processor at `url`, to which `secret` proves who we are."""

    def __init__(self, url: str, secret: str, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._session = aiohttp.ClientSession(
            # Unlimited: a charge that waits here for a connection would time out unsent, and be unknown.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_CONNECTION_S),
            headers={"Authorization": f"Bearer {secret}"},
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_TIMEOUT_S),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def charge(self, order: ChargeMethod) -> ChargeAnswer:
        """Charge once, whatever the number of attempts.

        Raises:
            TaskFailedError: it was not reached, is too busy, or does not accept who we are.
        """
        body = {
            "payment_id": order.payment_id,
            "account_number": order.account_number,
            "amount_minor": order.amount_minor,
            "currency": order.currency,
            "method": {"kind": order.kind, "token": order.token},
        }
        try:
            status, told = await self._call("POST", "/charges", json=body, headers={"Idempotency-Key": order.key})
        except (aiohttp.ClientError, TimeoutError):
            return ChargeAnswer(result="unknown")
        match status:
            case HTTPStatus.OK | HTTPStatus.CREATED:
                return _answer(told)
            case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
                return ChargeAnswer(result="declined", reason="rejected")
            case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                raise TaskFailedError(f"processor_answered_{status}")
            case _:
                return ChargeAnswer(result="unknown")

    async def charge_of_key(self, key: str) -> ChargeAnswer:
        """Ask what became of the charge with this key.

        Raises:
            TaskFailedError: there was no answer, or none that tells.
        """
        told = await self._of_key("charges", key)
        return ChargeAnswer(result="not_received") if told is None else _answer(told)

    async def refund(self, order: MakeRefund) -> RefundAnswer:
        """Give back once, whatever the number of attempts.

        Raises:
            TaskFailedError: it was not reached, is too busy, or does not accept who we are.
        """
        path = f"/charges/{segment(order.charge_id)}/refunds"
        body = {"amount_minor": order.amount_minor}
        try:
            status, told = await self._call("POST", path, json=body, headers={"Idempotency-Key": order.key})
        except (aiohttp.ClientError, TimeoutError):
            return RefundAnswer(result="unknown")
        match status:
            case HTTPStatus.OK | HTTPStatus.CREATED:
                return _refund_answer(told)
            case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY | HTTPStatus.NOT_FOUND:
                return RefundAnswer(result="failed", reason="rejected")
            case HTTPStatus.CONFLICT if isinstance(told, dict) and told.get("reason") == "not_refundable":
                return RefundAnswer(result="failed", reason="not_refundable")
            case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                raise TaskFailedError(f"processor_answered_{status}")
            case _:
                return RefundAnswer(result="unknown")

    async def refund_of_key(self, key: str) -> RefundAnswer:
        """Ask what became of the refund with this key.

        Raises:
            TaskFailedError: there was no answer, or none that tells.
        """
        told = await self._of_key("refunds", key)
        return RefundAnswer(result="not_received") if told is None else _refund_answer(told)

    async def _of_key(self, kind: str, key: str) -> dict[str, Any] | None:
        """Return what the processor keeps under a key; nothing when it says that it never received it."""
        try:
            status, told = await self._call("GET", f"/{kind}/by-key/{segment(key)}")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TaskFailedError("processor_away") from error
        match status:
            case HTTPStatus.OK:
                return told if isinstance(told, dict) else {}
            case HTTPStatus.NOT_FOUND if _not_received(told):
                return None
            case _:
                raise TaskFailedError(f"processor_answered_{status}")

    async def _call(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        """Return the status and the JSON of an answer, which is nothing where it is none."""
        try:
            async with self._session.request(
                method, self._url + path, allow_redirects=False, **request
            ) as response:
                try:
                    return response.status, await response.json(content_type=None)
                except ValueError:
                    return response.status, None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise TaskFailedError("processor_not_reached") from error


class Told(BaseModel):
    """An event that the processor posts; more of it is not believed."""

    event_id: Id
    type: Code
    payment_id: Id

    @property
    def about(self) -> HeardOf:
        """What something became of."""
        return "refund" if self.type.startswith("refund.") else "payment"


def told_by_webhook(
    secret: str, signature: str, body: bytes, now: datetime
) -> Told | Literal["signature_invalid", "invalid_data"]:
    """Read what was posted, or say why not: the processor did not sign it lately, or it is no event."""
    sent_at = signed_at(secret, signature, body)
    if sent_at is None or abs(now.timestamp() - sent_at) > _WEBHOOK_AGE_S_MAX:
        return "signature_invalid"
    try:
        return Told.model_validate_json(body)
    except ValidationError:
        return "invalid_data"


def _answer(told: Any) -> ChargeAnswer:
    """Read a charge; one that does not say what became of it leaves it unknown."""
    try:
        charge = _Charge.model_validate(told)
    except ValidationError:
        return ChargeAnswer(result="unknown")
    reason = charge.reason if charge.reason is not None and _REASON.fullmatch(charge.reason) else None
    if charge.status == "declined":
        return ChargeAnswer(result="declined", charge_id=charge.charge_id, reason=reason)
    stands = _STANDINGS.get(charge.status)
    if stands is None:
        return ChargeAnswer(result="unknown")
    if stands == "taken" and charge.dispute_status is not None:
        # The money of a dispute that was won is there again, and that it was won is to be told all the same.
        stands = "disputed"
    return ChargeAnswer(
        result="succeeded",
        charge_id=charge.charge_id,
        reason=reason,
        stands=stands,
        dispute_status=charge.dispute_status,
    )


def _refund_answer(told: Any) -> RefundAnswer:
    """Read a refund; one that does not say what became of it leaves it unknown."""
    try:
        return RefundAnswer(result=_Refund.model_validate(told).status)
    except ValidationError:
        return RefundAnswer(result="unknown")


def _not_received(told: Any) -> bool:
    return isinstance(told, dict) and told.get("reason") == "not_received"
