"""Who is at a page, where they come from, and for how long they are."""

import asyncio
import json
import re
import time
from base64 import b64decode
from itertools import count
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from itsdangerous import TimestampSigner

from portal import sessions
from portal.sessions import Sessions
from portal.settings import PortalSettings
from tests.unit.portal.world import PROXY, SECRET, World, form, portal

CHALLENGE = "/v1/guest/challenge"

numbers = count()


def person() -> dict[str, Any]:
    """Return the cookie of a session of its own."""
    return {"person": {"id": "person-1", "name": "Maria Sandoval", "session": f"session-of-{next(numbers)}"}}


def ends(world: World, session: str) -> list[str]:
    """Return why a session ended, for each time that this was told."""
    facts = (one["data"] for one in world.producer.sent if one["type"] == "portal.session-ended.v1")
    return [fact["reason"] for fact in facts if fact["session_id"] == session]


@pytest.mark.parametrize(
    ("address", "forwarded", "told"),
    [
        ("203.0.113.5", None, "203.0.113.5"),
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        (PROXY, "198.51.100.1", "198.51.100.1"),
        (PROXY, "192.0.2.99, 198.51.100.1", "198.51.100.1"),
        (PROXY, "192.0.2.99, 198.51.100.1, 10.1.2.3", "198.51.100.1"),
        (PROXY, "2001:db8::1", "2001:db8::1"),
        (PROXY, None, PROXY),
    ],
)
async def test_a_guest_is_counted_by_the_address_that_a_trusted_proxy_tells_and_by_no_other(
    world: World, address: str, forwarded: str | None, told: str
) -> None:
    world.services.answer("GET", CHALLENGE, {})
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    async with world.visitor(address=address) as browser:
        await browser.get("/pay-my-bill/challenge", headers=headers)
    (asked,) = world.services.calls("GET", CHALLENGE)
    assert asked.headers["x-forwarded-for"] == told


@pytest.mark.parametrize("value", ["everybody", "*", "10.0.0.0/33", "10.0.0.7,", "10.0.0.7 10.0.0.8"])
def test_only_addresses_and_networks_are_trusted(world: World, value: str) -> None:
    settings = world.app.state.settings.model_dump() | {"trusted_proxies": value}
    with pytest.raises(ValueError, match="trusted_proxies"):
        PortalSettings.model_validate(settings)


async def test_who_signs_out_is_signed_out_though_kafka_is_away_and_it_is_told_once_it_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_args: Any, **_options: Any) -> None:
        raise KafkaError

    cookie = person()
    with monkeypatch.context() as away:
        away.setattr(world.producer, "send_and_wait", refuse)
        async with world.visitor(cookie=cookie) as browser:
            answer = await browser.post("/logout", data=form())
            after = await browser.get("/settings")
        await world.app.state.sessions.tell_ends()
    async with world.visitor(cookie=cookie) as browser:
        kept = await browser.get("/settings")
    assert answer.status_code == 303
    assert after.headers["location"] == kept.headers["location"] == "/login?next=/settings"
    assert ends(world, cookie["person"]["session"]) == []
    await world.app.state.sessions.tell_ends()
    await world.app.state.sessions.tell_ends()
    assert ends(world, cookie["person"]["session"]) == ["logout"]


async def test_a_cookie_that_somebody_kept_is_good_no_more_after_the_sign_out_of_staff(world: World) -> None:
    cookie = world.of_staff("zoe")
    async with world.visitor(cookie=cookie) as browser:
        assert (await browser.get("/basket/attachments/a-1")).status_code == 404
        await browser.post("/logout", data=form())
    async with world.visitor(cookie=cookie) as browser:
        kept = await browser.get("/basket/attachments/a-1")
    assert kept.headers["location"].startswith("/login?next=")
    assert world.producer.sent == []


async def test_who_signed_in_at_an_older_release_can_sign_out(world: World) -> None:
    cookie = world.of_staff("zoe")
    del cookie["staff"]["session"]
    async with world.visitor(cookie=cookie) as browser:
        answer = await browser.post("/logout", data=form())
    assert answer.status_code == 303


