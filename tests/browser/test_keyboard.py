"""Who works with keys alone, or hears the page instead of seeing it, stays where they were."""

import re
from secrets import token_hex

from playwright.async_api import expect

from tests.browser.clerks import hold_up, live, open_item, write
from tests.browser.conftest import OpenPage

NEWS_MS = 15_000


async def test_an_action_says_that_it_is_under_way_and_leaves_its_clerk_at_the_item(open_page: OpenPage) -> None:
    subject = f"By keys alone {token_hex(3)}"
    ann = await live(await open_page("ann", "/basket?pool=billing"))
    await write(await open_page("maria"), subject, "Hello")
    await open_item(ann, subject)
    await expect(ann).to_have_title(re.compile(subject))
    await expect(ann.locator("#said")).to_have_text(subject)
    go_on = await hold_up(ann, "/claim")

    await ann.locator("#act-claim").focus()
    await ann.keyboard.press("Enter")
    await expect(ann.locator("#act-claim")).to_have_text("Sending…")
    go_on.set()
    await expect(ann.locator("#item-facts .holder")).to_have_text("you")
    await expect(ann.locator("#detail h2")).to_be_focused()

    await ann.locator("#act-release").focus()
    await ann.evaluate("htmx.trigger('#open-item', 'news')")
    await expect(ann.locator("#act-release")).to_be_focused()
    await ann.locator("#open-reassign").focus()
    await ann.keyboard.press("Enter")
    await expect(ann.locator("#reassign-pool")).to_be_focused()
    await ann.keyboard.press("Escape")
    await expect(ann.locator("#open-reassign")).to_be_focused()
    await ann.keyboard.press("u")
    await expect(ann.locator("#item-facts .holder")).to_have_count(0)


async def test_news_leave_the_focus_where_it_is(open_page: OpenPage) -> None:
    subject = f"Read by keys {token_hex(3)}"
    maria = await open_page("maria")
    await write(maria, subject, "Hello")
    page = await open_page("maria", "/messages")
    focused = page.get_by_role("link", name=re.compile(subject))
    await focused.focus()
    await write(maria, "Another question", "Hello")
    await expect(page.get_by_text("Another question")).to_be_visible(timeout=NEWS_MS)
    await expect(focused).to_be_focused()
