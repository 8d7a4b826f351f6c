"""The message pages: the guided way, sending, replies, and what is said when it is refused."""

import json
import re
from typing import Any

import pytest
from aiohttp import web

from portal.answers import Patient
from portal.messages.writing import Path
from tests.unit.portal.messages import LEO, MARIA, THREAD, WRITTEN, given
from tests.unit.portal.world import CSRF, World, form


async def test_older_conversations_are_a_page_further(world: World) -> None:
    async def page(request: web.Request) -> web.Response:
        older = request.query.get("after") == "a=b"
        link = {} if older else {"link": '<?limit=50&after=a%3Db>; rel="next"'}
        return web.json_response([{**THREAD, "subject": "Old cough" if older else "New cough"}], headers=link)

    async with world.person() as browser:
        given(world, MARIA)
        world.services.answer("GET", "/v1/threads", page)
        first, older = [(await browser.get(f"/messages{query}")).text for query in ("", "?after=a%3Db")]
    assert ("New cough" in first, 'href="?after=a%3Db"' in first) == (True, True)
    assert ("Old cough" in older, 'href="?after=' in older) == (True, False)
    assert ('hx-get="/messages"' in first, 'hx-get="/messages?after=a%3Db"' in older) == (True, True)


async def test_earlier_messages_are_a_page_further_and_what_is_new_is_on_the_first(world: World) -> None:
    async def part(request: web.Request) -> web.Response:
        if "before" not in request.query:
            return web.json_response({**THREAD, "earlier": "a=b"})
        assert request.query["before"] == "a=b"
        entry = {"message_id": "m-0", "from": "staff", "author": "-", "body": "Hello?", "at": THREAD["created_at"]}
        return web.json_response({**THREAD, "messages": [entry]})

    async with world.person() as browser:
        given(world, MARIA)
        world.services.answer("GET", "/v1/threads/t-1", part)
        newest, earlier = [(await browser.get(f"/messages/t-1{query}")).text for query in ("", "?before=a%3Db")]
    assert ("I cough" in newest, 'href="?before=a%3Db"' in newest) == (True, True)
    assert ("Hello?" in earlier, "I cough" in earlier, 'href="?before=' in earlier) == (True, False, False)
    assert ('id="reply"' in newest, 'id="reply"' in earlier) == (True, False)
    assert "These are the first messages." in earlier
    assert ('href="/messages/t-1"' in newest, 'href="/messages/t-1"' in earlier) == (False, True)


@pytest.mark.parametrize(
    ("chosen", "patients", "step", "steps"),
    [
        ({}, 2, "patient", ["patient", "kind", "category", "text"]),
        ({}, 1, "kind", ["kind", "category", "text"]),
        ({"kind": "medical"}, 1, "category", ["kind", "category", "text"]),
        ({"kind": "medical", "category": "refill-request"}, 1, "text", ["kind", "category", "text"]),
        (
            {"kind": "medical", "category": "non-urgent-question"},
            1,
            "provider",
            ["kind", "category", "provider", "text"],
        ),
        ({"kind": "non-medical", "category": "refill-request"}, 1, "category", ["kind", "category", "text"]),
        ({"kind": "gossip", "patient_id": "p-77"}, 2, "patient", ["patient", "kind", "category", "text"]),
        ({"patient_id": "p-77", "kind": "medical"}, 1, "patient", ["patient", "kind", "category", "text"]),
    ],
)
def test_the_way_asks_for_what_is_not_chosen_yet_and_forgets_what_makes_no_sense(
    chosen: dict[str, str], patients: int, step: str, steps: list[str]
) -> None:
    there = [Patient.model_validate(one) for one in (MARIA, LEO)][:patients]
    path = Path.of(chosen, there)
    assert (path.step(there), path.steps(there)) == (step, steps)


async def test_who_writes_is_asked_about_themself_first(world: World) -> None:
    async with world.person() as browser:
        given(world, LEO, MARIA)
        page = (await browser.get("/messages/new")).text
    choices = re.findall(r"choice-link.*?<strong>(.*?)</strong>", page)
    assert choices == [MARIA["name"], LEO["name"]]


def test_going_back_takes_the_last_choice_back_and_keeps_what_the_message_is_about() -> None:
    there = [Patient.model_validate(MARIA)]
    told = {"kind": "non-medical", "category": "billing-question", "account_number": "A-1"}
    back = Path.of(told, there).back(there)
    assert back == "/messages/new?patient_id=p-1&kind=non-medical&account_number=A-1"


async def test_a_message_goes_out_as_it_was_written_and_its_thread_says_where_it_went(world: World) -> None:
    async with world.person() as browser:
        given(world, MARIA)
        chosen = {"kind": "non-medical", "category": "billing-question", "account_number": "A-1"}
        world.services.answer("GET", "/v1/accounts/A-1", {"account_number": "A-1"})
        assert "A-1" in (await browser.get("/messages/new", params=chosen)).text
        answer = await browser.post("/messages/new", data=form(**chosen, **WRITTEN))
        world.services.answer("GET", "/v1/threads/t-9", THREAD)
        shown = await browser.get(answer.headers["location"])
    assert answer.headers["location"] == "/messages/t-9"
    assert "Sent to our billing team." in shown.text
    (command,) = world.producer.sent
    assert (command["subject"], command["actor"]) == ("p-1", "patient:person-1")
    data = command["data"]
    assert (data["message_id"], data["body"], data["about"]["account_number"]) == ("m-1", "Why\ntwice?", "A-1")


