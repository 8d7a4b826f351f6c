"""What a person writes about is theirs to see, whichever form it comes with."""

import pytest

from tests.unit.portal.world import World, form

MARIA = {"patient_id": "p-1", "name": "Maria Sandoval", "relationship": "self"}
WRITTEN = {"message_id": "m-1", "patient_id": "p-1", "subject": "A charge", "body": "Why twice?"}
BILLING = {"kind": "non-medical", "category": "billing-question"}
ABOUT = [
    {"account_number": "A-1"},
    {"account_number": "A-1", "statement_id": "s-1"},
    {"coverage_id": "c-1"},
    {"account_number": "A-1", "statement_id": "s-1", "coverage_id": "c-1"},
]
NOT_THEIRS = [
    {"account_number": "A-2"},
    {"account_number": "A-2", "statement_id": "s-1"},
    {"account_number": "A-1", "statement_id": "s-2"},
    {"statement_id": "s-1"},
    {"coverage_id": "c-2"},
    {"account_number": "A-1", "coverage_id": "c-2"},
]


def given(world: World) -> None:
    world.services.answer("GET", "/v1/patients", [MARIA])
    world.services.answer("GET", "/v1/accounts/A-1", {"account_number": "A-1"})
    world.services.answer("GET", "/v1/accounts/A-1/statements", [{"statement_id": "s-1"}])
    world.services.answer("GET", "/v1/coverages/c-1", {"coverage_id": "c-1"})


@pytest.mark.parametrize("about", ABOUT)
async def test_a_message_is_about_what_the_person_may_see(world: World, about: dict[str, str]) -> None:
    given(world)
    async with world.person() as browser:
        answer = await browser.post("/messages/new", data=form(**WRITTEN, **BILLING, **about))
    assert answer.status_code == 303
    (command,) = world.producer.sent
    assert {name: value for name, value in command["data"]["about"].items() if value} == about


@pytest.mark.parametrize("about", NOT_THEIRS)
async def test_nobody_writes_about_what_is_not_theirs_to_see(world: World, about: dict[str, str]) -> None:
    given(world)
    async with world.person() as browser:
        answer = await browser.post("/messages/new", data=form(**WRITTEN, **BILLING, **about))
    assert answer.status_code == 404
    assert "Why twice?" in answer.text
    assert world.producer.sent == []


@pytest.mark.parametrize(
    ("number", "statement", "status"),
    [("A-1", "", 303), ("A-1", "s-1", 303), ("A-1", "s-2", 404), ("A-2", "", 404), ("A-2", "s-1", 404)],
)
async def test_customer_service_is_asked_about_an_account_and_a_statement_of_ones_own(
    world: World, number: str, statement: str, status: int
) -> None:
    given(world)
    async with world.person() as browser:
        answer = await browser.post(f"/contact/{number}", data=form(**WRITTEN, statement_id=statement))
    assert answer.status_code == status
    told = [command["data"]["about"] for command in world.producer.sent]
    assert [(one["account_number"], one.get("statement_id") or "") for one in told] == (
        [(number, statement)] if status == 303 else []
    )
