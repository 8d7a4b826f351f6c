"""A visitor in a real browser without a screen: Chromium draws the pages, and runs their scripts."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from urllib.parse import urljoin

from playwright.async_api import Browser, Error, Locator, Response, async_playwright
from playwright.async_api import Page as Tab

from local.demo.pages import Page, read
from local.demo.story import Disappointment
from local.demo.visitor import LATEST_S, File, Visitor

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_START_MS = 20_000

_UNFOLD = """button => {
  const folded = button.closest("details:not([open])");
  if (folded) folded.querySelector("summary").click();
}"""
_UNPROVEN = "[data-captcha]:not(.done)"
_SWAPPING = ".htmx-request, .htmx-swapping, .htmx-settling"
_LEAVE = "window.left = true"
_ARRIVED = "() => !window.left && document.readyState === 'complete'"
_STATUS = "performance.getEntriesByType('navigation')[0].responseStatus"
_SIZE = """async picture => {
  picture.loading = "eager";
  await picture.decode();
  return [picture.naturalWidth, picture.naturalHeight];
}"""


class InChromium(Visitor):
    """Somebody with a window of a browser."""

    def __init__(self, tab: Tab, portal: str) -> None:
        self._tab = tab
        self._portal = portal

    async def goes(self, path: str) -> Page:
        """Open a page."""
        with _plainly():
            return await self._read(await self._tab.goto(urljoin(self._portal, path)))

    async def fill(self, **fields: str) -> None:
        """Type, choose and tick."""
        having = "".join(f':has([name="{name}"])' for name in fields)
        form = self._tab.locator(f"form{having}").first
        with _plainly():
            for name, value in fields.items():
                await _fill(form, name, value)

    async def pay_with(self, token: str) -> None:
        """Choose the method, and the token in the processor's form in its frame."""
        with _plainly():
            kind = "bank_account" if "bank" in token else "card"
            await self._tab.check(f'[name="method"][value="{kind}"]')
            await self._tab.frame_locator("iframe").locator("#token").select_option(token)

    async def attach(self, field: str, file: File) -> None:
        """Choose a file, and wait until the page's script has uploaded it."""
        name, content_type, content = file
        with _plainly():
            await self._tab.set_input_files(
                f'[name="{field}"]', {"name": name, "mimeType": content_type, "buffer": content}
            )
            await self._tab.locator("[name=attachment_ids]").first.wait_for(state="attached")

    async def until_it_says(self, words: str) -> None:
        """Look on until the page says this by itself."""
        with _plainly():
            await self._tab.get_by_text(words).first.wait_for()

    async def picture(self, shows: str) -> tuple[int, int]:
        """Look at a picture on the page."""
        with _plainly():
            width, height = await self._tab.get_by_alt_text(shows, exact=True).evaluate(_SIZE)
            return width, height

    async def _press(self, button: str, times: int) -> Page:
        """Click, and wait for the page that follows, or for the part that a script puts in."""
        words = re.compile(rf"^\s*{re.escape(button)}")
        pressed = self._tab.locator("form button:not([type=button])").filter(has_text=words).first
        with _plainly():
            await self._tab.locator(_UNPROVEN).first.wait_for(state="detached")
            await pressed.evaluate(_UNFOLD)
            if await pressed.evaluate("button => button.form.hasAttribute('hx-post')"):
                async with self._tab.expect_response(lambda one: one.request.method == "POST") as answer:
                    await pressed.click(click_count=times)
                answered = await answer.value
                await self._tab.locator(_SWAPPING).first.wait_for(state="detached")
                return await self._read(answered)
            await self._tab.evaluate(_LEAVE)
            # Clicked again, it may cut short what it asked for before; a page that is left may change its address.
            await pressed.click(click_count=times)
            await self._tab.wait_for_function(_ARRIVED)
            return read(self._tab.url, await self._tab.evaluate(_STATUS), await self._tab.content())

    async def _read(self, answer: Response | None) -> Page:
        return read(self._tab.url, answer.status if answer else 0, await self._tab.content())


async def _fill(form: Locator, name: str, value: str) -> None:
    field = form.locator(f'[name="{name}"]')
    match await field.first.evaluate("field => field.type"):
        case "radio" | "checkbox":
            await form.locator(f'[name="{name}"][value="{value}"]').check()
        case "select-one":
            await field.select_option(value)
        case _:
            await field.fill(value)


@contextmanager
def _plainly(what: str = "the browser gives up") -> Iterator[None]:
    """Say in one sentence what could not be done."""
    try:
        yield
    except Error as error:
        raise Disappointment(f"{what} ({error.message.splitlines()[0]})") from None


class Chromium:
    """A browser that runs."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.version = browser.version

    @asynccontextmanager
    async def arrives(self, portal: str) -> AsyncIterator[Visitor]:
        """Somebody new at the portal, in a window that shares nothing with others."""
        context = await self._browser.new_context(locale="en-US")
        context.set_default_timeout(1000 * LATEST_S)
        try:
            yield InChromium(await context.new_page(), portal)
        finally:
            with suppress(Error):  # it may be gone already
                await context.close()


@asynccontextmanager
async def chromium(path: str) -> AsyncIterator[Chromium]:
    """Run the browser that is installed there.

    Raises:
        Disappointment: it does not start.
    """
    async with async_playwright() as playwright:
        with _plainly(f"{path} does not start"):
            browser = await playwright.chromium.launch(
                executable_path=path,
                args=list(FLAGS),
                timeout=_START_MS,
                # Ctrl-C ends the demo, which then ends the browser.
                handle_sigint=False,
                handle_sigterm=False,
                handle_sighup=False,
            )
        try:
            yield Chromium(browser)
        finally:
            with suppress(Error):  # it may be gone already
                await browser.close()
