"""Files in parts, as phones send them: broken off, gone on with, and in the end what a plain upload would be."""

import asyncio
import io
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientError

from local.infrastructure import Endpoints
from services.inbox.inspection import FILE_BYTES_MAX
from tests.flow.inbox_world import Answer, Inbox, Json, running_inbox
from tests.flow.kit import eventually
from tests.flow.test_inbox_files import picture, upload

RESUMABLE = "/v1/attachments/resumable"
PHOTO = picture("PNG") + bytes(5 * 1024 * 1024)


@pytest.fixture(scope="module", name="folder")
def the_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module", name="inbox")
async def the_inbox(infrastructure: Endpoints, folder: Path) -> AsyncIterator[Inbox]:
    async with running_inbox(infrastructure, folder) as inbox:
        yield inbox


class Phone:
    """Somebody's phone, which speaks tus."""

    def __init__(self, inbox: Inbox, patient: str, who: str | None = None) -> None:
        self.inbox, self.patient, self.who = inbox, patient, who or f"person-{patient}"

    async def ask(self, method: str, path: str, headers: Json, body: object = None) -> Answer:
        headers = self.inbox.headers(self.who, "gateway") | {"tus-resumable": "1.0.0"} | headers
        async with self.inbox.client.request(method, path, headers=headers, data=body) as found:
            return Answer(
                found.status, await found.json() if "json" in found.content_type else None, found.headers
            )

    async def begin(self, name: str, size: int) -> Answer:
        told = {"filename": name, "patient_id": self.patient}
        metadata = ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in told.items())
        return await self.ask("POST", RESUMABLE, {"upload-length": str(size), "upload-metadata": metadata})

    async def begun(self, name: str, size: int) -> str:
        location: str = (await self.begin(name, size)).headers["location"]
        return location

    async def patch(self, at: str, offset: int, body: object, **headers: str) -> Answer:
        told = {"upload-offset": str(offset), "content-type": "application/offset+octet-stream"}
        return await self.ask("PATCH", at, told | headers, body)

    async def offset(self, at: str) -> int:
        return int((await self.ask("HEAD", at, {})).headers["upload-offset"])


@pytest.fixture(name="phone")
async def a_phone(inbox: Inbox) -> Phone:
    return Phone(inbox, await inbox.patient())


def parts(folder: Path, at: str) -> Iterator[Path]:
    return folder.glob(f"uploads/*/{at.rpartition('/')[2]}/*")


async def test_a_broken_upload_goes_on_where_it_stopped_and_ends_as_a_plain_one(
    phone: Phone, inbox: Inbox, folder: Path
) -> None:
    begun = await phone.begin("Röntgen.png", len(PHOTO))
    at = begun.headers["location"]
    assert (begun.status, begun.headers["upload-expires"][-3:]) == (201, "GMT")

    async def breaking() -> AsyncIterator[bytes]:
        yield PHOTO[:700_000]
        raise ConnectionResetError

    with pytest.raises((ClientError, ConnectionResetError)):
        await phone.patch(at, 0, breaking(), **{"content-length": str(len(PHOTO))})
    offset = await eventually(lambda: phone.offset(at), "what came before it broke is there")
    assert offset <= 700_000
    wrong = await phone.patch(at, 5, b"x")
    assert (wrong.status, wrong.body["reason"]) == (409, "wrong_offset")

    whole = await phone.patch(at, offset, io.BytesIO(PHOTO[offset:]))

    assert (whole.status, whole.headers["upload-offset"]) == (204, str(len(PHOTO)))
    attachment = whole.headers["attachment-id"]
    again = await phone.ask("HEAD", at, {})
    assert (again.headers["attachment-id"], again.headers["attachment-state"]) == (attachment, "clean")
    plain = (await upload(inbox, phone.patient, "Röntgen.png", PHOTO)).body
    same = "select name, content_type, size, sha256, state, patient_id, uploaded_by from attachment"
    rows = await inbox.pool.fetch(f"{same} where attachment_id = any($1)", [attachment, plain["attachment_id"]])
    assert len(rows) == 2
    assert rows[0] == rows[1]
    assert not list(parts(folder, at))
    assert (await inbox.sent(phone.patient, attachment_ids=[attachment]))["pool"] == "billing"
    assert (await phone.ask("DELETE", at, {})).status == 404


