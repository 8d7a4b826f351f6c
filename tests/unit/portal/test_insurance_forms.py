"""What the insurance forms leave to the service to judge."""

import re

from tests.unit.portal.world import World, form

TYPED = {
    "coverage_id": "coverage-1",
    "patient_id": "p-1",
    "payer_name": "New Mutual",
    "member_id": "ABC 1",
    "relationship": "self",
    "first_name": "Maria",
    "last_name": "Sandoval",
}


async def test_which_births_are_still_to_come_the_service_says_and_the_form_shows_it_at_its_field(
    world: World,
) -> None:
    maria = {"patient_id": "p-1", "name": "Maria Sandoval", "relationship": "self"}
    world.services.answer("GET", "/v1/patients", [maria])
    world.services.answer("GET", "/v1/payers", [])
    world.producer.outcome = ("refused", "insurance.command-refused.v1", {"reason": "birth_date_in_future"})
    async with world.person() as browser:
        answer = await browser.post("/insurance/add", data=form(**TYPED, birth_date="2999-01-01"))
    assert world.producer.sent[0]["data"]["subscriber"]["birth_date"] == "2999-01-01"
    fault = re.search(r'id="birth_date-error">(.*?)</div>', answer.text, re.DOTALL)
    assert fault
    assert "The date of birth has not come yet." in fault[1]
