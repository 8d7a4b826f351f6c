"""Pages that follow what becomes of things, though a proxy refuses, a service is away, or nobody looks at them."""

from playwright.async_api import Page, Request, Route, expect

from tests.browser.clerks import write
from tests.browser.conftest import OpenPage

NEWS_MS = 15_000
_SEEN = """seen => {
    Object.defineProperty(document, "hidden", { value: !seen, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


class Refusing:
    """What stands before the portal and refuses what a page asks for by itself, once."""

    def __init__(self) -> None:
        self.refused = 0

    async def __call__(self, route: Route) -> None:
        if self.refused or not await self._is_meant(route.request):
            await route.continue_()
            return
        self.refused += 1
        await route.fulfill(status=503)

    async def _is_meant(self, request: Request) -> bool:
        return "/live/" in request.url or await request.header_value("x-unattended") == "yes"


def forget_refusals(complaints: list[str]) -> None:
    """Take out what the browser says of what was refused here."""
    complaints[:] = [one for one in complaints if "503" not in one]


async def threads_of(open_page: OpenPage) -> Page:
    page = await open_page("maria", "/messages")
    await expect(page.locator("#threads")).to_be_visible()
    return page


async def test_news_that_were_refused_once_are_heard_all_the_same(
    open_page: OpenPage, complaints: list[str]
) -> None:
    page, refusing = await open_page("maria"), Refusing()
    await page.route("**/live/**", refusing)
    await page.goto("/messages")
    await write(await open_page("maria"), "Refused once", "Does this page hear of it?")
    await expect(page.get_by_text("Refused once")).to_be_visible(timeout=NEWS_MS)
    assert refusing.refused
    forget_refusals(complaints)


async def test_a_look_that_failed_is_taken_again(open_page: OpenPage, complaints: list[str]) -> None:
    page, refusing = await threads_of(open_page), Refusing()
    await page.route("**/messages", refusing)
    await write(await open_page("maria"), "Looked at twice", "Does this page show it?")
    await expect(page.get_by_text("Looked at twice")).to_be_visible(timeout=NEWS_MS)
    assert refusing.refused
    forget_refusals(complaints)


async def test_a_page_that_nobody_sees_holds_no_connection_and_catches_up(open_page: OpenPage) -> None:
    page = await threads_of(open_page)
    asked: list[str] = []
    await page.evaluate(_SEEN, arg=False)
    page.on("request", lambda request: asked.append(request.url))
    await write(await open_page("maria"), "Not seen", "Does this page ask for it?")
    assert not asked
    await page.evaluate(_SEEN, arg=True)
    await expect(page.get_by_text("Not seen")).to_be_visible(timeout=NEWS_MS)
