"""What becomes of a form that does not go through at once: it is corrected, or its text is kept; back works."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from secrets import token_hex

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.clerks import send
from tests.browser.conftest import OpenPage
from tests.browser.looking import look

Handler = Callable[[Route], Awaitable[None]]
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
        await expect(page.get_by_role("alert")).to_contain_text("Please write something")
        await expect(page.locator("#subject")).to_have_value(subject)
    await page.fill("#body", "Why twice?")
    await send(page)

    await page.go_back()

    await expect(page.locator("#subject")).to_be_visible()
    await expect(page).to_have_url(form)


async def test_back_leads_to_a_form_that_was_left_after_an_error(open_page: OpenPage, subject: str) -> None:
    page = await open_page("maria", WRITING)
    await begin(page, subject, " ")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_contain_text("Please write something")
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
        await expect(page.get_by_role("alert")).to_contain_text("Please write something")
    await page.get_by_role("link", name="Bills").click()
    await expect(page.get_by_role("heading", name="Billing summary")).to_be_visible()

    await page.go_back()

    await expect(page.locator("#subject")).to_have_value(subject)
    await expect(page.locator("#body")).to_have_value(" " if wrong else "Why twice?")


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


def refused(key: str) -> Handler:
    """Have a page tell that a message was refused late."""

    async def told(route: Route) -> None:
        answer = await route.fetch()
        link = f'<main><a href="/messages/new" data-written="{key}" hidden>Write it again</a>'
        await route.fulfill(response=answer, body=re.sub("<main[^>]*>", link, await answer.text()))

    return told


async def key_of(page: Page) -> str:
    """Return the id of the message that is being written."""
    return await page.locator("[name=message_id]").get_attribute("value") or ""


async def test_a_message_that_is_refused_after_its_page_was_left_can_be_written_again(
    open_page: OpenPage, subject: str
) -> None:
    page = await open_page("maria", WRITING)
    await begin(page, subject, "It took long to write this.")
    form, key = page.url, await key_of(page)
    await page.route(re.compile("/messages/(new|[0-9a-f-]+)$"), refused(key))
    await page.get_by_role("button", name="Send").click()
    await page.get_by_role("link", name="Write it again").click()

    await expect(page).to_have_url(form)
    await expect(page.locator("#subject")).to_have_value(subject)
    await expect(page.locator("#body")).to_have_value("It took long to write this.")
    assert await key_of(page) == key, "sent twice it is one message"


async def test_what_is_tried_again_after_an_outage_stays_as_it_was_changed_last(
    open_page: OpenPage, subject: str
) -> None:
    page = await open_page("maria", WRITING)
    await begin(page, subject, "It took long to write this.")
    key = await key_of(page)
    # As the form of the page is that says that it was not sent.
    await page.evaluate("delete document.querySelector('form[data-writes]').dataset.writes")
    await page.fill("#body", "Longer still")
    await page.reload()
    await expect(page.locator("#body")).to_have_value("Longer still")
    assert await key_of(page) == key


async def test_a_reply_that_is_written_again_is_sent_once_and_mixed_with_no_other(
    open_page: OpenPage, subject: str
) -> None:
    page = await open_page("maria", WRITING)
    await begin(page, subject, "Why twice?")
    await send(page)
    thread, key = page.url, await key_of(page)
    await page.fill("#body", "Something more")
    await page.route(thread, refused(key))
    await page.get_by_role("button", name="Send").click()
    await page.fill("#body", "And something else")
    await page.get_by_role("link", name="Write it again").click()
    await expect(page.locator("#body")).to_have_value("Something more")
    assert await key_of(page) == key

    await send(page)

    await expect(page).to_have_url(thread)
    await expect(page.locator("#body")).to_have_value("")
    await expect(page.locator(".entry-text", has_text="Something more")).to_have_count(1)


async def test_back_after_sending_brings_the_same_message_not_a_second_one(
    open_page: OpenPage, subject: str
) -> None:
    page = await open_page("maria", WRITING)
    await begin(page, subject, "Why twice?")
    await send(page)
    thread = page.url
    await page.go_back()
    await expect(page.locator("#body")).to_have_value("Why twice?")

    await page.get_by_role("button", name="Send").click()

    await expect(page).to_have_url(thread)
    await expect(page.locator(".entry-text", has_text="Why twice?")).to_have_count(1)


async def test_what_was_written_about_somebody_else_comes_back_about_them_or_not_at_all(
    open_page: OpenPage, subject: str
) -> None:
    page = await open_page("grace", "/contact/SBX-1002")
    await page.get_by_role("radio").nth(1).check()
    whom = await page.locator("[name=patient_id]:checked").get_attribute("value")
    await page.get_by_role("radio", name="Something else").check()
    await page.fill("#subject", subject)
    await page.fill("#body", "About the second one")
    form = page.url
    await page.goto("/billing")

    await page.go_back()

    await expect(page.locator("#body")).to_have_value("About the second one")
    await expect(page.locator("[name=patient_id]:checked")).to_have_attribute("value", whom or "")
    await expect(page.locator("[name=category]:checked")).to_have_attribute("value", "customer-service")

    async def without(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, body=(await answer.text()).replace(f'value="{whom}"', 'value="p-0"'))

    await page.goto("/billing")
    await page.route(form, without)
    await page.go_back()
    await expect(page.locator("#body")).to_have_value("")
    await expect(page.locator("#subject")).to_have_value("")


async def test_nothing_of_a_message_stays_in_the_tab_when_its_writer_has_signed_out(
    open_page: OpenPage, subject: str
) -> None:
    page = await open_page("maria", WRITING, anew=True)
    await begin(page, subject, "Only for me")
    kept = "Object.values(sessionStorage).join()"
    assert "Only for me" in await page.evaluate(kept)
    # Also where somebody else's session has begun in it meanwhile.
    await page.evaluate("sessionStorage.setItem('written:m-0', JSON.stringify({session: 'of before', body: 'x'}))")
    await page.reload()
    await expect(page.locator("#body")).to_have_value("Only for me")
    assert "of before" not in await page.evaluate(kept)

    await page.evaluate("document.addEventListener('submit', (event) => event.preventDefault())")
    await page.locator("summary").first.click()
    await page.get_by_role("button", name="Sign out").click()

    assert "Only for me" not in await page.evaluate(kept)
