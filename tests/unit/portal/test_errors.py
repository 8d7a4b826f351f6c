"""What is wrong with a form is told above it and at its fields, whatever the form."""

import re
from typing import Any

import pytest

from tests.unit.portal.bills import account
from tests.unit.portal.world import World, form, seen

PATIENT = {"patient_id": "p-1", "name": "Maria Sandoval", "relationship": "self"}
PREFERENCES = {
    "contacts": [{"contact_id": "c-1", "channel": "email", "address": "m@mail.example", "status": "verified",
                  "verified_at": "2026-11-01T10:00:00Z"}],
    "accounts": [],
}  # fmt: skip
WRONG: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "/settings/contacts": ({"contact_id": "c-2", "channel": "email"}, {"address": "This does not look right."}),
    "/pay-my-bill": (
        {},
        {"account_number": "Please type the number on your bill.", "last_name": "Please type the last name."},
    ),
    "/contact/G-1": (
        {"message_id": "m-1", "patient_id": "p-1"},
        {"subject": "Please say in a few words", "body": "Please write your question."},
    ),
    "/pay/G-1/review": (
        {"amount_choice": "other", "amount": "much", "method": "card"},
        {"amount": "Please type an amount", "method": "Please choose a card"},
    ),
    "/plan/G-1": ({"plan_id": "plan-1", "monthly": "much"}, {"monthly": "Please type an amount"}),
    "/paperless/G-1": ({"text_version": "1"}, {"accepted": "Please tick the box to agree."}),
    "/messages/new": (
        {"patient_id": "p-1", "kind": "non-medical", "category": "billing-question", "message_id": "m-1"},
        {"subject": "Please say in a few words", "body": "Please write something"},
    ),
    "/insurance/add": (
        {"patient_id": "p-1", "coverage_id": "c-1", "relationship": "self"},
        {"payer_name": "Payer: Please fill this in.", "member_id": "Member ID: Please fill this in."},
    ),
}


def given(world: World) -> None:
    answers: dict[str, Any] = {
        "/v1/accounts/G-1": account(),
        "/v1/accounts/G-1/methods": [],
        "/v1/billing-summary": {"accounts": []},
        "/v1/consent-texts/current": {"version": "1", "text": "We ask."},
        "/v1/patients": [PATIENT],
        "/v1/payers": [],
        "/v1/preferences": PREFERENCES,
        "/v1/recipients": [],
    }
    for path, told in answers.items():
        world.services.answer("GET", path, told)
    world.services.answer("POST", "/v1/plan-quotes", {"reason": "instalment_too_small"}, 422)
    world.producer.outcome = ("refused", "notifications.command-refused.v1", {"reason": "consent_missing"})


@pytest.mark.parametrize("path", WRONG)
async def test_what_is_wrong_takes_the_focus_and_leads_to_each_field(world: World, path: str) -> None:
    given(world)
    typed, faults = WRONG[path]
    async with world.person() as browser:
        answer = await browser.post(path, data=form(**typed))
    page = answer.text
    assert re.search("<title>Error: [^<]+ · Patient portal</title>", page)
    summary = re.search(
        r'<div class="alert alert-danger" role="alert"[^>]* tabindex="-1" autofocus>.*?</ul>', page, re.DOTALL
    )
    assert summary
    links = dict(re.findall(r'<a href="#(\w+)">([^<]+)</a>', summary.group()))
    assert set(links) >= set(faults)
    for name, sentence in faults.items():
        assert sentence in seen(links[name])
    for name in links:
        field = re.findall(rf'<\w+[^>]* id="{name}"[^>]*>', page)
        assert len(field) == 1
        assert len(re.findall(f'id="{name}-error"', page)) == 1
        assert re.search(rf'<(?:\w+[^>]* id="{name}"|fieldset)[^>]* aria-describedby="[^"]*\b{name}-error"', page)
        assert 'aria-invalid="true"' in field[0] or 'type="radio"' in field[0]


async def test_a_page_without_errors_says_none(world: World) -> None:
    given(world)
    async with world.person() as browser:
        page = (await browser.get("/settings")).text
    assert "<title>Settings · Patient portal</title>" in page
    assert "alert-danger" not in page
    assert "aria-invalid" not in page
