"""Numbers that host systems choose: whatever is in them, pages link to what they show and ask for it."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from shared.paths import segment
from tests.unit.portal.world import World

ODD = ["A/1", "A 1", "100%", "A%2F1", "what?", "a#b", "ä", '"quoted"', "../A"]
LINK = re.compile(r'href="(/(?:billing|pay|plan|contact|statements)/[^"]+)"')


def account(number: str) -> dict[str, Any]:
    return {
        "account_number": number,
        "currency": "USD",
        "guarantor": {"first_name": "Maria", "last_name": "Sandoval"},
        "balance_minor": 100,
        "payable_minor": 100,
        "visit_accounts": [],
        "plan": None,
    }


def statement(statement_id: str) -> dict[str, Any]:
    dates = dict.fromkeys(["issued_on", "due_on", "period_from", "period_to"], "2026-11-01")
    return {"statement_id": statement_id, "amount_due_minor": 100, "currency": "USD", **dates}


async def asked(request: web.Request) -> web.Response:
    """Answer with the path that was asked for, as it was written."""
    return web.Response(text=request.rel_url.raw_path)


@pytest.mark.parametrize("number", ODD)
async def test_an_account_is_shown_and_linked_whatever_is_in_its_number(number: str, world: World) -> None:
    world.services.answer("GET", f"/v1/accounts/{number}", account(number))
    world.services.answer("GET", f"/v1/accounts/{number}/statements", [statement(number)])
    world.services.answer("GET", f"/v1/statements/{number}.pdf", asked)
    async with world.person() as browser:
        page = await browser.get(f"/billing/{segment(number)}/statements")
        assert page.status_code == 200
        assert f'hx-get="/billing/{segment(number)}/statements"' in page.text
        linked = [unescape(link) for link in LINK.findall(page.text)]
        assert [link.replace(segment(number), "*") for link in linked] == [
            "/pay/*",
            "/plan/*",
            "/contact/*",
            "/billing/*",
            "/billing/*/payments",
            "/billing/*/statements",
            "/billing/*/plan",
            "/statements/*.pdf",
        ]
        answer = await browser.get(linked[-1])
        assert (answer.status_code, answer.text) == (200, f"/v1/statements/{segment(number)}.pdf")


@pytest.mark.parametrize("number", ODD)
async def test_after_the_login_a_visitor_comes_to_what_was_asked_for(number: str, world: World) -> None:
    wanted = f"/billing/{segment(number)}?after=1"
    async with world.visitor() as browser:
        answer = await browser.get(wanted)
    login = urlsplit(answer.headers["location"])
    assert (login.path, parse_qs(login.query)) == ("/login", {"next": [wanted]})
