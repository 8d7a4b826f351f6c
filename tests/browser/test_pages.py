"""Every page, as it is looked at: in light, dark and on a phone, in both languages, and by axe-core."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from local.assets import unpacked
from tests.browser.conftest import OpenPage

# This axe knows no `color(srgb …)`, which is how Chromium tells mixed colours.
RGB = """(() => {
  const real = getComputedStyle;
  const channel = (part) => Math.round(255 * parseFloat(part));
  const told = (value) => typeof value !== "string" ? value : value.replace(
    /color\\(srgb ([\\d.e-]+) ([\\d.e-]+) ([\\d.e-]+)(?: \\/ ([\\d.e-]+))?\\)/g,
    (_, r, g, b, a) => `rgba(${channel(r)}, ${channel(g)}, ${channel(b)}, ${a ?? 1})`);
  window.getComputedStyle = (...asked) => new Proxy(real(...asked), {
    get: (style, name) => name === "getPropertyValue"
      ? (property) => told(style.getPropertyValue(property)) : told(style[name]),
  });
})()"""
WEIGHT_BYTES_MAX = 300_000
MODES: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "locale": "es-US"},
}
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
@pytest.mark.parametrize("mode", MODES)
async def test_a_page_can_be_read_by_all(open_page: OpenPage, artefacts: Path, name: str, mode: str) -> None:
    username, path = PAGES[name]
    page = await open_page(username, path, reduced_motion="reduce", **MODES[mode])
    await page.wait_for_load_state("networkidle" if name == "pay-my-bill" else "load")
    await to_whole_height(page)
    await page.screenshot(path=artefacts / f"{name}-{mode}.png")
    assert await faults(page) == []
    assert await overflow(page) == 0, "the page is wider than its window"


async def faults(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical."""
    # Through the debugger's door: the page itself would not let a script of others in.
    script = (unpacked() / "axe.min.js").read_text()
    session = await page.context.new_cdp_session(page)
    for expression in (RGB, script):
        await session.send("Runtime.evaluate", {"expression": expression})
    told = await session.send(
        "Runtime.evaluate",
        {"expression": "axe.run({iframes: false})", "awaitPromise": True, "returnByValue": True},
    )
    found = told["result"]["value"]["violations"]
    checked = {one["id"] for one in told["result"]["value"]["passes"] + found}
    # It gives up, and says nothing, where it cannot read a colour.
    assert "color-contrast" in checked
    return [
        f"{one['id']}: {node['html'][:120]} {node['any'][0]['message'][:160] if node['any'] else ''}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


async def to_whole_height(page: Page) -> None:
    """Make the window as high as the page, so that what sticks to its bottom is at the bottom."""
    size = page.viewport_size
    assert size
    height = await page.evaluate("document.documentElement.scrollHeight")
    await page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})


async def overflow(page: Page) -> int:
    width: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return max(width, 0)


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
