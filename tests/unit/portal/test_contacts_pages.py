"""Contacts and statements without paper: what is said of a code and of where alerts go."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.portal.world import World

MASKED = "a••••@mail.example"


def contact(world: World, status: str = "pending", *, code_sent_s_ago: int = 60, **said: Any) -> dict[str, Any]:
    """Return a contact as notifications tells of it."""
    now = world.app.state.clock.now()
    sent_at = now - timedelta(seconds=code_sent_s_ago)
    waits = status != "verified"
    return {
        "contact_id": "c-1",
        "channel": "email",
        "address": MASKED,
        "status": status,
        "reason": None,
        "code_sent_at": sent_at.isoformat() if waits else None,
        "code_expires_at": (sent_at + timedelta(minutes=10)).isoformat() if waits else None,
        "resend_from": (sent_at + timedelta(minutes=1)).isoformat() if waits else None,
        "verified_at": None if waits else now.isoformat(),
        "refused_at": (now - timedelta(minutes=3)).isoformat() if status == "refused" else None,
        **said,
    }


def given(world: World, *contacts: dict[str, Any], **account: Any) -> None:
    paperless = {"account_number": "G-1", "paperless": False, "alerts": {"email": None, "text": None}}
    told = {"person_id": "person-1", "contacts": list(contacts), "accounts": [{**paperless, **account}]}
    world.services.answer("GET", "/v1/preferences", told)
    world.services.answer("GET", "/v1/billing-summary", {"accounts": []})


@pytest.mark.parametrize(
    ("status", "code_sent_s_ago", "said"),
    [
        ("pending", 60, "We sent six digits to a••••@mail.example. They expire in 9 minutes."),
        ("pending", 3600, "The code that we sent to a••••@mail.example has expired."),
        ("refused", 4, "What we sent to a••••@mail.example did not arrive."),
        ("refused", 86_400, "What we sent to a••••@mail.example did not arrive."),
        ("stopped", 4, "This number asked us to stop."),
    ],
)
async def test_the_code_page_says_what_became_of_the_code_and_asks_for_one_that_can_still_be_typed(
    world: World, status: str, code_sent_s_ago: int, said: str
) -> None:
    given(world, contact(world, status, code_sent_s_ago=code_sent_s_ago))
    async with world.person() as browser:
        page = (await browser.get("/settings/contacts/c-1")).text
    assert said in re.sub(r"</?time[^>]*>", "", page)
    assert ('id="code"' in page) == ("six digits" in page)
    assert "Send another code" in page


@pytest.mark.parametrize(
    ("status", "label", "at"),
    [("pending", "Enter the code", "code_sent_at"), ("refused", "Look at it", "refused_at")],
)
async def test_home_and_settings_tell_of_a_contact_what_happened_and_when(
    world: World, status: str, label: str, at: str
) -> None:
    shown = contact(world, status, code_sent_s_ago=7200)
    given(world, shown)
    async with world.person() as browser:
        home, settings = (await browser.get("/")).text, (await browser.get("/settings")).text
    assert re.findall(r'<time datetime="([^"]+)"', home) == [shown[at]]
    assert datetime.fromisoformat(shown[at]) < world.app.state.clock.now()
    for page in (home, settings):
        (link,) = re.findall(r'<a [^>]*href="/settings/contacts/c-1">([^<]+)', page)
        assert link == label
