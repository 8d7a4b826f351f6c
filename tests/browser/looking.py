"""A page as it is looked at: in light, in dark and on a phone, each with a screenshot and what axe-core finds.

On the phone also by somebody who has set their letters twice as large.
"""

from pathlib import Path
from typing import Literal, NamedTuple

from playwright.async_api import Page

from local.assets import unpacked

# This axe knows no `color(srgb …)`, which is how Chromium tells mixed colours.
_RGB = """(() => {
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


class Mode(NamedTuple):
    """How somebody looks at a page."""

    width: int
    height: int
    scheme: Literal["light", "dark"]


MODES = {
    "light": Mode(1280, 900, "light"),
    "dark": Mode(1280, 900, "dark"),
    "phone": Mode(390, 844, "light"),
}


LETTERS_PX = 16

# A link within a sentence is as high as its line.
_SMALL_TARGETS = """() => {
  const shown = (one) => one.checkVisibility() && !one.closest(".skip, .visually-hidden");
  const alone = (one) => getComputedStyle(one).display !== "inline"
    || one.parentElement.innerText.trim() === one.innerText.trim();
  return [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
    .filter((one) => shown(one) && alone(one))
    .map((one) => [one, (one.closest("label") || one).getBoundingClientRect()])
    .filter(([, box]) => Math.min(box.width, box.height) < 43.5)
    .map(([one, box]) => `${one.outerHTML.slice(0, 120)} ${Math.round(box.width)} x ${Math.round(box.height)}`);
}"""


async def look(
    page: Page,
    artefacts: Path,
    name: str,
    *,
    whole: bool = True,
    in_spanish: bool = False,
    loaded: Literal["load", "networkidle"] = "load",
) -> None:
    """Look at a page in each mode: all can read it, it is no wider than its window, and fingers hit its targets.

    Args:
        page: which is there.
        artefacts: the folder of the screenshots.
        name: of the page.
        whole: as high as it is, not as high as the window.
        in_spanish: loaded again in Spanish for the phone, where longer words have less room.
        loaded: when it is there, after it was loaded again.
    """
    for name_of_mode, mode in MODES.items():
        await page.set_viewport_size({"width": mode.width, "height": mode.height})
        await page.emulate_media(color_scheme=mode.scheme, reduced_motion="reduce")
        if in_spanish and name_of_mode == "phone":
            await page.context.add_cookies([{"name": "language", "value": "es", "url": page.url}])
            await page.reload(wait_until=loaded)
            assert await page.locator("html").get_attribute("lang") == "es", "it is not in Spanish"
        if whole:
            await _to_whole_height(page, mode)
        await page.screenshot(path=artefacts / f"{name}-{name_of_mode}.png")
        faults = await _faults(page)
        assert not faults, f"{name_of_mode}: {faults}"
        small = await page.evaluate(_SMALL_TARGETS) if name_of_mode == "phone" else []
        assert not small, f"fingers miss these: {small}"
        assert await _overflow(page) == 0, f"the page is wider than its window in {name_of_mode}"
        if name_of_mode == "phone":
            await _in_large_letters(page, artefacts, name, mode)


async def _in_large_letters(page: Page, artefacts: Path, name: str, mode: Mode) -> None:
    """Look at a page with the letters of the browser's settings twice as large."""
    session = await page.context.new_cdp_session(page)
    await page.set_viewport_size({"width": mode.width, "height": mode.height})
    await session.send("Page.setFontSizes", {"fontSizes": {"standard": 2 * LETTERS_PX}})
    assert await page.evaluate("getComputedStyle(document.documentElement).fontSize") == f"{2 * LETTERS_PX}px"
    overflow = await _overflow(page)
    # No higher than its window: to be made higher, it would forget the size.
    await page.screenshot(path=artefacts / f"{name}-large.png")
    await session.send("Page.setFontSizes", {"fontSizes": {"standard": LETTERS_PX}})
    assert overflow == 0, "the page is wider than its window in large letters"


async def _faults(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical."""
    # Through the debugger's door: the page itself would not let a script of others in.
    session = await page.context.new_cdp_session(page)
    if not await page.evaluate("'axe' in window"):
        for expression in (_RGB, (unpacked() / "axe.min.js").read_text()):
            await session.send("Runtime.evaluate", {"expression": expression})
    told = await session.send(
        "Runtime.evaluate",
        {"expression": "axe.run({iframes: false})", "awaitPromise": True, "returnByValue": True},
    )
    found = told["result"]["value"]["violations"]
    checked = {one["id"] for one in told["result"]["value"]["passes"] + found}
    # It gives up, and says nothing, where it cannot read a colour.
    assert "color-contrast" in checked, "axe looked at no colour"
    return [
        f"{one['id']}: {node['html'][:120]} {node['any'][0]['message'][:160] if node['any'] else ''}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


async def _to_whole_height(page: Page, mode: Mode) -> None:
    """Make the window as high as the page, so that what sticks to its bottom is at the bottom."""
    height = await page.evaluate("document.documentElement.scrollHeight")
    await page.set_viewport_size({"width": mode.width, "height": max(mode.height, height)})


async def _overflow(page: Page) -> int:
    width: int = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return max(width, 0)
