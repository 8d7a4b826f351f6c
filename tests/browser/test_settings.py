"""Contacts, codes and statements without paper."""

import asyncio
import re

from playwright.async_api import expect

from tests.browser.conftest import OpenPage, Sandbox


async def code_sent_to(sandbox: Sandbox, address: str, *, but: str = "") -> str:
    async with asyncio.timeout(20):
        while True:
            for mail in await sandbox.get(f"/mail/messages?to={address}"):
                found = re.search(r"\b\d{6}\b", mail["text"])
                if found and found.group() != but:
                    return found.group()
            await asyncio.sleep(0.1)


async def test_one_signs_up_for_statements_without_paper(open_page: OpenPage, sandbox: Sandbox) -> None:
    page = await open_page("sofia", "/paperless/SBX-1004")
    address = "sofia@mail.example"
    await page.get_by_label("Email address or mobile number").fill(address)
    await page.get_by_role("button", name="Send me a code").click()
    await page.get_by_label("Code").fill("000000")
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_role("alert")).to_contain_text("This is not the code.", timeout=15_000)
    await page.get_by_label("Code").fill(await code_sent_to(sandbox, address))
    await page.get_by_role("button", name="Confirm").click()
    await expect(page.get_by_text("Confirmed. We can reach you there now.")).to_be_visible(timeout=15_000)

    await page.get_by_role("button", name="Sign Me Up").click()
    await expect(page.get_by_role("alert")).to_contain_text("Please tick the box to agree.", timeout=15_000)
    await page.get_by_label("I have read this and agree").check()
    await page.get_by_role("button", name="Sign Me Up").click()
    await expect(page.get_by_text("You are signed up.")).to_be_visible(timeout=15_000)
    await expect(page.get_by_text("Paperless", exact=True)).to_be_visible()

    await page.goto("/settings")
    await page.get_by_role("button", name="Send paper again").click()
    await expect(page.get_by_text("Your statements will come on paper again.")).to_be_visible(timeout=15_000)


async def test_a_code_that_was_brought_in_another_tab_is_asked_for_no_more(
    open_page: OpenPage, sandbox: Sandbox
) -> None:
    page = await open_page("sofia", "/settings")
    address = "sofia.two@mail.example"
    await page.get_by_label("Email address or mobile number").fill(address)
    await page.get_by_role("button", name="Send me a code").click()
    await page.get_by_label("Code").press_sequentially("12")
    other = await page.context.new_page()
    await other.goto(page.url)
    await other.get_by_label("Code").fill(await code_sent_to(sandbox, address))
    await other.get_by_role("button", name="Confirm").click()
    await expect(other.get_by_text("Confirmed. We can reach you there now.")).to_be_visible(timeout=15_000)

    await expect(page.locator("#standing")).to_contain_text("Confirmed", timeout=15_000)
    await expect(page.get_by_label("Code")).to_be_hidden()
    await expect(page.get_by_role("button", name="Send another code")).to_be_hidden()
    await page.get_by_role("link", name="Go on").click()
    await expect(page).to_have_url(re.compile("/settings$"))


async def test_an_address_that_is_none_is_refused_where_one_looks_and_kept(open_page: OpenPage) -> None:
    page = await open_page("maria", "/settings")
    await page.get_by_label("Email address or mobile number").fill("not an address")
    await page.get_by_role("button", name="Send me a code").click()
    told = page.get_by_role("alert")
    await expect(told).to_contain_text("This does not look right.", timeout=15_000)
    await expect(told).to_be_focused()
    await expect(page).to_have_title(re.compile("^Error: Settings"))
    await told.get_by_role("link").click()
    await expect(page.get_by_label("Email address or mobile number")).to_be_focused()
    await expect(page.get_by_label("Email address or mobile number")).to_have_value("not an address")


async def test_customer_service_is_asked_about_an_account(open_page: OpenPage) -> None:
    page = await open_page("maria", "/contact/SBX-1001")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_contain_text("Please say in a few words what it is about.")
    await page.get_by_label("Subject").fill("About the second charge")
    await page.get_by_label("Your question").fill("What was it for?")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Your message is on its way")).to_be_visible(timeout=15_000)
