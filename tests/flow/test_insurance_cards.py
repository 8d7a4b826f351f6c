"""Pictures of made-up cards over HTTP: read by the real model in its own process, and forgotten."""

import io
import random
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pillow_heif
import psutil
import pytest
from aiohttp import ClientTimeout, FormData
from PIL import Image, ImageFilter

from local.infrastructure import Endpoints
from services.insurance.api.cards import PICTURE_BYTES_MAX, card_reader
from services.insurance.ocr.reader import reader
from tests.cards import CARD, card, encoded
from tests.flow.insurance_world import Insurance, running

pillow_heif.register_heif_opener()
PATIENCE = ClientTimeout(total=90)


def noisy() -> Image.Image:
    noise = Image.frombytes("L", (1000, 630), random.Random(4).randbytes(630_000))  # noqa: S311  # for a picture
    return Image.blend(card(), noise.convert("RGB"), 0.25).filter(ImageFilter.GaussianBlur(1))


PICTURES: dict[str, tuple[str, Callable[[], Image.Image]]] = {
    "clean": ("PNG", card),
    "noisy": ("JPEG", noisy),
    "small": ("WEBP", lambda: card().resize((480, 302))),
    "turned": ("HEIF", lambda: card().rotate(90, expand=True)),
    "tilted": ("JPEG", lambda: card().rotate(-7, expand=True, fillcolor="#776655")),
}


@pytest.fixture(scope="module", name="insurance")
async def running_insurance(
    infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Insurance]:
    async with running(infrastructure, tmp_path_factory.mktemp("sandbox")) as insurance:
        yield insurance
    assert readers() == []


def readers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "services.insurance.ocr" in one.cmdline()]


async def read(
    insurance: Insurance, content: bytes, *, person: str | None = "P-CARD", role: str = "gateway", **more: Any
) -> tuple[int, Any]:
    form = FormData({key: value for key, value in more.items() if isinstance(value, str)})
    form.add_field("file", io.BytesIO(content), filename="card.png", content_type="image/png")
    if "back" in more:
        form.add_field("back", io.BytesIO(more["back"]), filename="back.png")
    token = insurance.provider.token(role, sub="staff:ines")
    # A connection that has idled while a picture was drawn may be closed just now.
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    if person is not None:
        headers["on-behalf-of"] = person
    async with insurance.client.post("/v1/card-readings", data=form, headers=headers, timeout=PATIENCE) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize("name", PICTURES)
async def test_all_fields_of_a_card_are_read_however_it_was_taken(insurance: Insurance, name: str) -> None:
    kind, draw = PICTURES[name]
    status, body = await read(insurance, encoded(draw(), kind))

    assert status == 200
    fields = body["fields"]
    flat = fields.pop("subscriber") | fields
    assert {field: flat[field]["value"] for field in CARD} == CARD
    # K7743 and 9 are like nothing else; 0 and 1 are.
    assert flat["member_id"]["ambiguous"] == [7, 8]
    assert all(0 < one["confidence"] <= 1 for one in flat.values())
    (process,) = readers()
    assert process.num_threads() <= 2
    assert process.net_connections() == []
    assert "rapidocr" not in sys.modules


async def test_back_and_front_are_read_together_for_who_may_see_the_patient(insurance: Insurance) -> None:
    patient, person = await insurance.patient()
    _, stranger = await insurance.patient()
    front, back = encoded(card().crop((0, 0, 1000, 240))), encoded(card().crop((0, 240, 1000, 630)))

    status, body = await read(insurance, front, person=person, patient_id=patient, back=back)

    assert status == 200
    assert body["fields"]["payer_id"]["value"] == "SANDBOX02"
    assert body["fields"]["member_id"]["value"] == CARD["member_id"]
    assert (await read(insurance, front, person=stranger, patient_id=patient))[0] == 404
    assert (await read(insurance, b"", person=None, role="billing"))[0] == 403
    assert (await read(insurance, b"", person=None, role="insurance", patient_id=patient))[0] == 422


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (lambda: b"", 422, "empty_file"),
        (lambda: b"\x00" * (PICTURE_BYTES_MAX + 1), 413, "too_large"),
        (lambda: b"%PDF-1.7 a card", 422, "unknown_type"),
        (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422, "unknown_type"),
        (lambda: encoded(card(), "JPEG")[:9000], 422, "unreadable_picture"),
        (lambda: encoded(card(), "GIF"), 422, "unknown_type"),
        (lambda: encoded(Image.new("1", (10_000, 10_000))), 422, "too_many_pixels"),
        (lambda: encoded(Image.new("RGB", (400, 300), "green")), 422, "nothing_read"),
    ],
    ids=["empty", "large", "pdf", "svg", "cut", "gif", "bomb", "blank"],
)
async def test_a_picture_that_is_refused_is_named_with_the_reason(
    insurance: Insurance, content: Callable[[], bytes], status: int, reason: str
) -> None:
    refused, body = await read(insurance, content())
    assert (refused, body["reason"], body["name"]) == (status, reason, "card.png")


async def test_while_pictures_wait_or_cannot_be_read_one_is_told_when_to_try_again(insurance: Insurance) -> None:
    app = insurance.app
    for made, reason in ((reader(waiting_max=-1), "reader_busy"), (reader(("-c", "")), "reader_failed")):
        app.dependency_overrides[card_reader] = lambda one=made: one
        status, body = await read(insurance, encoded(card()))
        assert (status, body["reason"]) == (503, reason)
    del app.dependency_overrides[card_reader]