async def test_who_signed_out_at_another_process_is_signed_out_here_too_and_who_left_it_goes_on(
    world: World,
) -> None:
    cookie = person()
    for kind, reason, status in (("started", "", 404), ("ended", "timeout", 404), ("ended", "logout", 303)):
        ended = {"session_id": cookie["person"]["session"], "person_id": "person-1", "reason": reason}
        fact = {"id": "f-1", "type": f"portal.session-{kind}.v1", "subject": "person-1", "data": ended}
        world.app.state.events.take("portal.sessions.v1", json.dumps(fact).encode())
        async with world.visitor(cookie=cookie) as browser:
            assert (await browser.get("/messages/attachments/a-1")).status_code == status
    await world.app.state.sessions.tell_ends()
    assert world.producer.sent == []


async def test_a_session_that_nobody_uses_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "SWEEP_S", 0.01)
    watched = Sessions(world.app.state.commands, idle_s=0)
    watched.used("session-left", "person-1")
    running = asyncio.create_task(watched.run())
    async with asyncio.timeout(10):
        while not watched.ended("session-left") or not world.producer.sent:
            await asyncio.sleep(0)
    running.cancel()
    assert ends(world, "session-left") == ["timeout"]


async def test_a_session_ends_in_time_however_much_it_is_used(world: World) -> None:
    lifetime_s = world.app.state.settings.lifetime_s
    young, old = ({"began": int(time.time()) - age_s} for age_s in (lifetime_s - 60, lifetime_s + 1))
    cookie = person()
    async with world.visitor(cookie=cookie | young) as browser:
        assert (await browser.get("/messages/attachments/a-1")).status_code == 404
    async with world.visitor(cookie=cookie | old) as browser:
        assert (await browser.get("/messages/attachments/a-1")).status_code == 303
    await world.app.state.sessions.tell_ends()
    assert ends(world, cookie["person"]["session"]) == ["timeout"]
    async with world.visitor(cookie={**world.of_staff("ann"), **old}) as browser:
        assert (await browser.get("/basket")).headers["location"] == "/login?next=/basket"


@pytest.mark.parametrize("staff", [False, True])
@pytest.mark.parametrize("by_itself", [{"x-unattended": "yes"}, {"accept": "text/event-stream"}])
async def test_what_an_open_page_asks_for_by_itself_keeps_no_session_alive(
    world: World, by_itself: dict[str, str], *, staff: bool
) -> None:
    path = "/basket/attachments/a-1" if staff else "/messages/attachments/a-1"
    async with world.staff() if staff else world.visitor(cookie=person()) as browser:
        unattended = await browser.get(path, headers=by_itself)
        clicked = await browser.get(path)
    assert world.services.asked
    assert "set-cookie" not in unattended.headers
    assert "set-cookie" in clicked.headers


async def test_the_news_of_a_page_are_for_the_session_that_opened_it() -> None:
    async with portal() as one:
        cookie = person()
        one.services.answer("GET", "/v1/patients", [])
        one.services.answer("GET", "/v1/threads", [])
        async with one.visitor(cookie=cookie) as browser:
            told = re.search('data-live="([^"]+)"', (await browser.get("/messages")).text)
            assert told
            one.app.state.events.close()
            assert (await browser.get(told[1])).status_code == 200
            await browser.post("/logout", data=form())
            assert (await browser.get(told[1])).status_code == 404
        staff = one.of_staff("ann")
        async with one.visitor(cookie=staff) as browser:
            assert (await browser.get(told[1])).status_code == 200
            await browser.post("/logout", data=form())
        for kept in (cookie, staff):
            async with one.visitor(cookie=kept) as browser:
                assert (await browser.get(told[1])).status_code == 404
        for other in (cookie | {"csrf": "of a later login"}, {"csrf": "of somebody else"}):
            async with one.visitor(cookie=other) as browser:
                assert (await browser.get(told[1])).status_code == 404


@pytest.mark.parametrize("letter", ["a", "é", '"', "\N{GRINNING FACE}"])
async def test_after_the_login_one_goes_on_to_an_address_that_a_cookie_can_hold_or_home(
    world: World, letter: str
) -> None:
    short, longest = f"/{letter * 80}", f"/{letter * 5000}"
    async with world.staff() as browser:
        for wanted, kept in ((short, short), (longest, "/")):
            answer = await browser.get("/login", params={"next": wanted})
            assert answer.status_code == 303
            cookie = json.loads(b64decode(TimestampSigner(SECRET).unsign(answer.cookies["session"])))
            assert cookie["attempt"]["next"] == kept
            assert len(answer.headers["set-cookie"]) < 4096
