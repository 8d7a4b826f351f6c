"""The carrier over SMPP, against a server that is not ours: smpp34's own."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any

import pytest
from prometheus_client import REGISTRY
from pydantic import TypeAdapter, ValidationError
from smpp34 import Esme, Server, SubmitSmEvent, Tlv

from local.ports import free_port
from services.notifications.adapters.smpp import SmppCarrier
from services.notifications.adapters.smpp_session import BIND_TRANSCEIVER, RESPONSE, UNBIND
from services.notifications.domain.internal import ReceiptStatus
from services.notifications.settings import Settings
from tests.flow.kit import eventually
from tests.unit.notifications.story import NOON, NUMBER

TIMEOUT_S = 0.5
TRY_AGAIN = 0x64

Answering = Callable[[SubmitSmEvent], None]


class Peer:
    """A carrier's server, which answers texts as a test wants; and all that our side heard."""

    def __init__(self) -> None:
        self.port = free_port()
        self.answers: Answering = lambda text: text.accept("id-1")
        self.texts: list[SubmitSmEvent] = []
        self.noted: dict[str, str] = {}
        self.heard: list[tuple[str, ReceiptStatus] | tuple[str, str]] = []
        self.broken = False
        self.sessions: asyncio.Queue[Esme] = asyncio.Queue()

    async def run(self, server: Server) -> None:
        while True:
            event = await server.next()
            if isinstance(event, Esme):
                self.sessions.put_nowait(event)
            elif isinstance(event, SubmitSmEvent):
                self.texts.append(event)
                self.answers(event)

    async def note(self, provider_id: str, reference: str) -> None:
        self.noted[provider_id] = reference

    async def receipt(self, provider_id: str, status: ReceiptStatus) -> bool:
        if self.broken:
            raise OSError
        self.heard.append((provider_id, status))
        return provider_id in self.noted

    async def text(self, sender: str, text: str) -> None:
        self.heard.append((sender, text))

    async def session(self) -> Esme:
        """Return the next session that is bound."""
        return await asyncio.wait_for(self.sessions.get(), 10)

    async def deliver(self, session: Esme, octets: bytes, **more: Any) -> int:
        """Deliver something; return the status that it was answered with."""
        answer = await asyncio.wait_for(
            asyncio.ensure_future(session.deliver_sm("12025550100", octets, source_addr="14155550101", **more)), 10
        )
        return answer.command_status


@asynccontextmanager
async def serving(peer: Peer) -> AsyncIterator[Server]:
    server = Server("127.0.0.1", peer.port, system_id="peer")
    await server.start()
    running = asyncio.create_task(peer.run(server))
    try:
        yield server
    finally:
        running.cancel()
        await asyncio.wait([running])
        await server.stop()


@asynccontextmanager
async def carrier_of(peer: Peer) -> AsyncIterator[SmppCarrier]:
    url = f"smpp://hospital@127.0.0.1:{peer.port}"
    carrier = SmppCarrier(url, "password", "+12025550100", TIMEOUT_S, peer.note)
    listening = asyncio.create_task(carrier.listen(peer.receipt, peer.text))
    try:
        yield carrier
    finally:
        listening.cancel()
        await asyncio.wait([listening])


def bound() -> float | None:
    return REGISTRY.get_sample_value("notifications_carrier_bound", {"carrier": "127.0.0.1"})


@pytest.mark.parametrize(
    ("url", "secret", "good"),
    [
        ("smpp://hospital@carrier.example:2775", "short", True),
        ("https://carrier.example/Accounts/AC1", "short", False),
        ("https://carrier.example/Accounts/AC1", "long enough to sign", True),
        ("ftp://carrier.example", "long enough to sign", False),
    ],
)
def test_only_the_password_of_a_bind_may_be_short(url: str, secret: str, good: bool) -> None:
    key = "a secret of the tests"
    told = {
        "database_url": "postgresql://localhost/none",
        "smtp_url": "smtp://localhost:25",
        "email_secret": key,
        "sms_url": url,
        "sms_secret": secret,
        "public_url": "https://portal.example",
        "secret": key,
    }
    with nullcontext() if good else pytest.raises(ValidationError):
        TypeAdapter(Settings).validate_python(told)


@pytest.fixture(name="peer")
async def a_peer() -> AsyncIterator[Peer]:
    peer = Peer()
    async with serving(peer):
        yield peer


@pytest.mark.parametrize(
    ("status", "result", "reason", "wait_s"),
    [
        (0x58, "later", "carrier_busy", 5),
        (0x14, "later", "carrier_busy", 5),
        (0x0B, "refused", "refused", 0),
        (0x08, "not_sent", "carrier_answered_8", 0),
        (0x0A, "failed", "rejected", 0),
    ],
    ids=["throttled", "queue full", "no such number", "error of its own", "rejected"],
)
async def test_a_text_that_was_not_taken_is_known_by_the_carriers_status(
    peer: Peer, status: int, result: str, reason: str, wait_s: float
) -> None:
    peer.answers = lambda text: text.reject(status)
    async with carrier_of(peer) as carrier:
        delivery = await carrier.send("Hello", NUMBER, "ref-1")
    assert (delivery.result, delivery.reason, delivery.wait_s) == (result, reason, wait_s)
    assert not peer.noted


