"""How people come to the portal: in a real browser where one is installed, else over HTTP."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from local.demo.over_http import over_http
from local.demo.story import Disappointment
from local.demo.visitor import Arrival

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@asynccontextmanager
async def arrival(portal: str) -> AsyncIterator[Arrival]:
    """How somebody comes to the portal, as long as this is open; it is printed which way that is, and why."""
    async with AsyncExitStack() as stack:
        try:
            way = await stack.enter_async_context(_chromium(portal))
        except Disappointment as error:
            print(f"\nPeople visit the portal over HTTP: {error}.", flush=True)
            way = partial(over_http, portal)
        yield way


@asynccontextmanager
async def _chromium(portal: str) -> AsyncIterator[Arrival]:
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        raise Disappointment("no Chromium is installed")
    try:
        from local.demo.in_chromium import chromium  # noqa: PLC0415  # programs run where Playwright is not
    except ModuleNotFoundError:
        raise Disappointment("Playwright is not installed") from None
    async with chromium(path) as browser:
        print(f"\nPeople visit the portal in headless Chromium {browser.version}.", flush=True)
        yield partial(browser.arrives, portal)
