"""Logging in and out, languages, and what protects a session."""

import asyncio
import json
import re
from typing import Any

from aiokafka import AIOKafkaConsumer
from playwright.async_api import expect

from tests.browser.conftest import Endpoints, OpenPage


async def told_of_sessions(endpoints: Endpoints, count: int, after: dict[Any, int]) -> list[dict[str, Any]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=endpoints["kafka"], enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign(list(after))
        for partition, offset in after.items():
            consumer.seek(partition, offset)
        async with asyncio.timeout(15):
            return [json.loads((await consumer.getone()).value) for _ in range(count)]
    finally:
        await consumer.stop()


async def ends_of_sessions(endpoints: Endpoints) -> dict[Any, int]:
    consumer = AIOKafkaConsumer("portal.sessions.v1", bootstrap_servers=endpoints["kafka"])
    await consumer.start()
    try:
        ends: dict[Any, int] = await consumer.end_offsets(consumer.assignment())
        return ends
    finally:
        await consumer.stop()


async def test_a_session_is_told_when_it_starts_and_ends(open_page: OpenPage, endpoints: Endpoints) -> None:
    before = await ends_of_sessions(endpoints)
    page = await open_page("grace", anew=True)
    await expect(page.get_by_role("heading", name="Hello, Grace")).to_be_visible()
    kept = await page.context.cookies()
    await page.locator("summary").first.click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("You are signed out.")).to_be_visible()

    started, ended = await told_of_sessions(endpoints, 2, before)
    assert started["type"] == "portal.session-started.v1"
    assert ended["type"] == "portal.session-ended.v1"
    assert started["subject"] == ended["subject"] == started["data"]["person_id"] == "sbx-person-grace"
    assert ended["data"] == {**started["data"], "reason": "logout"}

    # Whoever kept the cookie has no session any more.
    await page.context.clear_cookies()
    await page.context.add_cookies([{**one} for one in kept])  # type: ignore[typeddict-item]
    await page.goto("/billing")
    await expect(page.get_by_role("heading", name="Sandbox login")).to_be_visible()


async def test_a_form_of_somebody_else_does_nothing(open_page: OpenPage) -> None:
    page = await open_page("maria", "/settings")
    answer = await page.request.post("/preferences", form={"theme": "dark"})
    assert answer.status == 403
    assert "Nothing was sent" in await answer.text()
    assert "theme" not in {one.get("name") for one in await page.context.cookies()}


async def test_what_is_not_ones_own_is_not_found(open_page: OpenPage) -> None:
    page = await open_page("maria", "/billing")
    for path in ("/billing/SBX-1002", "/pay/SBX-1002", "/plan/SBX-1002", "/contact/SBX-1002"):
        answer = await page.request.get(path)
        assert answer.status == 404, path
        assert "James" not in await answer.text()


async def test_a_proxy_sees_the_account_of_whom_they_act_for(open_page: OpenPage) -> None:
    page = await open_page("grace", "/billing")
    await expect(page.get_by_role("heading", name="James Okafor")).to_be_visible()


async def test_who_is_not_signed_in_comes_back_to_where_they_wanted(open_page: OpenPage) -> None:
    page = await open_page(path="/billing/SBX-1001")
    await page.fill("[name=username]", "maria")
    await page.fill("[name=password]", "demo")
    await page.click("button[type=submit]")
    await expect(page).to_have_url(re.compile("/billing/SBX-1001$"))


async def test_the_login_goes_nowhere_else(open_page: OpenPage, endpoints: Endpoints) -> None:
    page = await open_page(path="/login?next=//elsewhere.example/")
    await page.fill("[name=username]", "maria")
    await page.fill("[name=password]", "demo")
    await page.click("button[type=submit]")
    await expect(page).to_have_url(f"{endpoints['portal']}/")


async def test_the_pages_speak_the_language_of_the_browser_until_one_chooses(open_page: OpenPage) -> None:
    page = await open_page("maria", locale="es-US")
    await expect(page.get_by_role("heading", name="Hola, Maria")).to_be_visible()
    await page.locator("summary").first.click()
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", name="Hello, Maria")).to_be_visible()
    await page.locator("summary").first.click()
    await page.get_by_role("button", name="Dark", exact=True).click()
    await expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


async def test_no_page_may_be_framed_or_run_what_is_not_ours(open_page: OpenPage) -> None:
    page = await open_page("maria")
    headers = (await page.request.get("/billing")).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    cookie = next(one for one in await page.context.cookies() if one["name"] == "session")
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"


async def test_a_balance_that_changes_elsewhere_changes_on_the_open_page(open_page: OpenPage) -> None:
    page = await open_page("james", "/billing/SBX-1002")
    before = await page.locator(".money.big").inner_text()
    asked: list[dict[str, str]] = []
    page.on("request", lambda request: asked.append(request.headers))
    other = await open_page("grace", "/pay/SBX-1002")
    await other.fill("[name=amount]", "1.00")
    await other.get_by_role("button", name="Continue").click()
    await other.get_by_role("button", name="Pay $1.00").click()
    await expect(page.locator(".money.big")).not_to_have_text(before, timeout=15_000)
    # Nobody clicked here, so the session is no younger for it.
    parts = [headers for headers in asked if "hx-request" in headers]
    assert parts
    assert all("x-unattended" in headers for headers in parts)
