"""The processor's own page for numbers."""

import pytest

from sandbox.tokens import TOKENS
from tests.outside.sandbox.world import World

FORM = "/processor/js"
ORIGIN = "https://portal.example"


@pytest.mark.parametrize("kind", ["card", "bank_account"])
async def test_each_token_of_a_kind_can_be_chosen(world: World, kind: str) -> None:
    async with world.client.get(FORM, params={"kind": kind, "origin": ORIGIN}) as answer:
        page = await answer.text()
    of_kind = {name for name in TOKENS if name.startswith("tok_bank_") == (kind == "bank_account")}
    assert of_kind == {name for name in TOKENS if f'value="{name}"' in page}


async def test_only_the_page_that_asked_may_show_it_and_hears_the_token(world: World) -> None:
    async with world.client.get(FORM, params={"origin": ORIGIN}) as answer:
        policy = answer.headers["content-security-policy"]
        page = await answer.text()
    assert f"frame-ancestors {ORIGIN}" in policy
    assert "unsafe" not in policy
    assert f'const parentOrigin = "{ORIGIN}";' in page


@pytest.mark.parametrize("origin", ["*", "portal.example", 'https://a"b', "https://a;b", "javascript:alert(1)"])
async def test_what_is_no_origin_is_refused(world: World, origin: str) -> None:
    async with world.client.get(FORM, params={"origin": origin}) as answer:
        assert answer.status == 422
