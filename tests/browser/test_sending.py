"""What becomes of a form that does not go through at once: it is corrected, or its text is kept; back works."""

import re
from pathlib import Path
from secrets import token_hex

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import OpenPage
from tests.browser.looking import look

WRITING = "/messages/new?kind=non-medical&category=billing-question"


async def begin(page: Page, subject: str, body: str) -> None:
    """Write a message about Maria herself."""
    await page.get_by_role("link", name="Maria Sandoval").click()
    await page.fill("#subject", subject)
    await page.fill("#body", body)


@pytest.fixture
def subject() -> str:
    return f"Question {token_hex(3)}"


async def test_back_leads_from_what_was_sent_to_its_form_whatever_was_wrong_before(
    open_page: OpenPage, subject: str
) -> None:
    page = await open_page("maria", WRITING)
    await begin(page, subject, " ")
    form = page.url
    for _ in range(2):
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("Please write something")).to_be_visible()
        await expect(page.locator("#subject")).to_have_value(subject)
    await page.fill("#body", "Why twice?")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Sent to our billing team.")).to_be_visible()

    await page.go_back()

    await expect(page.locator("#subject")).to_be_visible()
    await expect(page).to_have_url(form)


async def test_back_leads_to_a_form_that_was_left_after_an_error(open_page: OpenPage, subject: str) -> None:
    page = await open_page("maria", WRITING)
    await begin(page, subject, " ")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Please write something")).to_be_visible()
    await page.get_by_role("link", name="Bills").click()
    await expect(page.get_by_role("heading", name="Billing summary")).to_be_visible()

    await page.go_back()

    await expect(page.locator("#subject")).to_be_visible()


@pytest.mark.parametrize("wrong", [False, True])
async def test_back_brings_all_that_was_being_written(open_page: OpenPage, subject: str, *, wrong: bool) -> None:
    page = await open_page("maria", WRITING)
    await begin(page, subject, " " if wrong else "Why twice?")
    if wrong:
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("Please write something")).to_be_visible()
    await page.get_by_role("link", name="Bills").click()
    await expect(page.get_by_role("heading", name="Billing summary")).to_be_visible()

    await page.go_back()

    await expect(page.locator("#subject")).to_have_value(subject)
    await expect(page.locator("#body")).to_have_value("" if wrong else "Why twice?")


async def test_back_leads_from_a_payment_to_its_first_step(open_page: OpenPage) -> None:
    page = await open_page("james", "/pay/SBX-1002")
    await page.fill("[name=amount]", "1.00")
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url("**/review", wait_until="load")  # its scripts are there
    await page.get_by_role("button", name="Pay $1.00").click()
    await expect(page).to_have_url(re.compile("/payments/"))

    await page.go_back()

    await expect(page.locator("[name=amount]")).to_be_visible()


async def test_who_was_signed_out_in_another_tab_finds_the_text_and_comes_back_to_the_form(
    open_page: OpenPage, artefacts: Path, subject: str
) -> None:
    page = await open_page("maria", WRITING, anew=True)
    await begin(page, subject, "It took long to write this.")
    form = page.url
    other = await page.context.new_page()
    await other.goto("/")
    await other.locator("summary").first.click()
    await other.get_by_role("button", name="Sign out").click()
    await expect(other.get_by_text("You are signed out.")).to_be_visible()

    await page.get_by_role("button", name="Send").click()

    await expect(page.locator("#body")).to_have_value("It took long to write this.")
    await expect(page.locator("#body")).not_to_be_editable()
    await look(page, artefacts, "signed-out")
    async with page.expect_popup() as opened:
        await page.locator("main").get_by_role("link", name="Sign in").click()
    login = await opened.value
    await login.fill("[name=username]", "maria")
    await login.fill("[name=password]", "demo")
    await login.click("button[type=submit]")
    await expect(login).to_have_url(form)
    await expect(login.locator("#subject")).to_be_visible()
    await expect(page.locator("#body")).to_have_value("It took long to write this.")


async def test_a_message_that_is_refused_after_its_page_was_left_can_be_written_again(
    open_page: OpenPage, subject: str
) -> None:
    page = await open_page("maria", WRITING)
    await begin(page, subject, "It took long to write this.")
    form = page.url
    key = await page.locator("[name=message_id]").get_attribute("value")

    async def refuse(route: Route) -> None:
        answer = await route.fetch()
        told = f'<main><a href="/messages/new" data-written="{key}">Write it again</a>'
        await route.fulfill(response=answer, body=re.sub("<main[^>]*>", told, await answer.text()))

    await page.route(re.compile("/messages/(new|[0-9a-f-]+)$"), refuse)
    await page.get_by_role("button", name="Send").click()
    await page.get_by_role("link", name="Write it again").click()

    await expect(page).to_have_url(f"{form}#{key}")
    await expect(page.locator("#subject")).to_have_value(subject)
    await expect(page.locator("#body")).to_have_value("It took long to write this.")

    # Also where the form is on the page that tells it.
    await page.goto("/messages")
    await page.locator(".thread-row").first.click()
    key = await page.locator("[name=message_id]").get_attribute("value")
    await page.fill("#body", "Something more")
    await page.get_by_role("button", name="Send").click()
    await page.get_by_role("link", name="Write it again").click()
    await expect(page.locator("#body")).to_have_value("Something more")
    await page.goto("/")
    assert await page.evaluate("sessionStorage.getItem('written')") == "{}"