async def test_of_two_parts_for_the_same_place_one_wins(phone: Phone) -> None:
    at = await phone.begun("a.txt", 2000)

    answers = await asyncio.gather(*(phone.patch(at, 0, letter * 1000) for letter in (b"a", b"b")))

    assert sorted(answer.status for answer in answers) == [204, 409]
    assert await phone.offset(at) == 1000


async def test_a_whole_file_becomes_one_attachment_whoever_finds_it_so(
    phone: Phone, inbox: Inbox, folder: Path
) -> None:
    at = await phone.begun("a.txt", 4)
    begun = next(parts(folder, at))
    (begun.parent / "000000000000").write_bytes(b"text")  # as a process left it that was killed before the end

    answers = await asyncio.gather(*(phone.ask("HEAD", at, {}) for _ in range(4)))

    assert {answer.status for answer in answers} <= {200, 409}
    attachment = (await phone.ask("HEAD", at, {})).headers["attachment-id"]
    stored = "select count(*) from attachment where attachment_id = $1"
    assert await inbox.pool.fetchval(stored, attachment) == 1
    assert not list(parts(folder, at))


async def test_an_upload_is_there_for_who_began_it_alone(phone: Phone, inbox: Inbox) -> None:
    at = await phone.begun("a.txt", 2000)
    proxy, stranger = Phone(inbox, phone.patient, f"proxy-{phone.patient}"), Phone(inbox, await inbox.patient())

    for other in (proxy, stranger):
        found = [
            await other.ask("HEAD", at, {}),
            await other.patch(at, 0, b"x"),
            await other.ask("DELETE", at, {}),
        ]
        assert [answer.status for answer in found] == [404, 404, 404]
    assert (await Phone(inbox, phone.patient, "person-nobody").begin("a.txt", 1)).status == 404
    assert (await phone.ask("DELETE", at, {})).status == 204
    assert (await phone.ask("HEAD", at, {})).status == 404
    assert (await phone.ask("HEAD", f"{RESUMABLE}/../../../etc/passwd", {})).status in {404, 405}


@pytest.mark.parametrize(
    ("name", "size", "status", "reason"),
    [
        ("huge.txt", FILE_BYTES_MAX + 1, 413, "too_large"),
        ("empty.txt", 0, 422, "empty_file"),
        ("../passwd", 10, 422, "bad_name"),
    ],
    ids=["large", "empty", "name"],
)
async def test_what_cannot_be_taken_in_is_refused_before_it_is_sent(
    phone: Phone, name: str, size: int, status: int, reason: str
) -> None:
    refused = await phone.begin(name, size)
    assert (refused.status, refused.body["reason"], refused.body["name"]) == (status, reason, name)


async def test_what_a_file_is_shows_at_its_end_and_more_than_announced_never_comes(
    phone: Phone, folder: Path
) -> None:
    at = await phone.begun("photo.jpg", 8)
    more = await phone.patch(at, 0, b"%PDF-1.7 and more")
    assert (more.status, more.body["reason"]) == (413, "too_large")
    assert await phone.offset(at) == 0

    refused = await phone.patch(at, 0, b"%PDF-1.7")

    assert (refused.status, refused.body["reason"], refused.body["name"]) == (422, "type_mismatch", "photo.jpg")
    assert not list(parts(folder, at))


async def test_the_version_is_named_by_both_sides(phone: Phone) -> None:
    at = await phone.begun("a.txt", 4)
    old = await phone.ask("HEAD", at, {"tus-resumable": "0.2.2"})
    assert (old.status, old.headers["tus-version"], old.headers["tus-resumable"]) == (412, "1.0.0", "1.0.0")
    assert (await phone.patch(at, 0, b"text", **{"content-type": "text/plain"})).status == 415
    able = await phone.ask("OPTIONS", RESUMABLE, {})
    assert (able.status, able.headers["tus-max-size"]) == (204, str(FILE_BYTES_MAX))


async def test_an_upload_that_takes_too_long_is_gone_and_then_forgotten(
    phone: Phone, inbox: Inbox, folder: Path
) -> None:
    at = await phone.begun("a.txt", 2000)
    await phone.patch(at, 0, b"a" * 1000)

    inbox.advance(timedelta(hours=25))

    late = await phone.patch(at, 1000, b"a" * 1000)
    assert (late.status, late.body["reason"]) == (410, "upload_expired")
    inbox.advance(timedelta(days=1))
    await phone.begun("b.txt", 2000)
    assert not list(parts(folder, at))
    assert (await phone.ask("HEAD", at, {})).status == 404
