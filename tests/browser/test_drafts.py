"""What clerks have typed and not sent stays with its item, whatever they do meanwhile."""

from secrets import token_hex

import pytest
from playwright.async_api import expect

from tests.browser.clerks import FAST_MS, live, open_item, two, with_item
from tests.browser.conftest import OpenPage


@pytest.fixture
def subject() -> str:
    return f"Charged twice {token_hex(3)}"


async def test_back_brings_an_item_with_what_was_typed_and_the_page_is_as_live_as_before(
    open_page: OpenPage, subject: str
) -> None:
    ann, first, second = await two(open_page, subject)
    await open_item(ann, first)
    await ann.locator("#body").fill("To the first")
    await open_item(ann, second)

    await ann.go_back()

    await expect(ann.locator("#detail h2")).to_have_text(first)
    await expect(ann.locator("#body")).to_have_value("To the first")
    await expect(ann.locator("#live")).to_have_text("Live")
    await ann.context.clear_cookies()
    await ann.get_by_role("button", name="Send", exact=True).click()
    await expect(ann.locator("#toasts").get_by_role("link", name="Sign in")).to_be_visible()


async def test_what_is_typed_into_a_panel_stays_while_the_item_is_claimed_and_goes_when_it_is_sent(
    open_page: OpenPage, subject: str
) -> None:
    ann = await with_item(open_page, subject)
    await ann.keyboard.press("m")
    await ann.locator("#reassign-to").fill("bob")
    await ann.locator("#reassign-reason").fill("Bob knows the case")
    await ann.get_by_role("button", name="Claim").click()

    await expect(ann.locator("#item-facts .holder")).to_have_text("you")
    await expect(ann.locator("#reassign-reason")).to_have_value("Bob knows the case")
    await ann.locator("#panel-reassign button").click()

    await expect(ann.locator("#item-facts .holder")).to_have_text("for bob", timeout=FAST_MS)
    await expect(ann.locator("#panel-reassign")).not_to_have_attribute("open", "")
    await expect(ann.locator("#reassign-reason")).to_have_value("")


async def test_what_a_colleague_moves_away_while_one_replies_says_so_and_the_reply_can_be_read(
    open_page: OpenPage, subject: str
) -> None:
    ann = await with_item(open_page, subject)
    await ann.locator("#body").fill("A long answer")
    sue = await live(await open_page("sue", "/basket?pool=billing"))
    await open_item(sue, subject)
    await sue.locator(".basket-actions [data-panel=panel-reassign]").click()
    await sue.locator("#reassign-pool").select_option("crm")
    await sue.locator("#reassign-reason").fill("It is theirs")
    await sue.locator("#panel-reassign button").click()

    said = ann.locator("#item-banner").get_by_text("It is in a pool now that is not yours to see.")
    await expect(said).to_be_visible(timeout=FAST_MS)
    await ann.get_by_role("button", name="Send", exact=True).click()
    await expect(ann.locator("#items .basket-item", has_text=subject)).to_have_count(0)
    await expect(said).to_be_visible()
    await expect(ann.locator("#body")).to_have_value("A long answer")
    await expect(ann.locator("#toasts .alert")).to_have_count(0)
