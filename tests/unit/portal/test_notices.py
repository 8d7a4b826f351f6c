"""What is told on a later page: how a command ended that its own page did not wait for."""

import json
import re
from base64 import b64decode
from http import HTTPStatus

import pytest
from itsdangerous import TimestampSigner

from tests.unit.portal.world import SECRET, World, form, seen

WRITTEN = {"message_id": "m-1", "subject": "A charge", "body": "Why twice?"}
ROUTED = {"message_id": "m-1", "thread_id": "t-1", "item_id": "i-1", "pool": "billing"}
REFUSED = ("refused", "inbox.command-refused.v1", {"reason": "not_found"})
THREAD = {
    "thread_id": "t-1",
    "patient_id": "p-1",
    "kind": "medical",
    "category": "refill-request",
    "subject": "Cough",
    "state": "answered",
    "created_at": "2026-01-02T10:00:00Z",
    "updated_at": "2026-01-02T11:00:00Z",
}
INSURANCE = {
    "coverage_id": "coverage-1",
    "patient_id": "p-1",
    "payer_name": "Somewhere Else",
    "member_id": "ABC 1",
    "relationship": "self",
    "first_name": "Maria",
    "last_name": "Sandoval",
    "birth_date": "1988-04-17",
}


def given(world: World) -> None:
    maria = {"patient_id": "p-1", "name": "Maria Sandoval", "relationship": "self"}
    world.services.answer("GET", "/v1/patients", [maria])
    world.services.answer("GET", "/v1/accounts/A-1", {"account_number": "A-1"})
    world.services.answer("GET", "/v1/payers", [])
    world.services.answer("GET", "/v1/threads", [THREAD])
    world.services.answer("GET", "/v1/threads/t-1", THREAD)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/messages/new", {"kind": "non-medical", "category": "billing-question", **WRITTEN}),
        ("/messages/t-1", WRITTEN),
        ("/contact/A-1", {"patient_id": "p-1", **WRITTEN}),
    ],
)
async def test_a_refusal_that_comes_late_is_told_on_whatever_page_is_open_and_offers_to_write_again(
    world: World, path: str, sent: dict[str, str]
) -> None:
    by_itself = {"x-unattended": "yes"}
    async with world.person() as browser:
        given(world)
        world.producer.outcome = None
        await browser.post(path, data=form(**sent))
        waiting = (await browser.get("/messages")).text
        world.producer.end("inbox.commands.v1", world.producer.sent[0], *REFUSED)
        told = [(await browser.get("/messages", headers=headers)).text for headers in (by_itself, {}, {})]
    assert "What you sent is still being worked on." in waiting
    assert "data-written" not in waiting
    said = [("We cannot find this" in page, 'data-written="m-1" hidden' in page) for page in told]
    assert said == [(True, True), (True, True), (False, False)]


async def test_a_message_that_is_accepted_late_is_told_by_where_it_went_and_not_offered_again(
    world: World,
) -> None:
    async with world.person() as browser:
        given(world)
        world.producer.outcome = None
        await browser.post("/messages/t-1", data=form(message_id="m-2", body="Better now"))
        world.producer.end("inbox.commands.v1", world.producer.sent[0], "done", "inbox.message-routed.v1", ROUTED)
        told = (await browser.get("/")).text
    assert "Sent to our billing team." in told
    assert "Our staff will bring it to the right people." not in told
    assert "data-written" not in told


async def test_what_is_awaited_is_three_things_in_the_cookie_which_another_release_reads_too(world: World) -> None:
    async with world.person() as browser:
        given(world)
        world.producer.outcome = None
        for number in range(7):
            answer = await browser.post("/messages/t-1", data=form(message_id=f"m-{number}", body="Better now"))
    cookie = json.loads(b64decode(TimestampSigner(SECRET).unsign(answer.cookies["session"])))
    assert [len(one) for one in cookie["awaited"]] == [3] * 5
    assert list(cookie["messages"].values()) == ["m-2", "m-3", "m-4", "m-5", "m-6"]


async def test_what_this_process_cannot_follow_is_told_once_with_where_to_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.person() as browser:
        given(world)
        world.producer.outcome = None
        await browser.post("/messages/t-1", data=form(message_id="m-2", body="Better now"))
        monkeypatch.setattr(world.app.state.commands, "chain", lambda _command_id: None)
        first, second = [(await browser.get("/messages")).text for _ in range(2)]
    assert "We cannot follow here any more what you sent." in first
    assert 'href="/messages">Look at my messages' in first
    assert "We tell you here as soon as it is done." not in first + second
    assert "We cannot follow" not in second


async def test_a_page_that_answers_a_form_follows_what_was_sent_before_it(world: World) -> None:
    async with world.person() as browser:
        given(world)
        world.producer.outcome = None
        await browser.post("/messages/t-1", data=form(message_id="m-2", body="Better now"))
        answer = (await browser.post("/insurance/add", data=form(patient_id="p-1"))).text
        address = re.search(r'id="awaited"[^>]*hx-get="([^"]*)"', answer)
        assert address
        world.producer.end("inbox.commands.v1", world.producer.sent[0], "done", "inbox.message-routed.v1", ROUTED)
        told = await browser.get(address[1], headers={"x-unattended": "yes", "hx-request": "true"})
    assert "What you sent is still being worked on." in answer
    assert told.status_code == HTTPStatus.OK
    assert seen(told.text) == "Sent to our billing team."


async def test_settings_that_answer_a_form_are_asked_for_again_where_they_are(world: World) -> None:
    async with world.person() as browser:
        world.services.answer("GET", "/v1/preferences", {"contacts": [], "accounts": []})
        world.services.answer("GET", "/v1/billing-summary", {"accounts": []})
        sent = form(contact_id="c-1", channel="email")
        answer = (await browser.post("/settings/contacts", data=sent)).text
    assert re.findall(r'data-live[^>]*hx-get="([^"]*)"', answer) == ["/settings", "/settings"]


async def test_of_an_insurance_that_is_added_late_nobody_says_who_looks_at_it_next(world: World) -> None:
    async with world.person() as browser:
        given(world)
        world.producer.outcome = None
        await browser.post("/insurance/add", data=form(**INSURANCE))
        world.producer.end(
            "insurance.commands.v1", world.producer.sent[0], "done", "insurance.coverage-added.v1", {}
        )
        shown = (await browser.get("/settings")).text
    assert "Your insurance is on file." in shown
    assert "when you log out" not in shown
