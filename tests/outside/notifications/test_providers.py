"""What is made of the answers of real servers: one for mail, one for texts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.headerregistry import Address
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.smtp import SMTP

from local.ports import free_port
from services.notifications.adapters import texts
from services.notifications.adapters.delivery import Delivery
from services.notifications.adapters.mail import Mail
from services.notifications.adapters.signatures import carrier_signed
from services.notifications.adapters.texts import HttpCarrier
from services.notifications.wording import Wording
from tests.unit.notifications.story import NOON, NUMBER

TIMEOUT_S = 0.5
SENDER = Address("Portal", addr_spec="statements@portal.example")
TO = "ana@mail.example"


class MailHandler:
    """Answers as a test wants, at the step that it names."""

    def __init__(self, step: str = "", answer: str = "") -> None:
        self.step, self.answer = step, answer
        self.contents: list[bytes] = []
        self.connections = 0

    async def _say(self, step: str) -> str:
        if self.step != step:
            return "250 OK"
        if self.answer == "never":
            await asyncio.sleep(TIMEOUT_S * 2)
        return self.answer

    async def handle_MAIL(self, _s: Any, _n: Any, envelope: Any, address: str, _o: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return await self._say("MAIL")

    async def handle_RCPT(self, _s: Any, _n: Any, envelope: Any, address: str, _o: Any) -> str:  # noqa: N802
        envelope.rcpt_tos.append(address)
        return await self._say("RCPT")

    async def handle_DATA(self, _s: Any, _n: Any, envelope: Any) -> str:  # noqa: N802
        self.contents.append(envelope.content)
        return await self._say("DATA")


@asynccontextmanager
async def mail_server(handler: MailHandler) -> AsyncIterator[Mail]:
    loop = asyncio.get_running_loop()

    def connected() -> SMTP:
        handler.connections += 1
        return SMTP(handler, hostname="test", loop=loop)

    port = free_port()
    server = await loop.create_server(connected, "127.0.0.1", port)
    mail = Mail(f"smtp://127.0.0.1:{port}", SENDER, TIMEOUT_S)
    yield mail
    await mail.close()
    server.close()


async def send(mail: Mail) -> Delivery:
    message = Wording().mail("es", "code", code="123456", minutes="10")
    return await mail.send(message, TO, "ref-1", NOON)


@pytest.mark.parametrize(
    ("step", "answer", "result", "reason"),
    [
        ("", "", "sent", None),
        ("MAIL", "550 not you", "not_sent", "server_answered_550"),
        ("RCPT", "550 nobody", "refused", "refused"),
        ("RCPT", "451 later", "not_sent", "server_answered_451"),
        ("RCPT", "never", "not_sent", "server_not_reached"),
        ("DATA", "452 full", "not_sent", "server_answered_452"),
        ("DATA", "554 spam", "failed", "rejected"),
        ("DATA", "never", "unknown", None),
    ],
)
async def test_a_mail_is_known_by_how_far_the_server_took_it(
    step: str, answer: str, result: str, reason: str | None
) -> None:
    async with mail_server(MailHandler(step, answer)) as mail:
        assert await send(mail) == Delivery(result, reason=reason)  # type: ignore[arg-type]


async def test_a_mail_has_its_reference_and_passes_through_seven_bits_and_connections_are_used_again() -> None:
    handler = MailHandler()
    async with mail_server(handler) as mail:
        for _ in range(3):
            assert (await send(mail)).result == "sent"
    assert (len(handler.contents), handler.connections) == (3, 1)
    content = handler.contents[0]
    assert b"Message-ID: <ref-1@portal.example>" in content
    assert max(content) < 128
    assert max(map(len, content.splitlines())) < 998


async def test_a_mail_server_that_is_not_there_was_given_nothing() -> None:
    mail = Mail(f"smtp://127.0.0.1:{free_port()}", SENDER, TIMEOUT_S)
    assert await send(mail) == Delivery("not_sent", reason="server_not_reached")


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    handler = MailHandler()
    async with mail_server(handler) as mail:
        await send(mail)
        mail._idle[0].close()  # noqa: SLF001  # as a server does with idle ones
        assert (await send(mail)).result == "sent"
    assert handler.connections == 2


Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def carrier_that(answers: Answering) -> AsyncIterator[HttpCarrier]:
    app = web.Application()
    app.router.add_route("*", "/Accounts/AC1/Messages.json", answers)
    async with TestServer(app) as server:
        carrier = HttpCarrier(
            str(server.make_url("/Accounts/AC1")),
            "secret",
            "+12025550100",
            TIMEOUT_S,
            "https://here.example/{}".format,
        )
        yield carrier
        await carrier.close()


@pytest.mark.parametrize(
    ("status", "told", "result", "reason", "wait_s"),
    [
        (201, {"sid": "SM1", "status": "queued"}, "sent", None, 0),
        (201, {"who": "knows"}, "unknown", None, 0),
        (400, {"code": 21610}, "refused", "refused", 0),
        (400, {"code": 21602}, "failed", "rejected", 0),
        (401, {}, "not_sent", "carrier_answered_401", 0),
        (429, {}, "later", "carrier_busy", 7),
        (500, {}, "unknown", None, 0),
    ],
)
async def test_a_text_is_known_by_the_carriers_answer(
    status: int, told: dict[str, Any], result: str, reason: str | None, wait_s: float
) -> None:
    async def answers(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        assert (form["To"], form["Body"], form["StatusCallback"]) == (
            NUMBER,
            "Hello",
            "https://here.example/ref-1",
        )
        return web.json_response(told, status=status, headers={"Retry-After": "7"})

    async with carrier_that(answers) as carrier:
        delivery = await carrier.send("Hello", NUMBER, "ref-1")
    assert (delivery.result, delivery.reason, delivery.wait_s) == (result, reason, wait_s)


async def test_a_carrier_that_never_answers_leaves_a_text_unknown_and_one_that_is_away_got_none() -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(TIMEOUT_S * 2)
        return web.Response()

    async with carrier_that(never) as carrier:
        assert (await carrier.send("Hello", NUMBER, None)).result == "unknown"
        assert (await carrier.find("ref", NUMBER, NOON)).result == "unknown"
    away = HttpCarrier(f"http://127.0.0.1:{free_port()}/Accounts/AC1", "secret", "+12025550100", TIMEOUT_S, str)
    assert (await away.send("Hello", NUMBER, None)).result == "not_sent"
    await away.close()


@pytest.mark.parametrize(
    ("status", "result"),
    [("delivered", "delivered"), ("sent", "sent"), ("queued", "sent"), ("undelivered", "failed")],
)
async def test_a_text_is_found_again_by_the_reference_in_its_words(status: str, result: str) -> None:
    async def answers(request: web.Request) -> web.StreamResponse:
        assert (request.query["To"], request.query["DateSent>"]) == (NUMBER, "2026-03-02")
        found = [
            {"sid": "SM2", "status": "sent", "body": "other"},
            {"sid": "SM1", "status": status, "body": "a ref b"},
        ]
        return web.json_response({"messages": found})

    async with carrier_that(answers) as carrier:
        found = await carrier.find("ref", NUMBER, NOON)
        assert (found.result, found.provider_id) == (result, "SM1")
        assert (await carrier.find("missing", NUMBER, NOON)).result == "not_received"


@pytest.mark.parametrize(
    ("status", "code", "became"),
    [
        ("queued", None, None),
        ("sent", None, "sent"),
        ("delivered", None, "delivered"),
        ("undelivered", "30003", "failed"),
        ("undelivered", "30005", "bounced"),
        ("failed", "no number", "failed"),
        ("failed", "9" * 5_000, "failed"),
        (None, "30005", None),
    ],
)
def test_a_receipt_says_what_became_of_a_text(status: str | None, code: str | None, became: str | None) -> None:
    form = {"MessageSid": "SM1", "MessageStatus": status, "ErrorCode": code}
    assert texts.receipt({name: value for name, value in form.items() if value is not None}) == became


def test_the_signature_is_twilios_own() -> None:
    # The example of the carrier's own documentation.
    fields = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ]
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert carrier_signed("12345", url, fields, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert not carrier_signed("12345", url + "3", fields, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert not carrier_signed("54321", url, fields, "ñ")
