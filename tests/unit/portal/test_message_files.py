"""The files of messages: sent with a form, in parts by a script, and fetched."""

import asyncio
import threading
from base64 import b64decode, b64encode
from tempfile import SpooledTemporaryFile

import pytest
from aiohttp import web

from tests.unit.portal.messages import MARIA, WRITTEN, given
from tests.unit.portal.world import CSRF, World, form, portal


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
