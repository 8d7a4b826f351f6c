"""Patients, billing clerks and their pages together: what one does, the others see without reloading."""

from pathlib import Path
from secrets import token_hex

import pytest
from playwright.async_api import expect

from sandbox.scanner import EICAR
from tests.browser.cable import Cable
from tests.browser.clerks import FAST_MS, begin, claim, hold_up, live, open_item, two, write
from tests.browser.conftest import Endpoints, OpenPage
from tests.browser.looking import look


@pytest.fixture
def subject() -> str:
    return f"Charged twice {token_hex(3)}"  # a name that no other run has


async def test_a_message_goes_to_the_basket_and_its_answer_comes_back_without_a_reload(
    open_page: OpenPage, subject: str, tmp_path: Path
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Why was I charged twice?")
    ann = await live(await open_page("ann", "/basket?pool=billing"))
    maria = await open_page("maria")

    await write(maria, subject, "I have chest pain and was charged twice", letter)
    await claim(ann, subject)
    await expect(ann.locator("#item-banner")).to_contain_text("chest pain")
    await expect(ann.get_by_role("link", name="letter.txt")).to_be_visible()
    await ann.keyboard.press("r")
    await ann.keyboard.type("We have corrected it.")
    await ann.keyboard.press("Control+Enter")

    await expect(ann.locator("#item-thread")).to_contain_text("We have corrected it.", timeout=FAST_MS)
    await expect(ann.locator("#body")).to_have_value("")
    await expect(maria.locator("#thread")).to_contain_text("We have corrected it.", timeout=FAST_MS)
    await expect(maria.locator("#thread .status-badge")).to_have_text("Answered")
    await ann.keyboard.press("Escape")
    await ann.keyboard.press("e")
    await expect(ann.locator("#item-facts")).to_contain_text("Done")


async def test_a_file_with_a_virus_is_refused_where_it_is_chosen_and_the_message_goes_without_it(
    open_page: OpenPage, subject: str, tmp_path: Path, artefacts: Path
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_bytes(EICAR)
    maria = await open_page("maria")
    await begin(maria, subject, "Why was I charged twice?")

    await maria.set_input_files("#files", letter)

    row = maria.locator(".file-refused")
    await expect(row).to_contain_text("Our scanner found something harmful in this file.", timeout=FAST_MS)
    await look(maria, artefacts, "file-refused")
    await maria.get_by_role("button", name="Send").click()
    await expect(maria.get_by_text("Sent to our billing team.")).to_be_visible(timeout=FAST_MS)
    await expect(maria.get_by_text("letter.txt")).to_have_count(0)


async def test_words_of_an_emergency_are_warned_of_before_sending(open_page: OpenPage) -> None:
    maria = await open_page("maria", "/messages/new?kind=non-medical&category=billing-question")
    await maria.get_by_role("link", name="Maria Sandoval").click()
    await maria.locator("#body").press_sequentially("I have chest pain")
    await expect(maria.locator("#urgent")).to_contain_text("call 911 now")
    await expect(maria.get_by_role("button", name="Send")).to_be_enabled()


async def test_a_reply_that_somebody_made_larger_is_renewed_like_another(
    open_page: OpenPage, subject: str
) -> None:
    ann = await live(await open_page("ann", "/basket?pool=billing"))
    await write(await open_page("maria"), subject, "Hello")
    await claim(ann, subject)
    # As its corner does when it is drawn.
    await ann.locator("#body").evaluate("body => { body.style.height = '300px'; }")
    await ann.get_by_role("button", name="Release").click()
    await expect(ann.locator("#item-facts .holder")).to_have_count(0)
    await ann.get_by_role("button", name="Claim").click()
    await expect(ann.locator("#item-facts .holder")).to_have_text("you")


async def test_who_was_signed_out_while_writing_keeps_the_text_and_is_led_to_the_login(
    open_page: OpenPage, subject: str
) -> None:
    ann = await live(await open_page("ann", "/basket?pool=billing", anew=True))
    await write(await open_page("maria"), subject, "Hello")
    await claim(ann, subject)
    await ann.locator("#body").fill("A long answer")
    await ann.context.clear_cookies()

    await ann.get_by_role("button", name="Send", exact=True).click()

    login = ann.locator("#toasts").get_by_role("link", name="Sign in")
    await expect(login).to_have_attribute("target", "_blank")
    await expect(ann.locator("#body")).to_have_value("A long answer")


async def test_two_colleagues_never_answer_the_same_patient_unawares(open_page: OpenPage, subject: str) -> None:
    ann = await live(await open_page("ann", "/basket?pool=billing"))
    bob = await live(await open_page("bob", "/basket?pool=billing"))
    await write(await open_page("maria"), subject, "Hello")
    row = bob.locator("#items .basket-item", has_text=subject)
    await row.click(timeout=FAST_MS)
    await bob.locator("#body").fill("Bob's draft")

    await claim(ann, subject)
    await expect(bob.locator("#item-banner")).to_contain_text("ann is working on this.", timeout=FAST_MS)
    await ann.locator("#body").fill("Ann's answer")
    await ann.get_by_role("button", name="Send", exact=True).click()
    await expect(ann.locator("#item-thread")).to_contain_text("Ann's answer", timeout=FAST_MS)
    await ann.keyboard.press("Escape")
    await ann.get_by_role("button", name="Release").click()

    await expect(bob.locator("#item-banner")).to_contain_text("ann has just replied.", timeout=FAST_MS)
    await expect(bob.locator("#body")).to_have_value("Bob's draft")
    await bob.get_by_role("button", name="Send", exact=True).click()
    await expect(bob.locator("#item-banner")).to_contain_text("your draft is kept", timeout=FAST_MS)
    await expect(bob.locator("#body")).to_have_value("Bob's draft")
    await bob.get_by_role("button", name="Send", exact=True).click()
    await expect(bob.locator("#item-thread")).to_contain_text("Bob's draft", timeout=FAST_MS)


async def test_an_answer_that_comes_late_does_not_bring_back_the_item_before(
    open_page: OpenPage, subject: str
) -> None:
    ann, first, second = await two(open_page, subject)
    await open_item(ann, first)
    go_on = await hold_up(ann, "/claim")
    async with ann.expect_response("**/claim?*"):
        await ann.keyboard.press("c")
        await open_item(ann, second)
        go_on.set()

    # The list tells what became of it.
    await expect(ann.locator("#items .basket-item", has_text=first).locator(".holder")).to_have_text("you")
    await expect(ann.locator("#detail h2")).to_have_text(second)
    await ann.keyboard.press("e")
    await expect(ann.locator("#item-facts")).to_contain_text("Done")
    await expect(ann.locator("#items .basket-item", has_text=second)).to_have_count(0)
    await expect(ann.locator("#items .basket-item", has_text=first)).to_be_visible()


async def test_what_is_done_as_soon_as_an_item_is_there_does_not_leave_the_page(
    open_page: OpenPage, subject: str
) -> None:
    ann = await live(await open_page("ann", "/basket?pool=billing"))
    await write(await open_page("maria"), subject, "Hello")
    await ann.evaluate("""() => {
      window.stays = true;
      new MutationObserver((_, observer) => {
        const claim = document.querySelector("#item-buttons [data-key=c]");
        if (claim) { observer.disconnect(); claim.click(); }
      }).observe(document.querySelector("#detail"), {childList: true, subtree: true});
    }""")

    await open_item(ann, subject)

    await expect(ann.locator("#item-facts .holder")).to_have_text("you")
    assert await ann.evaluate("window.stays")


async def test_a_key_that_is_pressed_while_an_item_is_being_opened_does_nothing_to_the_one_before(
    open_page: OpenPage, subject: str
) -> None:
    ann, first, second = await two(open_page, subject)
    await open_item(ann, first)
    go_on = await hold_up(ann, "")
    await ann.locator("#items .basket-item", has_text=second).click()
    await ann.keyboard.press("e")
    go_on.set()
    await expect(ann.locator("#detail h2")).to_have_text(second)

    await ann.keyboard.press("c")

    await expect(ann.locator("#item-facts .holder")).to_have_text("you")
    await expect(ann.locator("#items .basket-item", has_text=first)).to_be_visible()


async def test_a_reply_under_way_takes_nothing_from_what_is_typed_about_another_item(
    open_page: OpenPage, subject: str
) -> None:
    ann, first, second = await two(open_page, subject)
    await ann.goto(f"/basket?q={subject}")
    await open_item(await live(ann), first)
    go_on = await hold_up(ann, "/reply")
    await ann.locator("#body").fill("To the first")
    async with ann.expect_response("**/reply?*"):
        await ann.keyboard.press("Control+Enter")
        await open_item(ann, second)
        await ann.locator("#body").fill("To the second")
        go_on.set()

    answered = ann.locator("#items .basket-item", has_text=first)
    await expect(answered).to_contain_text("Waiting for the patient")
    await expect(ann.locator("#detail h2")).to_have_text(second)
    await expect(ann.locator("#body")).to_have_value("To the second")
    await open_item(ann, first)
    await expect(ann.locator("#item-thread")).to_contain_text("To the first")
    await expect(ann.locator("#body")).to_have_value("")


async def test_a_reply_that_does_not_go_through_after_its_item_was_left_is_told_and_kept(
    open_page: OpenPage, subject: str
) -> None:
    ann, first, second = await two(open_page, subject)
    await open_item(ann, first)
    go_on = await hold_up(ann, "/reply", refused=422)
    await ann.locator("#body").fill("To the first")
    await ann.keyboard.press("Control+Enter")
    await open_item(ann, second)
    go_on.set()

    await expect(ann.locator("#toasts")).to_contain_text(first)
    await expect(ann.locator("#detail h2")).to_have_text(second)
    await open_item(ann, first)
    await expect(ann.locator("#body")).to_have_value("To the first")


async def test_who_was_signed_out_meanwhile_is_led_to_the_login_from_another_item_too(
    open_page: OpenPage, subject: str
) -> None:
    ann, first, second = await two(open_page, subject)
    await open_item(ann, first)
    go_on = await hold_up(ann, "/reply", refused=401)
    await ann.locator("#body").fill("To the first")
    async with ann.expect_request_finished(lambda request: "/reply?" in request.url):
        await ann.keyboard.press("Control+Enter")
        await open_item(ann, second)
        go_on.set()

    await expect(ann.locator("#toasts").get_by_role("link", name="Sign in")).to_be_visible()


async def test_that_an_item_went_to_others_is_said_on_a_phone_too_until_another_is_opened(
    open_page: OpenPage, subject: str
) -> None:
    ann, first, second = await two(open_page, subject)
    await ann.set_viewport_size({"width": 390, "height": 844})
    await open_item(ann, first)
    await ann.get_by_role("button", name="Reassign").first.click()
    await ann.locator("#reassign-pool").select_option("crm")
    await ann.locator("#panel-reassign").get_by_label("Why").fill("It is theirs")

    await ann.locator("#panel-reassign button").click()

    said = ann.get_by_text("It is in a pool now that is not yours to see.")
    await expect(said).to_be_in_viewport()
    await open_item(ann, second)
    await expect(said).to_have_count(0)


async def test_words_longer_than_a_line_make_no_page_wider_than_a_phone(open_page: OpenPage, subject: str) -> None:
    long = subject.replace(" ", "-") + "x" * 250
    maria, ann = await open_page("maria"), await live(await open_page("ann", "/basket?pool=billing"))
    await write(maria, long, f"x{long}")
    await open_item(ann, long)
    await ann.locator("#body").fill(f"y{long}")
    await ann.get_by_role("button", name="Send", exact=True).click()
    await expect(ann.locator("#item-thread")).to_contain_text(f"y{long}")

    pages = {
        maria: ("/", "/messages", maria.url),
        ann: (ann.url, f"/basket?q={long[:200]}", f"/basket?q={subject}"),
    }
    for page, addresses in pages.items():
        await page.set_viewport_size({"width": 390, "height": 844})
        for address in addresses:
            await page.goto(address)
            assert await page.evaluate("document.documentElement.scrollWidth") == 390, address


async def test_what_came_in_while_the_connection_was_gone_is_there_after_it_is_back(
    open_page: OpenPage, endpoints: Endpoints, subject: str
) -> None:
    cable = Cable(endpoints["portal"])
    address = await cable.put_in()
    try:
        # A page of its own: its browser has reason to complain.
        ann, maria = await (await open_page("ann", "/basket")).context.new_page(), await open_page("maria")
        await ann.goto(f"{address}/basket?pool=billing")
        await live(ann)
        await write(maria, f"{subject} before", "Hello")
        await expect(ann.locator("#items")).to_contain_text(f"{subject} before", timeout=FAST_MS)
        await ann.evaluate("window.sameAsBefore = true")

        cable.pull_out()
        await expect(ann.locator("#live[data-live=no]")).to_be_visible(timeout=FAST_MS)
        await write(maria, f"{subject} meanwhile", "Hello")
        await cable.put_in()

        await expect(ann.locator("#items")).to_contain_text(f"{subject} meanwhile", timeout=20_000)
        assert await ann.evaluate("window.sameAsBefore")
    finally:
        cable.pull_out()


async def test_keys_open_and_close_what_they_say(open_page: OpenPage, subject: str) -> None:
    ann = await live(await open_page("ann", "/basket?pool=billing"))
    await write(await open_page("maria"), subject, "Hello")
    await claim(ann, subject)
    await ann.keyboard.press("m")
    await expect(ann.locator("#reassign-pool")).to_be_focused()
    await ann.keyboard.press("Escape")
    await expect(ann.locator("#panel-reassign")).to_be_hidden()
    await ann.keyboard.press("p")
    await ann.get_by_role("button", name="Postpone", exact=True).last.click()
    await expect(ann.locator("#item-facts")).to_contain_text("Postponed", timeout=FAST_MS)
    await ann.keyboard.press("?")
    await expect(ann.get_by_role("dialog")).to_be_visible()
    await ann.keyboard.press("Escape")
    await ann.keyboard.press("/")
    await expect(ann.locator("#q")).to_be_focused()


async def test_the_basket_can_be_read_by_all(open_page: OpenPage, artefacts: Path, subject: str) -> None:
    maria = await open_page("maria")
    await write(maria, subject, "Why is the visit of September 12 on my statement twice?\n\nThank you, Maria")
    ann = await open_page("ann", "/basket?pool=billing")
    await look(ann, artefacts, "basket", whole=False, in_spanish=True)

    ann = await open_page("ann", "/basket?pool=billing")
    await ann.locator("#items .basket-item", has_text=subject).click()
    await expect(ann.locator("#detail h2")).to_have_text(subject)
    await look(ann, artefacts, "basket-item", whole=False, in_spanish=True)
