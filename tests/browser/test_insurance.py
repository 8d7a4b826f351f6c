"""Insurance from the card to the payer's answer, through the log-out that starts the verification."""

from pathlib import Path
from secrets import token_hex

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, log_in
from tests.browser.looking import look
from tests.cards import CARD, card, encoded

ANSWER_MS = 30_000
READ_MS = 90_000
PAGES = {
    "insurance": "/insurance",
    "insurance-add": "/insurance/add",
    "insurance-details": "/insurance/sbx-coverage-maria-1",
    "insurance-change": "/insurance/sbx-coverage-maria-1/change",
    "messages": "/messages",
    "message-kind": "/messages/new?patient_id=sbx-patient-maria",
    "message-topic": "/messages/new?patient_id=sbx-patient-maria&kind=medical",
    "message-whom": "/messages/new?patient_id=sbx-patient-maria&kind=medical&category=non-urgent-question",
    "message-text": "/messages/new?patient_id=sbx-patient-maria&kind=medical&category=refill-request",
}


async def fill_in(page: Page, member_id: str) -> None:
    await page.goto("/insurance/add")
    await page.get_by_role("radio", name="Maria Sandoval").check()
    await page.locator("#payer_name").press_sequentially("harbor")
    await expect(page.locator("#payers option[value='Harbor Mutual']")).to_be_attached()
    await page.fill("#payer_name", "Harbor Mutual")
    await expect(page.locator("#payer-found")).to_contain_text("We know this payer")
    await page.fill("#member_id", member_id)
    await page.fill("#birth_date", "1988-04-17")
    await page.get_by_role("button", name="Add insurance").click()


async def test_an_insurance_is_verified_by_the_log_out_and_shown_at_the_next_visit(open_page: OpenPage) -> None:
    member_id = f"ACTIVE-{token_hex(3)}"
    page = await open_page("maria", anew=True)
    await fill_in(page, member_id)
    card = page.locator("article", has_text=member_id[-4:])
    await expect(card).to_contain_text("It will be verified when you log out.")

    await fill_in(page, member_id)
    await expect(page.get_by_role("alert")).to_contain_text("on file already")

    await page.locator(".menu summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("You are signed out.")).to_be_visible()
    await log_in(page, "maria")
    await page.goto("/insurance")
    await expect(card.locator(".status-badge")).to_have_text("Active", timeout=ANSWER_MS)
    await expect(card).to_contain_text("left of")
    await card.get_by_role("link", name="Details").click()
    await expect(page.locator(".history")).to_contain_text("Checked: active")

    await page.get_by_role("link", name="Remove").click()
    await page.get_by_role("button", name="Remove insurance").click()
    await expect(page.get_by_text("The insurance is removed.")).to_be_visible()
    await expect(card).to_have_count(0)


async def test_a_picture_of_the_card_fills_in_the_form(
    open_page: OpenPage, artefacts: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "card.png"
    picture.write_bytes(encoded(card()))
    page = await open_page("james", "/insurance/add")
    await page.locator("#card_front").set_input_files(picture)
    await page.locator(".card-picture button").click()

    # 0 and 1 are easily taken for others.
    await expect(page.locator("#member_id-hint mark")).to_have_text(["0", "1"], timeout=READ_MS)
    for name in ("payer_name", "member_id", "group_number", "plan_name"):
        await expect(page.locator(f"#{name}")).to_have_value(CARD[name])
    await look(page, artefacts, "insurance-card")


async def test_a_change_is_decided_by_staff_in_the_basket_and_seen_by_the_patient(open_page: OpenPage) -> None:
    plan = f"Plan {token_hex(3)}"
    ines = await open_page("ines", "/basket?pool=insurance")
    page = await open_page("james", "/insurance")
    await page.get_by_role("link", name="Request a change").first.click()
    await page.fill("#plan_name", plan)
    await page.get_by_role("button", name="Request the change").click()
    await expect(page.get_by_text("Your request is with our staff.")).to_be_visible()
    await expect(page.locator("#coverage")).to_contain_text(plan)

    rows = ines.locator("#items .basket-item", has_text="James Okafor")
    await rows.first.click(timeout=ANSWER_MS)
    await expect(ines.locator(".basket-work")).to_contain_text(plan)
    await ines.get_by_role("button", name="Accept").click()
    await expect(ines.locator("#item-facts")).to_contain_text("Done", timeout=ANSWER_MS)
    await expect(page.locator("#coverage .history")).to_contain_text("Change accepted", timeout=ANSWER_MS)


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_can_be_read_by_all(open_page: OpenPage, artefacts: Path, name: str) -> None:
    await look(await open_page("maria", PAGES[name]), artefacts, name, in_spanish=True)