async def test_a_refusal_keeps_what_was_written(world: World) -> None:
    async with world.person() as browser:
        given(world, MARIA)
        world.producer.outcome = ("refused", "inbox.command-refused.v1", {"reason": "recipient_not_allowed"})
        chosen = {"kind": "medical", "category": "non-urgent-question", "provider_id": "d-1"}
        answer = await browser.post("/messages/new", data=form(**chosen, **WRITTEN))
    assert answer.status_code == 422
    assert "You cannot write to this provider." in answer.text
    assert "Why\ntwice?" in answer.text
    assert 'name="message_id" value="m-1"' in answer.text


async def test_a_reply_goes_to_its_thread_whatever_else_the_address_of_its_page_says(world: World) -> None:
    async with world.person() as browser:
        given(world, MARIA)
        page = (await browser.get("/messages/t-1?again=m-1")).text
    assert 'action="/messages/t-1"' in page


async def test_what_was_written_about_a_child_never_goes_into_the_record_of_the_parent(world: World) -> None:
    chosen = {"patient_id": "p-2", "kind": "medical", "category": "medical-info-update"}
    async with world.person() as browser:
        given(world, MARIA, LEO)
        assert 'name="patient_id" value="p-2"' in (await browser.get("/messages/new", params=chosen)).text
        given(world, MARIA)
        refused = await browser.post("/messages/new", data=form(**chosen, **WRITTEN))
        asked = (await browser.get("/messages/new", params=chosen)).text
    assert world.producer.sent == []
    assert refused.status_code == 404
    assert "Nothing was sent." in refused.text
    for written in (WRITTEN["subject"], "Why\r\ntwice?</textarea>"):
        assert written in refused.text
    assert "You can no longer write about the person you chose." in asked
    assert "Who is it about?" in asked
    assert "<textarea" not in asked


async def test_a_reply_to_a_thread_that_is_no_longer_theirs_is_kept_to_be_copied(world: World) -> None:
    async with world.person() as browser:
        given(world, MARIA)
        refused = await browser.post("/messages/t-2", data=form(message_id="m-2", body="Better now"))
    assert refused.status_code == 404
    assert "Better now</textarea>" in refused.text
    assert world.producer.sent == []


async def test_words_of_an_emergency_bring_a_banner_and_never_a_block(world: World) -> None:
    async with world.person() as browser:
        given(world, MARIA)
        world.services.answer("POST", "/v1/urgency", {"urgent": True, "words": ["chest pain"]})
        headers = {"x-csrf-token": CSRF, "hx-request": "true"}
        banner = await browser.post("/messages/urgency", data={"body": "chest pain"}, headers=headers)
        sent = form(kind="non-medical", category="billing-question", **WRITTEN | {"body": "chest pain"})
        answer = await browser.post("/messages/new", data=sent)
    assert "call 911 now" in banner.text
    assert answer.status_code == 303
    assert json.loads(json.dumps(world.services.calls("POST", "/v1/urgency")[0].body))["subject"] == ""


async def test_writing_goes_on_while_nobody_can_look_for_urgent_words(world: World) -> None:
    given(world, MARIA)
    world.services.answer("POST", "/v1/urgency", {"detail": "-"}, 503)
    async with world.person() as browser:
        headers = {"x-csrf-token": CSRF, "hx-request": "true"}
        answer = await browser.post("/messages/urgency", data={"body": "chest pain"}, headers=headers)
    assert (answer.status_code, answer.text.strip()) == (200, "")


async def test_a_thread_shows_texts_as_text_and_offers_only_clean_files(world: World) -> None:
    async with world.person() as browser:
        given(world, MARIA)
        page = (await browser.get("/messages/t-1")).text
    assert "I cough &lt;b&gt;" in page
    assert 'href="/messages/attachments/a-1"' in page
    assert "/attachments/a-2" not in page
    assert "/attachments/a-3" not in page
    assert "being scanned" in page
    assert "it was refused by the scanner" in page


async def test_an_open_page_does_not_count_as_somebody_who_reads(world: World) -> None:
    async with world.person() as browser:
        given(world, MARIA)
        for headers in ({}, {"x-unattended": "yes"}):
            await browser.get("/messages/t-1", headers=headers)
    asked = [one.query.get("unattended") for one in world.services.calls("GET", "/v1/threads/t-1")]
    assert asked == [None, "true"]


async def test_a_reply_stays_in_its_thread_and_with_its_provider(world: World) -> None:
    async with world.person() as browser:
        given(world, MARIA)
        await browser.post("/messages/t-1", data=form(message_id="m-2", body="Better now"))
    data = world.producer.sent[0]["data"]
    assert (data["thread_id"], data["provider_id"], data["subject"]) == ("t-1", "d-1", "Cough")


async def test_who_has_not_logged_in_is_sent_to_do_so_and_back(world: World) -> None:
    async with world.visitor() as browser:
        answer = await browser.get("/messages/t-1")
    assert answer.headers["location"] == "/login?next=/messages/t-1"


@pytest.mark.parametrize(
    ("told", "language", "shown"),
    [
        ({"author": "You", "mine": True}, "es", "Usted"),
        ({"author": "On behalf of Ana", "on_behalf_of": "Ana"}, "es", "En nombre de Ana"),
        ({"author": "Luis"}, "en", "Luis"),
    ],
)
async def test_who_wrote_is_told_in_the_readers_language(
    world: World, told: dict[str, Any], language: str, shown: str
) -> None:
    async with world.person(language) as browser:
        given(world, MARIA)
        entry = {"message_id": "m-0", "from": "patient", "body": "-", "at": THREAD["created_at"], **told}
        world.services.answer("GET", "/v1/threads/t-1", {**THREAD, "messages": [entry]})
        page = (await browser.get("/messages/t-1")).text
    assert f"<strong>{shown}</strong>" in page
