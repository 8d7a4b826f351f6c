import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from local.ports import free_port
from sandbox import arrivals
from shared.signatures import sign
from tests.outside.sandbox.world import ARRIVAL_S_MAX, SECRET, World, served

ADDRESS = "Ana@mail.example"


class Post:
    """A sandbox whose mail server is used, and what it tells."""

    def __init__(self, world: World, port: int, told: asyncio.Queue[dict[str, Any]]) -> None:
        self.world, self.port, self.told = world, port, told

    async def send(self, *, timeout_s: float = 10) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "portal@portal.example", ADDRESS, "Código"
        message["Message-ID"] = "<ref-1@portal.example>"
        message.set_content("plain ñ")
        message.add_alternative("<p>rich</p>", subtype="html")
        await aiosmtplib.send(message, hostname="127.0.0.1", port=self.port, timeout=timeout_s)

    async def behave(self, behaviour: str) -> None:
        status, _ = await self.world.post("/mail/behaviour", {"address": ADDRESS, "behaviour": behaviour})
        assert status == 200

    async def event(self) -> str:
        told = await asyncio.wait_for(self.told.get(), ARRIVAL_S_MAX)
        assert told["message_id"] == "<ref-1@portal.example>"
        event: str = told["event"]
        return event

    async def arrived(self) -> list[dict[str, Any]]:
        _, mails = await self.world.get("/mail/messages", params={"to": ADDRESS.upper()})
        assert isinstance(mails, list)
        return mails


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        signature = request.headers["Mail-Signature"]
        seconds = int(signature.partition(",")[0].removeprefix("t="))
        assert signature == sign(SECRET, datetime.fromtimestamp(seconds, UTC), body)
        for event in await request.json():
            told.put_nowait(event)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/events", take)
    port = free_port()
    async with TestServer(app) as server:
        url = str(server.make_url("/events"))
        secret = SecretStr(SECRET)
        async with served(tmp_path, smtp_port=port, mail_secret=secret, mail_events_url=url) as world:
            yield Post(world, port, told)


async def test_a_mail_arrives_whole_and_its_delivery_is_told(post: Post) -> None:
    await post.send()
    (mail,) = await post.arrived()
    assert (mail["subject"], mail["text"].strip(), mail["html"].strip()) == ("Código", "plain ñ", "<p>rich</p>")
    assert (mail["from"], mail["to"]) == ("portal@portal.example", ADDRESS.lower())
    assert mail["headers"]["Message-ID"] == "<ref-1@portal.example>"
    assert await post.event() == "delivered"


async def test_an_address_bounces_complains_refuses_or_tells_twice(post: Post) -> None:
    await post.behave("bounce")
    await post.send()
    assert (await post.event(), await post.arrived()) == ("bounced", [])
    await post.behave("complain")
    await post.send()
    assert [await post.event(), await post.event()] == ["delivered", "complained"]
    await post.behave("double-receipt")
    await post.send()
    assert [await post.event(), await post.event()] == ["delivered", "delivered"]
    await post.behave("refuse")
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        await post.send()
    assert len(await post.arrived()) == 2


async def test_a_delayed_mail_arrives_though_its_sender_waits_in_vain(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert arrivals.DELAY_S == 15
    monkeypatch.setattr(arrivals, "DELAY_S", 1.0)
    await post.behave("delay")
    with pytest.raises(aiosmtplib.SMTPTimeoutError):
        await post.send(timeout_s=0.3)
    assert len(await post.arrived()) == 1
    assert await post.event() == "delivered"


async def test_a_late_receipt_comes_when_the_clock_has_moved(post: Post) -> None:
    await post.behave("late-receipt")
    await post.send()
    assert post.told.empty()
    await post.world.advance(arrivals.LATE_S)
    assert await post.event() == "delivered"
