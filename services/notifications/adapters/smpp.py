"""The carrier of texts, over SMPP 3.4: one session of this process, kept bound, for texts, receipts and answers.

The carrier repeats a receipt or an answer until we say that it was dealt with. It has no idempotency keys, and a
text whose answer was lost cannot be asked for: nobody can know what became of it.
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from itertools import count
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import structlog
from prometheus_client import Gauge
from smpp34 import DeliverSm

from services.notifications.adapters.delivery import Delivery
from services.notifications.adapters.smpp_session import OK, TRY_AGAIN, Answer, NotBoundError, Session
from services.notifications.domain.internal import ReceiptStatus
from shared.short_messages import decode, encode, without_header

_CONNECT_TIMEOUT_S: Final = 3.0
_AGAIN_S_MAX: Final = 60.0
_BUSY_S: Final = 5.0
_PORT: Final = 2775

_RECEIPTED_MESSAGE_ID: Final = 0x001E
_NETWORK_ERROR_CODE: Final = 0x0423
_MESSAGE_PAYLOAD: Final = 0x0424
_MESSAGE_STATE: Final = 0x0427
_INTERNATIONAL, _NETWORK_SPECIFIC, _ISDN = 1, 3, 1
_HAS_HEADER: Final = 0x40
_KIND: Final = 0x3C
_RECEIPT: Final = 0x04

_BUSY: Final = frozenset({0x14, 0x58})
"""Its queue is full; we send too fast."""
_NOT_NOW: Final = frozenset({0x04, 0x08, 0x45, 0x64})
"""Not in this state of the session; an error of its own; not sent; later."""
_NO_SUCH_NUMBER: Final = 0x0B

_STATES: Final[dict[int, ReceiptStatus]] = {2: "delivered", 3: "failed", 4: "failed", 5: "failed", 8: "failed"}
_WORDS: Final[dict[str, ReceiptStatus]] = {
    "DELIVRD": "delivered",
    **dict.fromkeys(("EXPIRED", "DELETED", "UNDELIV", "REJECTD"), "failed"),
}
_RECEIPT_TEXT: Final = re.compile(r"id:(?P<id>\S+).*?stat:(?P<stat>[A-Z]+)", re.DOTALL)
_GSM: Final = b"\x03"
_GONE: Final = frozenset({1, 9, 11, 12})
"""Errors of a GSM network for a number that no text ever reaches: unknown, barred, without texts, illegal."""

Note = Callable[[str, str], Awaitable[None]]
HearReceipt = Callable[[str, ReceiptStatus], Awaitable[bool]]
HearText = Callable[[str, str], Awaitable[None]]

_BOUND: Final = Gauge(
    "notifications_carrier_bound", "Whether this process has a session with the carrier, over SMPP", ["carrier"]
)

log = structlog.get_logger(__name__)


class SmppCarrier:
    """The carrier at `url` (`smpp://SYSTEM_ID@host:port`, or `smpps` over TLS); texts come from `sender`.

    `note` remembers which of our references the carrier's name for a text stands for.
    """

    def __init__(self, url: str, password: str, sender: str, timeout_s: float, note: Note) -> None:
        self._at, self._password, self._timeout_s, self._note = urlsplit(url), password, timeout_s, note
        number = sender.lstrip("+")
        self._from = {
            "source_addr": number,
            "source_addr_ton": _INTERNATIONAL if number != sender else _NETWORK_SPECIFIC,
            "source_addr_npi": _ISDN,
        }
        self._session: Session | None = None
        self._bound = asyncio.Event()
        self._references = count()

    async def listen(self, receipt: HearReceipt, text: HearText) -> None:
        """Bind, and keep bound, until cancelled; what the carrier tells goes to these two.

        `receipt` gets the carrier's name for a text and says whether it is one of ours; `text` gets who sent it.
        """

        async def heard(delivered: DeliverSm) -> int:
            try:
                return await _heard(delivered, receipt, text)
            except Exception as error:  # noqa: BLE001  # the carrier brings it again
                log.warning("what the carrier told could not be dealt with", error_type=type(error).__name__)
                return TRY_AGAIN

        await self._keep_bound(heard)

    async def send(self, text: str, to: str, reference: str | None) -> Delivery:
        """Send a text, in parts if it is long; with a reference, what becomes of the last part is told."""
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await self._bound.wait()
        except TimeoutError:
            return Delivery("not_sent", reason="carrier_not_reached")
        until = asyncio.get_running_loop().time() + self._timeout_s
        coding, parts = encode(text, next(self._references) % 256)
        told: dict[str, Any] = self._from | {
            "destination_addr": to.lstrip("+"),
            "dest_addr_ton": _INTERNATIONAL,
            "dest_addr_npi": _ISDN,
            "data_coding": coding,
            "esm_class": _HAS_HEADER if len(parts) > 1 else 0,
        }
        for part in parts[:-1]:
            delivery = await self._submit(until, told | {"short_message": part})
            if delivery.result != "sent":
                return delivery if part is parts[0] else Delivery("unknown")
        asked = int(reference is not None)
        last = told | {"short_message": parts[-1], "registered_delivery": asked}
        delivery = await self._submit(until, last)
        if delivery.result != "sent":
            return delivery if len(parts) == 1 else Delivery("unknown")
        if reference is not None and delivery.provider_id is not None:
            await self._note(delivery.provider_id, reference)
        return delivery

    async def find(self, reference: str, to: str, since: datetime) -> Delivery:  # noqa: ARG002  # as all carriers
        """Say that nobody knows: the carrier can be asked only by its own name for a text, which was lost."""
        return Delivery("unknown")

    async def _submit(self, until: float, told: dict[str, Any]) -> Delivery:
        session = self._session
        if session is None:
            return Delivery("not_sent", reason="carrier_not_reached")
        try:
            answer = await session.submit(until, **told)
        except NotBoundError:
            return Delivery("not_sent", reason="carrier_not_reached")
        except OSError:
            return Delivery("unknown")
        return _answered(answer)

    async def _keep_bound(self, heard: Callable[[DeliverSm], Awaitable[int]]) -> None:
        """Bind again whenever the session has ended, after ever longer waits while the carrier is away."""
        bound = _BOUND.labels(self._at.hostname)
        wait_s = 1.0
        while True:
            try:
                session = await self._bind(heard)
            except OSError as error:
                log.warning("the carrier cannot be bound", error_type=type(error).__name__, delay_s=wait_s)
            else:
                wait_s = 1.0
                self._session = session
                self._bound.set()
                bound.set(1)
                log.info("the carrier is bound")
                try:
                    await session.run()
                finally:
                    self._bound.clear()
                    bound.set(0)
                    self._session = None
                    session.close()
                log.warning("the session with the carrier ended", delay_s=wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _AGAIN_S_MAX)

    async def _bind(self, heard: Callable[[DeliverSm], Awaitable[int]]) -> Session:
        at = self._at
        tls = ssl.create_default_context() if at.scheme == "smpps" else None
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(at.hostname, at.port or _PORT, ssl=tls)
        session = Session(reader, writer, self._timeout_s, heard)
        try:
            await session.bind(unquote(at.username or ""), self._password)
        except BaseException:
            session.close()
            raise
        return session


def _answered(answer: Answer) -> Delivery:
    match answer.status:
        case 0:
            return Delivery("sent", answer.message_id or None)
        case status if status in _BUSY:
            return Delivery("later", reason="carrier_busy", wait_s=_BUSY_S)
        case status if status in _NOT_NOW:
            return Delivery("not_sent", reason=f"carrier_answered_{status}")
        case status if status == _NO_SUCH_NUMBER:
            return Delivery("refused", reason="refused")
        case _:
            return Delivery("failed", reason="rejected")


async def _heard(delivered: DeliverSm, receipt: HearReceipt, text: HearText) -> int:
    """Deal with a receipt or an answer; return the status to answer with."""
    tlvs = {tlv.tag: tlv.value for tlv in delivered.tlvs}
    octets = delivered.short_message or tlvs.get(_MESSAGE_PAYLOAD, b"")
    if delivered.esm_class & _HAS_HEADER:
        _, octets = without_header(octets)
    words = decode(octets, delivered.data_coding)
    if delivered.esm_class & _KIND != _RECEIPT:
        await text(f"+{delivered.source_addr.lstrip('+')}", words)
        return OK
    message_id, status = _receipt(tlvs, words)
    if message_id is None or status is None:
        return OK  # on its way there, which is no news
    # One that we have not noted yet is brought again.
    return OK if await receipt(message_id, status) else TRY_AGAIN


def _receipt(tlvs: Mapping[int, bytes], words: str) -> tuple[str | None, ReceiptStatus | None]:
    """Return the carrier's name for a text and what became of it: from the parameters, or from the words."""
    told = _RECEIPT_TEXT.search(words)
    message_id, status = (told["id"], _WORDS.get(told["stat"])) if told else (None, None)
    if _RECEIPTED_MESSAGE_ID in tlvs:
        message_id = tlvs[_RECEIPTED_MESSAGE_ID].rstrip(b"\0").decode("latin-1")
    if _MESSAGE_STATE in tlvs:
        status = _STATES.get(int.from_bytes(tlvs[_MESSAGE_STATE], "big"))
    network, error = tlvs.get(_NETWORK_ERROR_CODE, b"")[:1], tlvs.get(_NETWORK_ERROR_CODE, b"")[1:]
    if status == "failed" and network == _GSM and int.from_bytes(error, "big") in _GONE:
        status = "bounced"
    return message_id, status
