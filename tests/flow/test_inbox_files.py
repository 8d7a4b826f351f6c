"""Files of messages: judged by their content, scanned before they open, shown without what is hidden."""

import io
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import FormData
from PIL import Image

from local.infrastructure import Endpoints
from sandbox.scanner import EICAR, ScannerServer
from services.inbox.inspection import FILE_BYTES_MAX
from tests.flow.inbox_world import Answer, Inbox, running_inbox
from tests.flow.kit import eventually

LIMIT = 64 * 1024


@pytest.fixture(scope="module", name="scanner")
async def the_scanner() -> ScannerServer:
    return ScannerServer(bytes_max=LIMIT)


@pytest.fixture(scope="module", name="inbox")
async def the_inbox(
    infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory, scanner: ScannerServer
) -> AsyncIterator[Inbox]:
    async with running_inbox(infrastructure, tmp_path_factory.mktemp("files"), scanner) as inbox:
        yield inbox


def picture(fmt: str = "JPEG", **how: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(out, fmt, **how)
    return out.getvalue()


async def upload(inbox: Inbox, patient: str, name: str, content: bytes, who: str | None = None) -> Answer:
    form = FormData(quote_fields=False)
    form.add_field("patient_id", patient)
    form.add_field("file", io.BytesIO(content), filename=name, content_type="application/octet-stream")
    return await inbox.post("/v1/attachments", form, who or f"person-{patient}", "gateway")


async def scanned(inbox: Inbox, attachment: str, state: str) -> None:
    found = "select true from attachment where attachment_id = $1 and state = $2"
    await eventually(lambda: inbox.pool.fetchval(found, attachment, state), f"the file is {state}")


async def test_a_picture_is_scanned_then_read_by_those_who_see_its_message(inbox: Inbox) -> None:
    patient = await inbox.patient()
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    content = picture(exif=exif)

    taken = await upload(inbox, patient, "Röntgen 1.jpg", content)

    assert (taken.status, taken.body["state"], taken.body["content_type"]) == (201, "clean", "image/jpeg")
    assert (taken.body["name"], taken.body["size"]) == ("Röntgen 1.jpg", len(content))
    attachment = taken.body["attachment_id"]
    routed = await inbox.sent(patient, attachment_ids=[attachment])
    assert routed["pool"] == "billing"
    assert (await inbox.said("attachment-cleared", attachment_id=attachment))["patient_id"] == patient
    path = f"/v1/attachments/{attachment}"
    got = await inbox.get(path)
    assert (got.status, got.body) == (200, content)
    assert got.headers["content-disposition"] == "attachment; filename*=UTF-8''R%C3%B6ntgen%201.jpg"
    assert (got.headers["x-content-type-options"], "sandbox" in got.headers["content-security-policy"]) == (
        "nosniff",
        True,
    )
    assert b"SECRET-CAMERA" in content
    shown = await inbox.get(f"{path}/preview")
    assert (shown.status, shown.headers["content-type"]) == (200, "image/jpeg")
    assert b"SECRET-CAMERA" not in shown.body
    assert Image.open(io.BytesIO(shown.body)).size == (40, 30)
    assert (await inbox.get(path, "staff:carl", "crm")).status == 404
    assert (await inbox.get(path, "person-nobody", "gateway")).status == 404
    item = await inbox.get(f"/v1/items/{routed['item_id']}")
    assert [one["attachment_id"] for one in item.body["messages"][0]["attachments"]] == [attachment]
    listed = (await inbox.get("/v1/pools/billing/items?limit=200")).body["items"]
    (row,) = [one for one in listed if one["item_id"] == routed["item_id"]]
    assert (row["attachments"], item.body["attachments"]) == (1, 1)
    await inbox.sent(patient, thread_id=routed["thread_id"])
    newest = await inbox.get(f"/v1/items/{routed['item_id']}?limit=1")
    assert (newest.body["attachments"], newest.body["messages"][0]["attachments"]) == (1, [])


async def test_a_virus_is_refused_and_nobody_can_open_or_send_it(inbox: Inbox) -> None:
    patient = await inbox.patient()

    refused = await upload(inbox, patient, "letter.txt", b"Dear doctor\n" + EICAR)

    assert (refused.status, refused.body["reason"], refused.body["name"]) == (422, "infected", "letter.txt")
    attachment = await inbox.pool.fetchval("select attachment_id from attachment where patient_id = $1", patient)
    assert (await inbox.said("attachment-refused", attachment_id=attachment))["reason"] == "infected"
    opened = await inbox.get(f"/v1/attachments/{attachment}", f"person-{patient}", "gateway")
    assert (opened.status, opened.body["reason"]) == (409, "attachment_refused")
    sent = await inbox.sent(patient, attachment_ids=[attachment])
    assert sent["reason"] == "attachment_refused"


async def test_while_the_scanner_is_away_or_cannot_scan_a_file_stays_shut(
    inbox: Inbox, scanner: ScannerServer
) -> None:
    patient = await inbox.patient()
    scanner.is_away = True
    taken = (await upload(inbox, patient, "note.txt", b"Good day")).body
    attachment = taken["attachment_id"]
    assert taken["state"] == "held"
    item = (await inbox.sent(patient, attachment_ids=[attachment]))["item_id"]
    held = await inbox.get(f"/v1/attachments/{attachment}", f"person-{patient}", "gateway")
    assert (held.status, held.body["reason"]) == (409, "attachment_held")

    scanner.is_away = False
    inbox.advance(timedelta(minutes=1))
    await scanned(inbox, attachment, "clean")
    shown = (await inbox.get(f"/v1/items/{item}")).body
    assert [(one["what"], one["reason"]) for one in shown["history"]] == [
        ("new", None),
        ("file-cleared", "note.txt"),
    ]
    news = "select what, version from item_change where item_id = $1 and pool = 'billing' order by tx, seq"
    assert [tuple(row) for row in await inbox.pool.fetch(news, item)] == [("new", 1), ("file-cleared", 1)]
    large = await upload(inbox, patient, "long.txt", b"a " * LIMIT)
    assert (large.status, large.body["reason"]) == (422, "not_scannable")


@pytest.mark.parametrize(
    ("name", "content", "status", "reason"),
    [
        ("empty.pdf", b"", 422, "empty_file"),
        ("photo.jpg", b"%PDF-1.7 hello", 422, "type_mismatch"),
        ("../passwd", b"hello", 422, "bad_name"),
        ("huge.txt", b"a" * (FILE_BYTES_MAX + 1), 413, "too_large"),
    ],
    ids=["empty", "type", "name", "large"],
)
async def test_a_file_that_is_not_taken_in_is_named_with_the_reason(
    inbox: Inbox, name: str, content: bytes, status: int, reason: str
) -> None:
    patient = await inbox.patient()

    refused = await upload(inbox, patient, name, content)

    assert (refused.status, refused.body["reason"], refused.body["name"]) == (status, reason, name)


async def test_a_file_is_its_patients_and_is_sent_by_whoever_may_write_for_them(inbox: Inbox) -> None:
    patient, other = await inbox.patient(), await inbox.patient()
    attachment = (await upload(inbox, patient, "note.txt", b"Good day")).body["attachment_id"]
    twin = (await upload(inbox, patient, "copy.txt", b"Good day")).body["attachment_id"]
    await scanned(inbox, twin, "clean")

    async def reason(of: str, *ids: str, actor: str | None = None) -> str | None:
        outcome = await inbox.outcome(await inbox.send(of, actor, attachment_ids=list(ids)))
        found: str | None = outcome["data"].get("reason")
        return found

    assert await reason(other, attachment) == "unknown_attachment"
    assert await reason(patient, "att-nobody") == "unknown_attachment"
    assert await reason(patient, attachment, twin) == "same_file_twice"
    assert await reason(patient, *(f"att-{n}" for n in range(11))) == "too_many_attachments"
    assert await reason(patient, attachment) is None
    assert await reason(patient, attachment, actor=f"proxy:proxy-{patient}") is None
    item = (await inbox.sent(patient))["item_id"]
    reply = {"body": "Here.", "attachment_ids": [attachment]}
    refused = await inbox.post(f"/v1/items/{item}/reply", reply, version=1)
    assert (refused.status, refused.body["reason"]) == (422, "unknown_attachment")
    assert attachment in refused.body["detail"]
    assert (await upload(inbox, patient, "note.txt", b"x", who="person-nobody")).status == 404


async def test_an_upload_of_two_files_loses_none_of_them_unsaid(inbox: Inbox) -> None:
    patient = await inbox.patient()
    form = FormData(quote_fields=False)
    form.add_field("patient_id", patient)
    for name in ("first.txt", "second.txt"):
        form.add_field("file", io.BytesIO(b"Good day"), filename=name, content_type="text/plain")

    refused = await inbox.post("/v1/attachments", form, f"person-{patient}", "gateway")

    assert (refused.status, refused.body["reason"]) == (422, "several_files")
    assert not await inbox.pool.fetchval("select count(*) from attachment where patient_id = $1", patient)


async def test_what_a_browser_would_run_is_only_ever_saved(inbox: Inbox) -> None:
    patient = await inbox.patient()
    page = await upload(inbox, patient, "page.html", b"<html><script>alert(1)</script></html>")
    attachment = page.body["attachment_id"]
    assert page.body["content_type"] == "text/html"
    await scanned(inbox, attachment, "clean")

    got = await inbox.get(f"/v1/attachments/{attachment}", f"person-{patient}", "gateway")
    shown = await inbox.get(f"/v1/attachments/{attachment}/preview", f"person-{patient}", "gateway")

    assert got.headers["content-type"] == "application/octet-stream"
    assert (shown.status, shown.body["reason"]) == (404, "no_preview")
