import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import encode_basic_auth, web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from sandbox import arrivals
from sandbox.receipts import sign_text
from tests.outside.sandbox.world import ARRIVAL_S_MAX, SECRET, World, served

NUMBER = "+12025550123"
MESSAGES = "/sms/2010-04-01/Accounts/AC1/Messages.json"
ACCOUNT = {"Authorization": encode_basic_auth("AC1", SECRET)}


class Phone:
    """A sandbox whose carrier is used, and what it tells."""

    def __init__(self, world: World, url: str, told: asyncio.Queue[dict[str, str]]) -> None:
        self.world, self.url, self.told = world, url, told

    async def send(self, text: str = "Hello", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        form = {"To": NUMBER, "From": "+12025550100", "Body": text, "StatusCallback": self.url}
        async with self.world.client.post(MESSAGES, data=form, headers=headers or ACCOUNT) as answer:
            return answer.status, await answer.json()

    async def behave(self, behaviour: str) -> None:
        status, _ = await self.world.post("/sms/behaviour", {"address": NUMBER, "behaviour": behaviour})
        assert status == 200

    async def statuses(self, number: int) -> list[str]:
        """Return what the next receipts say."""
        found = [await asyncio.wait_for(self.told.get(), ARRIVAL_S_MAX) for _ in range(number)]
        return [one.get("MessageStatus", one.get("Body", "")) for one in found]

    async def arrived(self) -> list[str]:
        _, texts = await self.world.get(f"/sms/messages?to={NUMBER}")
        return [text["text"] for text in texts]


@pytest.fixture
async def phone(tmp_path: Path) -> AsyncIterator[Phone]:
    told: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def take(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        assert request.headers["X-Twilio-Signature"] == sign_text(SECRET, str(request.url), form)
        told.put_nowait(form)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/told", take)
    async with TestServer(app) as server:
        url = str(server.make_url("/told"))
        async with served(tmp_path, sms_secret=SecretStr(SECRET), sms_inbound_url=url) as world:
            yield Phone(world, f"{url}?reference=1", told)


async def test_a_text_arrives_and_each_step_is_told_and_it_can_be_found_again(phone: Phone) -> None:
    status, made = await phone.send("one")
    assert (status, made["status"]) == (201, "queued")
    assert await phone.statuses(2) == ["sent", "delivered"]
    await phone.send("two")
    assert await phone.arrived() == ["one", "two"]
    query = {"To": NUMBER, "DateSent>": "2020-01-01", "PageSize": "1"}
    status, found = await phone.world.get(MESSAGES, params=query, headers=ACCOUNT)
    assert [(text["body"], text["status"]) for text in found["messages"]] == [("two", "delivered")]


async def test_a_stranger_can_send_nothing(phone: Phone) -> None:
    wrong = {"Authorization": encode_basic_auth("AC1", "wrong")}
    assert (await phone.send(headers=wrong))[0] == 401
    other = {"Authorization": encode_basic_auth("AC2", SECRET)}
    assert (await phone.send(headers=other))[0] == 401
    assert await phone.arrived() == []


async def test_a_number_bounces_refuses_complains_or_tells_twice(phone: Phone) -> None:
    await phone.behave("bounce")
    await phone.send("bounces")
    assert await phone.statuses(2) == ["sent", "undelivered"]
    await phone.behave("refuse")
    status, refused = await phone.send("is refused")
    assert (status, refused["code"]) == (400, 21614)
    await phone.behave("double-receipt")
    await phone.send("twice")
    assert await phone.statuses(4) == ["sent", "delivered", "sent", "delivered"]
    await phone.behave("complain")
    await phone.send("annoys")
    assert sorted(await phone.statuses(3)) == ["STOP", "delivered", "sent"]
    assert await phone.arrived() == ["twice", "annoys"]


async def test_receipts_come_late_and_answers_too(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    await phone.behave("late-receipt")
    await phone.send()
    assert phone.told.empty()
    await phone.world.advance(arrivals.LATE_S)
    assert await phone.statuses(2) == ["sent", "delivered"]
    monkeypatch.setattr(arrivals, "DELAY_S", 0.5)
    await phone.behave("delay")
    began = asyncio.get_running_loop().time()
    await phone.send()
    assert asyncio.get_running_loop().time() - began >= 0.5


async def test_what_somebody_texts_is_brought_to_the_hospital(phone: Phone) -> None:
    status, brought = await phone.world.post("/sms/inbound", {"from": NUMBER, "text": "Stop!"})
    assert (status, brought["id"][:2]) == (202, "SM")
    told = await asyncio.wait_for(phone.told.get(), ARRIVAL_S_MAX)
    assert (told["From"], told["Body"]) == (NUMBER, "Stop!")
