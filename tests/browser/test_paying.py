"""Paying, as people do it: by card, twice in a row, without JavaScript, as a guest, by a plan."""

import asyncio
import re

from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, Sandbox

WORKED_ON_MS = 15_000


async def choose_token(page: Page, token: str) -> None:
    frame = page.frame_locator("iframe")
    await frame.locator("#token").select_option(token)


async def amount_of(page: Page, amount: str) -> None:
    await page.fill("[name=amount]", amount)


async def to_review(page: Page) -> None:
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("heading", name="Look it over")).to_be_visible()


async def test_a_payment_takes_three_steps_and_turns_paid_by_itself(open_page: OpenPage, sandbox: Sandbox) -> None:
    page = await open_page("maria", "/pay/SBX-1001")
    before = len(await sandbox.charges("SBX-1001"))
    await amount_of(page, "10.00")
    await to_review(page)
    await expect(page.locator("tfoot")).to_contain_text("$10.00")
    await page.get_by_role("button", name="Pay $10.00").click()
    await expect(page.get_by_role("heading", name="Paid. Thank you!")).to_be_visible(timeout=WORKED_ON_MS)
    assert [one["amount_minor"] for one in await sandbox.charges("SBX-1001")][before:] == [1000]
    receipt = await page.request.get(await page.get_by_role("link", name="Receipt").get_attribute("href") or "")
    assert receipt.headers["content-type"] == "application/pdf"
    assert (await receipt.body()).startswith(b"%PDF")


async def test_two_clicks_are_one_payment(open_page: OpenPage, sandbox: Sandbox) -> None:
    page = await open_page("maria", "/pay/SBX-1001")
    before = len(await sandbox.charges("SBX-1001"))
    await amount_of(page, "5.00")
    await to_review(page)
    form = await page.locator("main form").evaluate("form => Object.fromEntries(new FormData(form))")
    first = await page.request.post("/pay/SBX-1001", form=form, max_redirects=0)
    second = await page.request.post("/pay/SBX-1001", form=form, max_redirects=0)
    assert first.status == second.status == 303
    assert first.headers["location"] == second.headers["location"]
    await page.goto(first.headers["location"])
    await expect(page.get_by_role("heading", name="Paid. Thank you!")).to_be_visible(timeout=WORKED_ON_MS)
    assert len(await sandbox.charges("SBX-1001")) == before + 1


async def test_a_declined_card_is_told_in_words_with_another_way(open_page: OpenPage) -> None:
    page = await open_page("james", "/pay/SBX-1002")
    await page.frame_locator("iframe").locator("#token").select_option("tok_declined")
    await to_review(page)
    await page.get_by_role("button", name=re.compile("Pay")).click()
    await expect(page.get_by_text("The card was declined.")).to_be_visible(timeout=WORKED_ON_MS)
    await expect(page.get_by_role("link", name="Pay another way")).to_be_visible()


async def test_an_amount_above_the_balance_is_refused_and_kept(open_page: OpenPage) -> None:
    page = await open_page("maria", "/pay/SBX-1001")
    await amount_of(page, "99999.00")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("alert")).to_contain_text("This is more than you owe.")
    await expect(page.locator("[name=amount]")).to_have_value("99999.00")


async def test_a_saved_card_pays_without_javascript(open_page: OpenPage, sandbox: Sandbox) -> None:
    page = await open_page("grace", "/pay/SBX-1003")
    await amount_of(page, "7.00")
    await page.get_by_text("New card").click()
    await page.get_by_label("Save it for next time").check()
    await to_review(page)
    await page.get_by_role("button", name="Pay $7.00").click()
    await expect(page.get_by_role("heading", name="Paid. Thank you!")).to_be_visible(timeout=WORKED_ON_MS)

    plain = await open_page("grace", "/pay/SBX-1003", java_script_enabled=False)
    await plain.locator("[name=method]").first.check()
    await plain.check("[name=amount_choice][value=other]")
    await amount_of(plain, "8.00")
    await to_review(plain)
    await plain.get_by_role("button", name="Pay $8.00").click()
    async with asyncio.timeout(WORKED_ON_MS / 1000):
        while not await plain.get_by_role("heading", name="Paid. Thank you!").is_visible():
            await plain.reload()
    amounts = [one["amount_minor"] for one in await sandbox.charges("SBX-1003")]
    assert amounts[-2:] == [700, 800]


async def test_a_guest_finds_and_pays_a_bill_with_number_and_name(open_page: OpenPage, sandbox: Sandbox) -> None:
    page = await open_page(path="/pay-my-bill")
    await expect(page.get_by_text("You are no robot.")).to_be_visible(timeout=WORKED_ON_MS)
    await page.get_by_label("Account number").fill("SBX-1005")
    await page.get_by_label("Last name").fill("Somebody")
    await page.get_by_role("button", name="Find my bill").click()
    await expect(page.get_by_text("We found no bill with this number and last name.")).to_be_visible()

    await expect(page.get_by_text("You are no robot.")).to_be_visible(timeout=WORKED_ON_MS)
    await page.get_by_label("Last name").fill("whitlock")
    await page.get_by_role("button", name="Find my bill").click()
    await amount_of(page, "12.00")
    assert "Harold" not in await page.content()
    await to_review(page)
    await page.get_by_role("button", name="Pay $12.00").click()
    await expect(page.get_by_role("heading", name="Paid. Thank you!")).to_be_visible(timeout=WORKED_ON_MS)
    assert 1200 in [one["amount_minor"] for one in await sandbox.charges("SBX-1005")]


async def test_a_plan_changes_as_one_moves_it_and_can_be_paused_and_ended(open_page: OpenPage) -> None:
    page = await open_page("sofia", "/plan/SBX-1004")
    await page.get_by_role("textbox", name="Amount each month").fill("100,50")
    await expect(page.get_by_role("slider")).to_have_value(re.compile("^10[01]$"))
    await page.get_by_role("textbox", name="Amount each month").fill("100.00")
    await expect(page.locator("#quote tbody tr")).to_have_count(11)
    await page.get_by_role("textbox", name="Amount each month").fill("200.00")
    await expect(page.locator("#quote tbody tr")).to_have_count(6)
    await page.get_by_label(re.compile("I allow the hospital")).check()
    await page.get_by_role("button", name="Start the plan").click()
    await expect(page.get_by_text("Your plan has started.")).to_be_visible(timeout=WORKED_ON_MS)
    await expect(page.get_by_text("Payment plan: $200.00 a month").first).to_be_visible()
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("Your plan is paused.")).to_be_visible(timeout=WORKED_ON_MS)
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_text("Your plan goes on.")).to_be_visible(timeout=WORKED_ON_MS)
    await page.get_by_role("link", name="Change the plan").click()
    await expect(page.locator("#quote tbody tr")).to_have_count(6)
    await page.get_by_role("textbox", name="Amount each month").fill("100.00")
    await expect(page.locator("#quote tbody tr")).to_have_count(11)
    await page.get_by_role("button", name="Change the plan").click()
    await expect(page.get_by_text("Your plan was changed.")).to_be_visible(timeout=WORKED_ON_MS)
    await page.get_by_text("End the plan").first.click()
    await page.get_by_role("button", name="End the plan").click()
    await expect(page.get_by_text("Your plan has ended.")).to_be_visible(timeout=WORKED_ON_MS)
