"""What the browser tests share: everything started once as `make up` does, Debian's Chromium, people who log in.

`BROWSER_ENDPOINTS=…/endpoints.json` takes what is up already; `BROWSER_ARTEFACTS=DIR` says where screenshots go.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from local.demo.in_chromium import FLAGS
from local.plan import PLAN
from local.processes import Process, says
from local.tether import Tether
from tests.watching import below, has_ended, wait_until

ROOT = Path(__file__).parents[2]
START_S_MAX, END_S_MAX = 240, 60

Endpoints = dict[str, Any]
OpenPage = Callable[..., Awaitable[Page]]


@dataclass(frozen=True)
class Up:
    """All that `make up` starts, and its launcher."""

    pid: int
    endpoints: Endpoints
    output: Callable[[], str]


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Everything, from nothing, until its launcher is killed: what it started must not outlive it."""
    directory = tmp_path_factory.mktemp("everything")
    with Tether() as tether:
        launcher = Process(
            "launcher",
            [sys.executable, "-m", "local", "up"],
            directory / "launcher.log",
            tether,
            ready=says("\nready\n"),
            env=os.environ | {"LOCAL_DIR": str(directory)},
            directory=ROOT,
        )
        launcher.start()
        launcher.wait_ready(START_S_MAX)
        assert launcher.pid is not None
        yield Up(launcher.pid, json.loads((directory / "endpoints.json").read_text()), launcher.output)
        pids = below(launcher.pid)
        assert len(pids) >= len([program for stage in PLAN.stages for program in stage])
        launcher.kill()
        wait_until(lambda: all(map(has_ended, pids)), END_S_MAX)


@pytest.fixture(scope="session")
def endpoints(request: pytest.FixtureRequest) -> Endpoints:
    """Where everything is."""
    given = os.environ.get("BROWSER_ENDPOINTS")
    told: Endpoints = json.loads(Path(given).read_text()) if given else request.getfixturevalue("up").endpoints
    return told


@pytest_asyncio.fixture(scope="session")
async def sandbox(endpoints: Endpoints) -> AsyncIterator["Sandbox"]:
    """The made-up world, with the people who can log in, their bills and their statements."""
    async with aiohttp.ClientSession(endpoints["sandbox"], raise_for_status=True) as http:
        world = Sandbox(http)
        told = await world.post("/host/scenarios/small")
        await world.post("/host/statement-run?accounts=5")
        await world.settled(endpoints, [one["account_number"] for one in told["accounts"]])
        yield world


class Sandbox:
    """What the made-up world can be asked."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http

    async def get(self, path: str) -> Any:
        async with self.http.get(path) as response:
            return await response.json()

    async def post(self, path: str, body: Any = None) -> Any:
        async with self.http.post(path, json=body) as response:
            return await response.json()

    async def charges(self, account_number: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.get(f"/processor/charges?account_number={account_number}")
        return found

    async def settled(self, endpoints: Endpoints, accounts: list[str]) -> None:
        """Wait until payments has a statement for each account."""
        told = await self.post("/identity/token", {"sub": "staff:ann", "roles": ["billing"]})
        headers = {"authorization": f"Bearer {told['access_token']}"}
        deadline = time.monotonic() + 30
        async with aiohttp.ClientSession(endpoints["payments"], headers=headers) as http:
            for number in accounts:
                while True:
                    assert time.monotonic() < deadline, f"no statement for {number}"
                    async with http.get(f"/v1/accounts/{number}/statements") as response:
                        if response.ok and await response.json():
                            break


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    path = shutil.which("chromium")
    assert path, "Chromium is missing: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def cookies() -> dict[str, Any]:
    """The cookies of those who have logged in."""
    return {}


@pytest.fixture
def complaints() -> list[str]:
    """What browsers complain about; a test takes out what it brought about itself."""
    return []


@pytest_asyncio.fixture
async def open_page(
    browser: Browser, endpoints: Endpoints, sandbox: Sandbox, cookies: dict[str, Any], complaints: list[str]
) -> AsyncIterator[OpenPage]:
    """Opens a page as somebody (`await open_page("maria")`) or as a guest, in a context of its own.

    A person logs in once for all tests, unless a test wants a session of its own (`anew=True`).

    Whatever the browser complains about on its console fails the test: a style or script that the content
    security policy forbids, a file that is missing.
    """
    del sandbox  # the world is there
    contexts: list[BrowserContext] = []

    async def open_one(
        username: str | None = None, path: str = "/", *, anew: bool = False, **options: Any
    ) -> Page:
        known = None if anew or username is None else cookies.get(username)
        context = await browser.new_context(
            base_url=endpoints["portal"], storage_state=known, **({"locale": "en-US"} | options)
        )
        contexts.append(context)
        page = await context.new_page()
        if username is not None and known is None:
            await log_in(page, username)
            if not anew:
                cookies[username] = await context.storage_state()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        await page.goto(path)
        return page

    yield open_one
    for context in contexts:
        await context.close()
    # A refusal is told by the browser, and once more by htmx.
    ours = [one for one in complaints if "status of 4" not in one and "Error Code 4" not in one]
    assert not ours


async def log_in(page: Page, username: str) -> None:
    """Log in at the identity provider's page."""
    await page.goto("/login")
    await page.fill("[name=username]", username)
    await page.fill("[name=password]", "demo")
    await page.click("button[type=submit]")
    await page.wait_for_selector("header.top")


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where screenshots go."""
    folder = Path(os.environ.get("BROWSER_ARTEFACTS") or ROOT / ".local" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
