"""Contacts and statements without paper: what is said of a code and of where alerts go."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.portal.world import World, form, seen

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
        ("verified", 60, "We can reach you at a••••@mail.example."),
    ],
)
async def test_the_code_page_says_what_became_of_the_code_and_asks_for_one_that_can_still_be_typed(
    world: World, status: str, code_sent_s_ago: int, said: str
) -> None:
    given(world, contact(world, status, code_sent_s_ago=code_sent_s_ago))
    async with world.person() as browser:
        page = (await browser.get("/settings/contacts/c-1")).text
    followed, below, forms = page.partition('<div class="code-forms">')
    assert said in re.sub(r"</?time[^>]*>", "", followed.partition('id="standing"')[2])
    # The style sheet shows the field while this is there.
    assert ("data-waits" in followed) == ("six digits" in followed)
    assert ("Send another code" in followed) == ("data-waits" not in followed and status != "verified")
    assert below
    assert 'id="code"' in forms


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


def offered(page: str) -> list[tuple[str, str, str, bool]]:
    """Return what can be chosen for alerts: how, by which channel, which contact, and whether it is chosen."""
    inputs = re.findall(r'<input type="(radio|checkbox)" name="(email|text)" value="([^"]*)" (checked)?', page)
    return [(kind, channel, value, bool(checked)) for kind, channel, value, checked in inputs]


def signing_up(world: World, **alerts: str | None) -> None:
    """Let somebody with two addresses that look alike and one number sign up; with alerts, they are enrolled."""
    said = [("c-2", "email", 5), ("c-1", "email", 50), ("c-3", "text", 9)]
    now = world.app.state.clock.now()
    contacts = [
        contact(
            world,
            "verified",
            contact_id=contact_id,
            channel=channel,
            verified_at=(now - timedelta(minutes=minutes)).isoformat(),
        )
        for contact_id, channel, minutes in said
    ]
    given(world, *contacts, paperless=bool(alerts), alerts={"email": None, "text": None, **alerts})
    guarantor = {"first_name": "Maria", "last_name": "Sandoval"}
    account = {"account_number": "G-1", "guarantor": guarantor}
    world.services.answer("GET", "/v1/billing-summary", {"accounts": [account]})
    world.services.answer("GET", "/v1/accounts/G-1", account)
    consent = {"version": "v", "language": "en", "text": "Yes", "sha256": "-"}
    world.services.answer("GET", "/v1/consent-texts/current", consent)


async def test_of_several_contacts_of_a_channel_one_can_be_chosen_or_none_and_they_are_told_apart(
    world: World,
) -> None:
    signing_up(world)
    async with world.person() as browser:
        page = (await browser.get("/paperless/G-1")).text
    assert offered(page) == [
        ("radio", "email", "c-2", True),
        ("radio", "email", "c-1", False),
        ("radio", "email", "", False),
        ("checkbox", "text", "c-3", True),
    ]
    said = re.sub(r"</?time[^>]*>", "", page)
    assert [when in said for when in ("confirmed 5 minutes ago", "confirmed 50 minutes ago")] == [True, True]


@pytest.mark.parametrize(("email", "value"), [("c-1", "c-1"), (None, "")])
async def test_who_is_signed_up_sees_what_they_chose(world: World, email: str | None, value: str) -> None:
    signing_up(world, email=email)
    async with world.person() as browser:
        page = (await browser.get("/paperless/G-1")).text
    chosen = [(channel, contact_id) for _kind, channel, contact_id, checked in offered(page) if checked]
    assert chosen == [("email", value)]


async def test_no_email_is_none_and_what_was_chosen_is_kept_when_it_is_refused(world: World) -> None:
    signing_up(world)
    world.producer.outcome = ("refused", "notifications.command-refused.v1", {"reason": "consent_missing"})
    async with world.person() as browser:
        answer = await browser.post("/paperless/G-1", data=form(text_version="v", email="", text="c-3"))
    assert answer.status_code == 422
    assert world.producer.sent[0]["data"]["alerts"] == {"text": "c-3"}
    chosen = [(channel, contact_id) for _kind, channel, contact_id, checked in offered(answer.text) if checked]
    assert chosen == [("email", ""), ("text", "c-3")]


async def test_saved_ways_to_pay_that_cannot_be_shown_are_not_said_to_be_none(world: World) -> None:
    world.services.answer("GET", "/v1/preferences", {"contacts": [], "accounts": []})
    world.services.answer("GET", "/v1/billing-summary", {"detail": "-"}, 503)
    async with world.person() as browser:
        away = seen((await browser.get("/settings")).text)
        world.services.answer("GET", "/v1/billing-summary", {"accounts": []})
        none = seen((await browser.get("/settings")).text)
    assert "Your saved ways to pay cannot be shown right now. Please try again in a minute." in away
    assert "None. You can save a card" not in away
    assert "None. You can save a card" in none
