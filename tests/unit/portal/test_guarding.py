"""What protects the pages."""

import re

import pytest

from portal.guarding import local_path
from portal.visitors import CookieBox
from tests.unit.portal.world import World

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("address", ["/", "/billing/SBX-1?after=2", "/basket"])
def test_one_goes_on_to_a_page_of_ours(address: str) -> None:
    assert local_path(address) == address


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "billing",
        "//evil.example",
        "/\\evil.example",
        "/\t\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/ /evil.example",
        "/billing\\..\\evil",
        "/billing\n",
        "https://evil.example/",
        "javascript:alert(1)",
    ],
)
def test_one_goes_nowhere_else(address: str | None) -> None:
    assert local_path(address, "/settings") == "/settings"


def test_a_box_opens_only_for_who_closed_it() -> None:
    box = CookieBox(SECRET).close("a token")
    assert "token" not in box
    assert CookieBox(SECRET).open(box) == "a token"
    assert CookieBox(SECRET[::-1]).open(box) is None


@pytest.mark.parametrize("box", ["", "x", "a.b.c.d.e", "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0....AAAA"])
def test_what_is_no_box_holds_nothing(box: str) -> None:
    assert CookieBox(SECRET).open(box) is None


def tokens(page: str) -> set[str]:
    return set(re.findall(r'(?:name="csrf" value="|"x-csrf-token": ")([^"]+)"', page))


def marks(*pages: str) -> set[str]:
    return set(re.findall('data-session="([^"]+)"', "".join(pages)))


async def test_no_two_pages_show_a_token_alike_and_each_is_taken_as_a_field_and_by_scripts(world: World) -> None:
    async with world.visitor(cookie={"csrf": "a-token-of-this-session"}) as browser:
        pages = [(await browser.get("/pay-my-bill")).text for _ in range(3)]
        shown = [tokens(page) for page in pages]
        assert [len(one) for one in shown] == [1, 1, 1]
        assert len(set.union(*shown)) == 3
        assert "a-token-of-this-session" not in "".join(pages)
        assert len(marks(*pages)) == 1
        for token in set.union(*shown):
            assert (await browser.post("/preferences", data={"csrf": token})).status_code == 303
            assert (await browser.post("/preferences", headers={"x-csrf-token": token})).status_code == 303
    async with world.visitor(cookie={"csrf": "a-token-of-this-browser"}) as other:
        assert marks((await other.get("/pay-my-bill")).text).isdisjoint(marks(*pages))
        for token in set.union(*shown):
            assert (await other.post("/preferences", data={"csrf": token})).status_code == 403


async def test_a_page_that_was_open_before_pages_masked_the_token_still_sends(world: World) -> None:
    async with world.visitor(cookie={"csrf": "a-token-of-this-session"}) as browser:
        answer = await browser.post("/preferences", data={"csrf": "a-token-of-this-session"})
    assert answer.status_code == 303


@pytest.mark.parametrize("given", ["", "x", "é", "====", "AAAA", "a-token-of-this-sessioN", "\N{NULL}" * 46])
async def test_what_is_no_token_is_refused(world: World, given: str) -> None:
    async with world.visitor(cookie={"csrf": "a-token-of-this-session"}) as browser:
        assert (await browser.post("/preferences", data={"csrf": given})).status_code == 403
