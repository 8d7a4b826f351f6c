"""The carrier over SMPP 3.4: anybody may bind and send, and gets receipts and what people text there too."""

import asyncio
from collections import defaultdict
from secrets import token_hex
from typing import Final

from smpp34 import Esme, Server, SmppError, SubmitSmEvent, Tlv, Unbound

from sandbox.arrivals import Arrivals
from sandbox.sms import UNREACHABLE, Carrier, Told
from shared.short_messages import decode, encode, without_header

_NO_SUCH_NUMBER: Final = 0x0B
_HAS_HEADER: Final = 0x40
_RECEIPT: Final = 0x04
_ANSWER_S: Final = 10
_TEXTS_BEGUN_MAX: Final = 1000
_RECEIPTED_MESSAGE_ID: Final = 0x001E
_NETWORK_ERROR_CODE: Final = 0x0423
_MESSAGE_STATE: Final = 0x0427
_STATES: Final = {"sent": ("ACCEPTD", 6), "delivered": ("DELIVRD", 2), "undelivered": ("UNDELIV", 5)}
_UNKNOWN_SUBSCRIBER: Final = b"\x03\x00\x01"


class SmppServer:
    """Takes texts of those who are bound, and delivers to them what `Receipts` has for them."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._server: Server | None = None
        self._sessions: dict[str, Esme] = {}
        self._parts: dict[tuple[str, str, int], dict[int, str]] = defaultdict(dict)
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def bound(self) -> str | None:
        """Who bound last of those who are bound now."""
        sessions = [one.system_id for one in self._sessions.values() if one.can_receive]
        return sessions[-1] if sessions else None

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            SmppError: the port cannot be had.
        """
        self._server = Server(host, port, system_id="sandbox")
        await self._server.start()

    async def run(self, carrier: Carrier) -> None:
        """Take what comes, until cancelled; then listen no more."""
        assert self._server is not None  # noqa: S101  # it was started
        try:
            while True:
                match await self._server.next():
                    case Esme() as session:
                        self._sessions[session.session_id] = session
                    case Unbound() as gone:
                        self._sessions.pop(gone.session_id, None)
                    case SubmitSmEvent() as text:
                        answering = asyncio.create_task(self._take(carrier, text))
                        self._answering.add(answering)
                        answering.add_done_callback(self._answering.discard)
        finally:
            await self._server.stop()

    async def _take(self, carrier: Carrier, submitted: SubmitSmEvent) -> None:
        """Take a text, or a part of one: the last to come has the text's id, and its receipts."""
        to, sender = f"+{submitted.destination_addr}", f"+{submitted.source_addr}"
        if self._arrivals.manner("sms", to).behaviour == "refuse":
            submitted.reject(_NO_SUCH_NUMBER)
            return
        text = self._whole(submitted)
        if text is None:
            submitted.accept(token_hex(16))  # nobody names a part again
            return
        session = self._sessions.get(submitted.session_id)
        wants = session is not None and submitted.registered_delivery & 1
        # By number, so that a receipt that is never taken holds up none of others.
        told_at: Told | None = ("smpp", f"{session.system_id}/{to}") if session is not None and wants else None
        message_id, hold_s = carrier.take(sender, to, text, {}, told_at)
        await asyncio.sleep(hold_s)
        submitted.accept(message_id)

    def _whole(self, submitted: SubmitSmEvent) -> str | None:
        """Return a text once all of it is there."""
        if not submitted.esm_class & _HAS_HEADER:
            return decode(submitted.short_message, submitted.data_coding)
        part, octets = without_header(submitted.short_message)
        text = decode(octets, submitted.data_coding)
        if part is None:
            return text
        key = (submitted.session_id, submitted.destination_addr, part.reference)
        there = self._parts[key]
        there[part.number] = text
        if len(there) == part.parts:
            return "".join(text for _, text in sorted(self._parts.pop(key).items()))
        if len(self._parts) > _TEXTS_BEGUN_MAX:
            del self._parts[next(iter(self._parts))]
        return None

    async def deliver(self, at: str, said: dict[str, str]) -> bool:
        """Deliver a receipt or a text to a system, which `at` begins with; tell whether it was taken."""
        system_id = at.partition("/")[0]
        session = next((one for one in self._sessions.values() if one.system_id == system_id), None)
        if session is None:
            return False
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await (_inbound(session, said) if "Body" in said else _receipt(session, said))
        except (SmppError, TimeoutError):
            return False


async def _inbound(session: Esme, said: dict[str, str]) -> bool:
    coding, parts = encode(said["Body"], 0)
    taken = [
        await session.deliver_sm(
            said["To"].lstrip("+"),
            part,
            source_addr=said["From"].lstrip("+"),
            data_coding=coding,
            esm_class=_HAS_HEADER if len(parts) > 1 else 0,
        )
        for part in parts
    ]
    return all(answer.is_success for answer in taken)


async def _receipt(session: Esme, said: dict[str, str]) -> bool:
    """Tell what became of a text, in words and in parameters, as carriers do."""
    word, state = _STATES[said["MessageStatus"]]
    tlvs = [
        Tlv(_RECEIPTED_MESSAGE_ID, said["MessageSid"].encode() + b"\0"),
        Tlv(_MESSAGE_STATE, bytes((state,))),
    ]
    if said.get("ErrorCode") == UNREACHABLE:
        tlvs.append(Tlv(_NETWORK_ERROR_CODE, _UNKNOWN_SUBSCRIBER))
    answer = await session.deliver_sm(
        said["From"].lstrip("+"),
        f"id:{said['MessageSid']} sub:001 dlvrd:001 stat:{word} err:000 text:".encode(),
        source_addr=said["To"].lstrip("+"),
        esm_class=_RECEIPT,
        tlvs=tlvs,
    )
    return answer.is_success
