"""The message pages: the guided way, sending, files, replies, and what is said when it is refused."""

import asyncio
import json
import re
import threading
from base64 import b64decode, b64encode
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest
from aiohttp import web

from portal.answers import Patient
from portal.messages.writing import Path
from tests.unit.portal.world import CSRF, World, form, portal

MARIA = {"patient_id": "p-1", "name": "Maria Sandoval", "relationship": "self"}
LEO = {"patient_id": "p-2", "name": "Leo Sandoval", "relationship": "proxy"}
PROVIDER = {"provider_id": "d-1", "name": "Elena Rivera, MD", "why": "scheduled", "reasons": ["scheduled"]}
WRITTEN = {"message_id": "m-1", "subject": "A charge", "body": "Why\r\ntwice?"}
ROUTED = {
    "message_id": "m-1",
    "thread_id": "t-9",
    "item_id": "i-1",
    "pool": "billing",
    "rule_version": 1,
    "why": "-",
}
THREAD = {
    "thread_id": "t-1",
    "patient_id": "p-1",
    "kind": "medical",
    "category": "non-urgent-question",
    "subject": "Cough",
    "provider_id": "d-1",
    "provider_name": "Elena Rivera, MD",
    "state": "answered",
    "created_at": "2026-01-02T10:00:00Z",
    "updated_at": "2026-01-02T11:00:00Z",
    "messages": [
        {
            "message_id": "m-0",
            "from": "patient",
            "author": "Maria Sandoval",
            "body": "I cough <b>",
            "at": "2026-01-02T10:00:00Z",
            "attachments": [
                {"attachment_id": "a-1", "name": "ok.pdf", "content_type": "x", "size": 1, "state": "clean"},
                {"attachment_id": "a-2", "name": "wait.pdf", "content_type": "x", "size": 1, "state": "held"},
                {"attachment_id": "a-3", "name": "bad.pdf", "content_type": "x", "size": 1, "state": "refused"},
            ],
        }
    ],
}


def given(world: World, *patients: dict[str, Any]) -> None:
    world.services.answer("GET", "/v1/patients", list(patients))
    world.services.answer("GET", "/v1/recipients", [PROVIDER])
    world.services.answer("GET", "/v1/threads", [THREAD])
    world.services.answer("GET", "/v1/threads/t-1", THREAD)
    world.producer.outcome = ("done", "inbox.message-routed.v1", ROUTED)


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


async def test_files_of_a_form_without_scripts_are_uploaded_first_and_a_refused_one_stops_the_message(
    world: World,
) -> None:
    async def attachments(request: web.Request) -> web.Response:
        sent = await request.post()
        assert sent["patient_id"] == "p-1"
        name = sent["file"].filename  # type: ignore[union-attr]  # it is a file
        if name == "empty.pdf":
            return web.json_response({"reason": "empty_file", "name": name}, status=422)
        told = {"attachment_id": "a-9", "name": name, "size": 3, "state": "held"}
        return web.json_response(told, status=201)

    async with world.person() as browser:
        given(world, MARIA)
        world.services.answer("POST", "/v1/attachments", attachments)
        sent = form(kind="non-medical", category="billing-question", **WRITTEN)
        both = [("files", ("card.png", b"abc", "image/png")), ("files", ("empty.pdf", b"", "application/pdf"))]
        refused = await browser.post("/messages/new", data=sent, files=both)
        assert world.producer.sent == []
        again = await browser.post("/messages/new", data=sent | {"attachment_ids": "a-9 held card.png"})
    assert "This file is empty." in refused.text
    assert 'value="a-9 held card.png"' in refused.text
    assert again.status_code == 303
    assert world.producer.sent[0]["data"]["attachment_ids"] == ["a-9"]


async def test_the_file_of_a_form_is_closed_by_the_form_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    closers: set[str] = set()

    class Watched(SpooledTemporaryFile[bytes]):
        def close(self) -> None:
            closers.add(threading.current_thread().name.partition("_")[0])
            super().close()

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", Watched)
    async with world.person() as browser:
        given(world, MARIA)
        told = {"attachment_id": "a-9", "name": "card.png", "size": 3, "state": "clean"}
        world.services.answer("POST", "/v1/attachments", told, 201)
        sent = form(kind="non-medical", category="billing-question", **WRITTEN)
        files = [("files", ("card.png", b"abc", "image/png"))]
        answer = await browser.post("/messages/new", data=sent, files=files)
    assert answer.status_code == 303
    # aiohttp closes what it sends in a thread of the loop's own.
    await asyncio.to_thread(list)
    assert closers
    assert "asyncio" not in closers


