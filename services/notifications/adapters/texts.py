"""The carrier of texts, over HTTP in the shape of Twilio's API, and what it posts to us.

It has no idempotency keys: a text whose answer is missing is looked for among those that it sent, by the reference
in its words.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, Field, ValidationError

from services.notifications.adapters.delivery import Delivery
from services.notifications.domain.internal import ReceiptStatus

_CONNECT_TIMEOUT_S: Final = 3.0
# Shorter than any server's: a connection that the other side is just closing would leave a text unknown.
_IDLE_CONNECTION_S: Final = 2.0
_PAUSE_S: Final = 30.0
_PAUSE_S_MAX: Final = 3600.0
_LOOKED_AT_MAX: Final = 100

NO_ANSWER: Final = "<Response/>"
"""What the carrier is to text back."""

_STATUSES: Final[dict[str, Literal["sent", "delivered", "failed"]]] = {
    "sent": "sent",
    "delivered": "delivered",
    "undelivered": "failed",
    "failed": "failed",
}
"""All others are on the way there."""

_GONE: Final = frozenset({21211, 21214, 21610, 21614, 30004, 30005, 30006})
"""The carrier's codes for a number that no text ever reaches: no such number, a landline, blocked, stopped."""


class _Text(BaseModel):
    sid: Annotated[str, Field(min_length=1, max_length=128)]
    status: str = ""
    body: str = ""


class _Texts(BaseModel):
    messages: list[_Text]


class HttpCarrier:
    """The account at `url` (…/Accounts/SID), to which `secret` proves who we are; texts come from `sender`.

    `receipts_url` is where what becomes of the text with a reference is told.
    """

    def __init__(
        self, url: str, secret: str, sender: str, timeout_s: float, receipts_url: Callable[[str], str]
    ) -> None:
        self._receipts_url = receipts_url
        self._url = url.rstrip("/")
        account = urlsplit(self._url).path.rpartition("/")[2]
        self._sender = sender
        self._session = aiohttp.ClientSession(
            headers={"Authorization": aiohttp.encode_basic_auth(account, secret)},
            # Unlimited: a text that waits here for a connection would time out unsent, and be unknown.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_CONNECTION_S),
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_TIMEOUT_S),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(self, text: str, to: str, reference: str | None) -> Delivery:
        """Send a text; with a reference, what becomes of it is told."""
        form = {"To": to, "From": self._sender, "Body": text}
        if reference is not None:
            form["StatusCallback"] = self._receipts_url(reference)
        try:
            status, told, headers = await self._call("POST", data=form)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return Delivery("not_sent", reason="carrier_not_reached")
        except (aiohttp.ClientError, TimeoutError):
            return Delivery("unknown")
        return _answered(status, told, headers.get("Retry-After"))

    async def find(self, reference: str, to: str, since: datetime) -> Delivery:
        """Look for a text to a number that holds the reference, among those since a day."""
        query = {"To": to, "DateSent>": since.date().isoformat(), "PageSize": str(_LOOKED_AT_MAX)}
        try:
            status, told, _ = await self._call("GET", params=query)
        except (aiohttp.ClientError, TimeoutError):
            return Delivery("unknown")
        try:
            texts = _Texts.model_validate(told if status == HTTPStatus.OK else None).messages
        except ValidationError:
            return Delivery("unknown")
        found = next((text for text in texts if reference in text.body), None)
        return Delivery("not_received") if found is None else _became(found)

    async def _call(self, method: str, **request: Any) -> tuple[int, Any, Any]:
        """Return status, JSON (nothing where it is none) and headers of an answer."""
        url = f"{self._url}/Messages.json"
        async with self._session.request(method, url, allow_redirects=False, **request) as response:
            try:
                return response.status, await response.json(content_type=None), response.headers
            except ValueError:
                return response.status, None, response.headers


def receipt(form: Mapping[str, Any]) -> ReceiptStatus | None:
    """Return what a receipt says became of a text, if that is news."""
    status, code = _STATUSES.get(str(form.get("MessageStatus"))), str(form.get("ErrorCode", ""))
    return "bounced" if status == "failed" and code in map(str, _GONE) else status


def inbound(form: Mapping[str, Any]) -> tuple[str, str]:
    """Return who texted us, and what."""
    return str(form.get("From", "")), str(form.get("Body", ""))


def _answered(status: int, told: Any, retry_after: str | None) -> Delivery:
    match status:
        case HTTPStatus.OK | HTTPStatus.CREATED:
            return _taken(told)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Delivery("later", reason="carrier_busy", wait_s=_pause_s(retry_after))
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return Delivery("not_sent", reason=f"carrier_answered_{status}")
        case HTTPStatus.BAD_REQUEST if isinstance(told, dict) and told.get("code") in _GONE:
            return Delivery("refused", reason="refused")
        case HTTPStatus.BAD_REQUEST:
            return Delivery("failed", reason="rejected")
        case _:
            return Delivery("unknown")


def _became(text: _Text) -> Delivery:
    status = _STATUSES.get(text.status, "sent")
    return Delivery(status, text.sid, "undelivered" if status == "failed" else None)


def _taken(told: Any) -> Delivery:
    try:
        return Delivery("sent", _Text.model_validate(told).sid)
    except ValidationError:
        return Delivery("unknown")


def _pause_s(told: str | None) -> float:
    seconds = float(told) if told is not None and told.isdecimal() else _PAUSE_S
    return min(seconds, _PAUSE_S_MAX)
