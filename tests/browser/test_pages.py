"""Every page, as it is looked at: in light, dark and on a phone, in both languages, and by axe-core."""

from pathlib import Path
from typing import Literal

import pytest

from tests.browser.conftest import OpenPage
from tests.browser.looking import look

WEIGHT_BYTES_MAX = 300_000
PAGES = {
    "welcome": (None, "/"),
    "home": ("maria", "/"),
    "billing": ("maria", "/billing"),
    "account-visits": ("sofia", "/billing/SBX-1004"),
    "account-payments": ("maria", "/billing/SBX-1001/payments"),
    "account-statements": ("maria", "/billing/SBX-1001/statements"),
    "account-plan": ("sofia", "/billing/SBX-1004/plan"),
    "pay": ("james", "/pay/SBX-1002"),
    "plan": ("james", "/plan/SBX-1002"),
    "pay-my-bill": (None, "/pay-my-bill"),
    "paperless": ("maria", "/paperless/SBX-1001"),
    "settings": ("maria", "/settings"),
    "contact": ("maria", "/contact/SBX-1001"),
    "not-found": ("maria", "/billing/SBX-9999"),
}


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_can_be_read_by_all(open_page: OpenPage, artefacts: Path, name: str) -> None:
    username, path = PAGES[name]
    page = await open_page(username, path)
    # The captcha comes after the page.
    loaded: Literal["load", "networkidle"] = "networkidle" if name == "pay-my-bill" else "load"
    await page.wait_for_load_state(loaded)
    await look(page, artefacts, name, in_spanish=True, loaded=loaded)


async def test_a_page_weighs_little(open_page: OpenPage) -> None:
    page = await open_page("maria")
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    weight: list[float] = []
    session.on("Network.loadingFinished", lambda told: weight.append(told["encodedDataLength"]))
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await page.goto("/billing")
    await page.wait_for_load_state("load")
    assert 0 < sum(weight) < WEIGHT_BYTES_MAX