async def test_of_too_many_files_those_that_a_message_cannot_carry_are_named_before_it_is_sent(
    world: World,
) -> None:
    async with world.person() as browser:
        given(world, MARIA)
        told = {"attachment_id": "a-new", "name": "10.pdf", "size": 3, "state": "clean"}
        world.services.answer("POST", "/v1/attachments", told, 201)
        sent = form(kind="non-medical", category="billing-question", **WRITTEN)
        before = [f"a-{number} clean {number}.pdf" for number in range(1, 10)]
        more = [("files", (f"{number}.pdf", b"abc", "application/pdf")) for number in (10, 11)]
        answer = await browser.post("/messages/new", data=sent | {"attachment_ids": before}, files=more)
    assert world.producer.sent == []
    assert len(world.services.calls("POST", "/v1/attachments")) == 1
    assert answer.status_code == 422
    assert "Up to 10 files" in answer.text
    assert (answer.text.count('name="attachment_ids"'), 'data-max="10"' in answer.text) == (10, True)
    assert "Not more than 10 files can be sent at once." in answer.text.partition(">11.pdf</span>")[2]


async def test_a_script_uploads_in_parts_and_gets_the_files_row_at_its_end(world: World) -> None:
    said: list[tuple[str, str, bytes]] = []

    async def inbox(request: web.Request) -> web.Response:
        assert request.headers["on-behalf-of"] == "person-1"
        offset = request.headers.get("upload-offset", "0")
        said.append((request.method, offset, await request.read()))
        if request.method == "POST":
            assert b64decode(request.headers["upload-metadata"].split(",")[0].split(" ")[1]) == b"a <b>.png"
            return web.Response(status=201, headers={"location": "/v1/attachments/resumable/u-1"})
        if offset == "9":
            return web.json_response({"reason": "wrong_offset"}, status=409)
        whole = {
            "attachment-id": "u-1",
            "attachment-state": "held",
            "upload-length": "6",
            "upload-metadata": f"filename {b64encode(b'a <b>.png').decode()},patient_id cC0x",
        }
        told = {"upload-offset": "3"} | (whole if offset == "3" else {})
        return web.Response(status=200 if request.method == "HEAD" else 204, headers=told)

    for method in ("HEAD", "PATCH"):
        world.services.answer(method, "/v1/attachments/resumable/u-1", inbox)
    world.services.answer("POST", "/v1/attachments/resumable", inbox)
    headers = {"x-csrf-token": CSRF, "hx-request": "true"}
    async with world.person() as browser:
        announced = {"patient_id": "p-1", "name": "a <b>.png", "size": "6"}
        begun = await browser.post("/messages/uploads", data=announced, headers=headers)
        at = begun.headers["location"]
        first = await browser.patch(at, content=b"abc", headers=headers | {"upload-offset": "0"})
        asked = await browser.head(at)
        elsewhere = await browser.patch(at, content=b"abc", headers=headers | {"upload-offset": "9"})
        whole = await browser.patch(at, content=b"def", headers=headers | {"upload-offset": "3"})
        stranger = await browser.patch(at, content=b"abc", headers={"upload-offset": "0"})
        gone = await browser.head("/messages/uploads/u-2")
    assert (begun.status_code, at) == (201, "/messages/uploads/u-1")
    assert (first.status_code, first.headers["upload-offset"]) == (204, "3")
    assert (asked.status_code, asked.headers["upload-offset"]) == (200, "3")
    assert (elsewhere.status_code, stranger.status_code, gone.status_code) == (409, 403, 404)
    assert 'value="u-1 held a &lt;b&gt;.png"' in whole.text
    assert ("PATCH", "3", b"def") in said


async def test_a_file_that_is_refused_when_it_is_announced_shows_why(world: World) -> None:
    world.services.answer("POST", "/v1/attachments/resumable", {"reason": "too_large", "name": "a.png"}, 413)
    async with world.person() as browser:
        announced = {"patient_id": "p-1", "name": "a.png", "size": "99999999"}
        refused = await browser.post("/messages/uploads", data=announced, headers={"x-csrf-token": CSRF})
    assert refused.status_code == 200
    assert "This file is too large." in refused.text


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


async def test_a_file_may_take_longer_than_a_call() -> None:
    async def slowly(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "image/png", "content-length": "50"})
        await answer.prepare(request)
        for _ in range(50):
            await answer.write(b".")
            await asyncio.sleep(0.05)  # as a slow line
        return answer

    async with portal(call_s=2.0) as world, world.person() as browser:
        world.services.answer("GET", "/v1/attachments/a-1", slowly)
        file = await browser.get("/messages/attachments/a-1")
    assert file.content == b"." * 50