async def test_a_text_is_addressed_and_written_as_networks_want_it_and_its_name_is_noted(peer: Peer) -> None:
    async with carrier_of(peer) as carrier:
        assert await carrier.send("Hello €", NUMBER, "ref-1") == ("sent", "id-1", None, 0)
        assert (await carrier.send("Sesión", NUMBER, None)).result == "sent"
    first, second = peer.texts
    assert (first.source_addr, first.destination_addr) == ("12025550100", NUMBER.lstrip("+"))
    assert (first.dest_addr_ton, first.dest_addr_npi, first.source_addr_ton) == (1, 1, 1)
    assert (first.data_coding, first.short_message, first.registered_delivery) == (0, b"Hello \x1b\x65", 1)
    assert (second.data_coding, second.registered_delivery) == (8, 0)
    assert peer.noted == {"id-1": "ref-1"}


async def test_a_long_text_goes_in_parts_and_is_unknown_once_some_of_it_is_out(peer: Peer) -> None:
    async with carrier_of(peer) as carrier:
        assert (await carrier.send("a" * 400, NUMBER, "ref-1")).result == "sent"
        assert [text.short_message[3:6] for text in peer.texts] == [bytes((0, 3, n)) for n in (1, 2, 3)]
        assert [text.registered_delivery for text in peer.texts] == [0, 0, 1]
        assert {text.esm_class for text in peer.texts} == {0x40}
        peer.answers = lambda text: text.accept("x") if text.short_message[5] == 1 else text.reject(0x58)
        assert (await carrier.send("a" * 400, NUMBER, "ref-1")).result == "unknown"
        peer.answers = lambda text: text.reject(0x58)
        assert (await carrier.send("a" * 400, NUMBER, "ref-1")).result == "later"


async def test_a_text_whose_answer_is_missing_is_unknown_and_nobody_can_be_asked(peer: Peer) -> None:
    silent: list[SubmitSmEvent] = []
    peer.answers = silent.append
    async with carrier_of(peer) as carrier:
        assert (await carrier.send("Hello", NUMBER, "ref-1")).result == "unknown"
        assert (await carrier.find("ref-1", NUMBER, NOON)).result == "unknown"
        # The window is full of texts without an answer: the next is certainly not out.
        results = [
            one.result for one in await asyncio.gather(*(carrier.send("a", NUMBER, None) for _ in range(11)))
        ]
        assert sorted(results) == ["not_sent"] + ["unknown"] * 10


async def test_what_became_of_a_text_is_answered_for_only_when_it_was_dealt_with(peer: Peer) -> None:
    told = b"id:id-1 sub:001 dlvrd:001 submit date:2603021500 done date:2603021501 stat:%s err:000 text:Hello"
    async with carrier_of(peer) as carrier:
        session = await peer.session()
        assert await peer.deliver(session, told % b"DELIVRD", esm_class=4) == TRY_AGAIN
        await carrier.send("Hello", NUMBER, "ref-1")
        peer.broken = True
        assert await peer.deliver(session, told % b"DELIVRD", esm_class=4) == TRY_AGAIN
        peer.broken = False
        assert await peer.deliver(session, told % b"DELIVRD", esm_class=4) == 0
        assert await peer.deliver(session, told % b"ACCEPTD", esm_class=4) == 0
        assert await peer.deliver(session, told % b"UNDELIV", esm_class=4) == 0
        parameters = [Tlv(0x001E, b"id-1\0"), Tlv(0x0427, b"\x05"), Tlv(0x0423, b"\x03\x00\x01")]
        assert await peer.deliver(session, b"", esm_class=4, tlvs=parameters) == 0
    statuses = [status for _, status in peer.heard]
    assert statuses == ["delivered", "delivered", "failed", "bounced"]


async def test_what_somebody_texts_is_heard_in_every_alphabet(peer: Peer) -> None:
    async with carrier_of(peer):
        session = await peer.session()
        assert await peer.deliver(session, b"Stop", data_coding=0) == 0
        assert await peer.deliver(session, "¡Alto!".encode("utf-16-be"), data_coding=8) == 0
        assert await peer.deliver(session, b"", tlvs=[Tlv(0x0424, b"HELP")]) == 0
    assert peer.heard == [("+14155550101", "Stop"), ("+14155550101", "¡Alto!"), ("+14155550101", "HELP")]


async def test_the_session_is_bound_again_when_it_ended_and_before_that_nothing_is_sent() -> None:
    peer = Peer()
    async with carrier_of(peer) as carrier:
        assert bound() == 0
        async with serving(peer):
            session = await peer.session()
            assert (await carrier.send("Hello", NUMBER, None)).result == "sent"
            assert bound() == 1
            await session.unbind()
            await peer.session()
            assert (await carrier.send("Hello", NUMBER, None)).result == "sent"


async def test_who_listens_no_more_takes_leave_of_the_carrier() -> None:
    peer, asked = Peer(), []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while header := await reader.readexactly(16):
                length, command, _, sequence = struct.unpack(">IIII", header)
                await reader.readexactly(length - 16)
                asked.append(command)
                writer.write(struct.pack(">IIII", 17, command | RESPONSE, 0, sequence) + b"\0")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", peer.port):
        async with carrier_of(peer):
            await eventually(bound, "it is bound")
        assert asked == [BIND_TRANSCEIVER, UNBIND]
    assert bound() == 0


async def test_an_error_that_no_waiting_mends_is_not_waited_for() -> None:
    carrier = SmppCarrier("smpp://hospital@127.0.0.1:99999", "password", "+12025550100", TIMEOUT_S, Peer().note)
    with pytest.raises(ValueError, match="Port"):
        await carrier.listen(Peer().receipt, Peer().text)


async def test_a_carrier_that_is_not_there_got_nothing() -> None:
    async with carrier_of(Peer()) as carrier:
        assert await carrier.send("Hello", NUMBER, None) == ("not_sent", None, "carrier_not_reached", 0)
