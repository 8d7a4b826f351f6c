"""What protects the pages."""

import pytest

from portal.guarding import local_path
from portal.visitors import CookieBox

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
