"""What patients and clerks do again and again: write, find, open and claim."""

import asyncio
import re
from pathlib import Path

from playwright.async_api import Page, Route, expect

from tests.browser.conftest import OpenPage

FAST_MS = 10_000


async def begin(patient: Page, subject: str, body: str) -> None:
    """Write a billing question by the guided way, up to its files."""
    await patient.goto("/messages/new")
    await patient.get_by_role("link", name="Maria Sandoval").click()
    await patient.get_by_role("link", name="Non-medical").click()
    await patient.get_by_role("link", name="Billing question").click()
    await patient.fill("#subject", subject)
    await patient.locator("#body").press_sequentially(body)


async def write(patient: Page, subject: str, body: str, *files: Path) -> None:
    """Send a billing question by the guided way."""
    await begin(patient, subject, body)
    if files:
        await patient.set_input_files("#files", files)
        await expect(patient.locator(".file-clean, .file-held")).to_have_count(len(files))
    await send(patient)


async def send(patient: Page) -> None:
    """Send a billing question that is written, and wait until it is said to have been sent."""
    await patient.get_by_role("button", name="Send").click()
    await expect(patient.get_by_text("Sent to our billing team.")).to_be_visible(timeout=FAST_MS)


async def claim(staff: Page, subject: str) -> None:
    """Find an item by keyboard alone, open it and claim it."""
    row = staff.locator("#items .basket-item", has_text=subject)
    await expect(row).to_be_visible(timeout=FAST_MS)
    for _ in range(60):
        await staff.keyboard.press("j")
        if await row.evaluate("row => row === document.activeElement"):
            break
    await staff.keyboard.press("Enter")
    await expect(staff.locator("#detail h2")).to_have_text(subject)
    await staff.keyboard.press("c")
    await expect(staff.locator("#item-facts .holder")).to_have_text("you")


async def live(staff: Page) -> Page:
    await expect(staff.locator("#live[data-live=yes]")).to_be_visible(timeout=FAST_MS)
    return staff


async def open_item(staff: Page, subject: str) -> None:
    await staff.locator("#items .basket-item", has_text=subject).click()
    await expect(staff.locator("#detail h2")).to_have_text(subject)


async def with_item(open_page: OpenPage, subject: str) -> Page:
    """Return a clerk's page, on which an item of this subject is open."""
    ann = await live(await open_page("ann", "/basket?pool=billing"))
    await write(await open_page("maria"), subject, "Hello")
    await open_item(ann, subject)
    return ann


async def two(open_page: OpenPage, subject: str) -> tuple[Page, str, str]:
    """Return a clerk's page, and the subjects of two items in its list."""
    first, second = f"{subject} first", f"{subject} second"
    ann, maria = await live(await open_page("ann", "/basket?pool=billing")), await open_page("maria")
    for one in (first, second):
        await write(maria, one, "Hello")
        await expect(ann.locator("#items .basket-item", has_text=one)).to_be_visible(timeout=FAST_MS)
    return ann, first, second


async def hold_up(staff: Page, action: str, *, refused: int | None = None) -> asyncio.Event:
    """Keep the answers to an action back until the event is set; or refuse it then with a status."""
    go_on = asyncio.Event()

    async def later(route: Route) -> None:
        answer = None if refused else await route.fetch()
        await go_on.wait()
        await (route.fulfill(response=answer) if answer else route.fulfill(status=refused or 200))

    await staff.route(re.compile(rf"/basket/items/[^/]+{action}\?"), later)
    return go_on
