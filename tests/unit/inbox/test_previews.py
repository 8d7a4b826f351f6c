"""Previews: drawn small and anew, by a process that a hostile file cannot make slow or large for long."""

import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pillow_heif
import pytest
from PIL import Image

from services.inbox.previews.drawing import draw
from services.inbox.previews.previewer import NoPreviewError, Previewer

pillow_heif.register_heif_opener()


def picture(fmt: str, size: tuple[int, int] = (20, 10), mode: str = "RGB", **how: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "red").save(out, fmt, **how)
    return out.getvalue()


def pdf(forms: int = 0, drawn: int = 10) -> bytes:
    """Return a PDF with a line; so many forms around it each draw the one inside so many times."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</XObject<</F %d 0 R>>>>/Contents 4 0 R>>"
        % (5 + forms),
        _stream(b"", b"/F Do\n" * drawn),
        _stream(b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]", b"0 0 m 500 500 l S\n"),
    ]
    for inner in range(5, 5 + forms):
        form = b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</F %d 0 R>>>>" % inner
        objects.append(_stream(form, b"/F Do\n" * drawn))
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(b"%010d 00000 n \n" % len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(places)
    return out + table + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))


def _stream(more: bytes, content: bytes) -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (more, len(content), content)


class Store:
    """Where a file is kept; counts how often it is fetched."""

    def __init__(self, content: bytes) -> None:
        self.fetched = 0
        self._content = content

    async def fetch(self) -> bytes:
        self.fetched += 1
        return self._content


def fetching(content: bytes) -> Callable[[], Awaitable[bytes]]:
    return Store(content).fetch


@pytest.fixture(name="previewer")
async def a_previewer() -> AsyncIterator[Previewer]:
    previewer = Previewer()
    yield previewer
    await previewer.close()


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "HEIF"])
def test_a_picture_is_drawn_anew_and_small(fmt: str) -> None:
    kind = "image/heic" if fmt == "HEIF" else f"image/{fmt.lower()}"
    drawn = Image.open(io.BytesIO(draw(kind, 1, picture(fmt, (3200, 200))) or b""))
    assert (drawn.format, drawn.size) == ("JPEG", (1600, 100))


def test_a_picture_is_drawn_as_it_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn = Image.open(io.BytesIO(draw("image/jpeg", 1, picture("JPEG", (3200, 200), exif=exif)) or b""))
    assert drawn.size == (100, 1600)


def test_a_page_of_a_pdf_is_drawn() -> None:
    drawn = Image.open(io.BytesIO(draw("application/pdf", 1, pdf(forms=1)) or b""))
    assert (drawn.format, drawn.size) == ("JPEG", (1200, 1600))
    assert draw("application/pdf", 2, pdf()) is None


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("image/png", b"\x89PNG\r\n\x1a\nbroken"),
        ("image/png", picture("JPEG")),
        ("application/pdf", b"%PDF-1.7 broken"),
        ("image/png", picture("PNG", (5001, 5000), "1")),
    ],
    ids=["broken", "another kind", "broken pdf", "more than a photograph"],
)
def test_what_cannot_be_drawn_has_no_preview(content_type: str, content: bytes) -> None:
    assert draw(content_type, 1, content) is None


@pytest.mark.parametrize(
    ("content_type", "page"),
    [("image/svg+xml", 1), ("text/html", 1), ("image/jpeg", 2)],
    ids=["svg", "html", "second page"],
)
async def test_what_is_never_drawn_is_not_even_fetched(previewer: Previewer, content_type: str, page: int) -> None:
    store = Store(b"anything")
    with pytest.raises(NoPreviewError):
        await previewer.preview(content_type, page, "sha", store.fetch)
    assert store.fetched == 0


async def test_files_are_drawn_in_the_process_one_after_the_other(previewer: Previewer) -> None:
    drawn = await previewer.preview("image/png", 1, "a", fetching(picture("PNG")))
    assert Image.open(io.BytesIO(drawn)).size == (20, 10)
    drawn = await previewer.preview("application/pdf", 1, "b", fetching(pdf()))
    assert Image.open(io.BytesIO(drawn)).size == (1200, 1600)


async def test_a_file_that_draws_for_ever_is_given_up_and_tried_once_more_alone() -> None:
    previewer, store = Previewer(timeout_s=2), Store(pdf(forms=4))
    begun = time.monotonic()
    for _ in range(3):
        with pytest.raises(NoPreviewError):
            await previewer.preview("application/pdf", 1, "bomb", store.fetch)
    assert store.fetched == 2, "the first time may have been the machine's fault"
    assert 4 <= time.monotonic() - begun < 20
    await previewer.close()


async def test_a_file_that_needs_more_memory_than_there_is_has_no_preview_and_others_still_have(
    previewer: Previewer,
) -> None:
    large = picture("WEBP", (4990, 4990), "RGBA", lossless=True, method=0)
    with pytest.raises(NoPreviewError):
        await previewer.preview("image/webp", 1, "large", fetching(large))
    assert await previewer.preview("image/png", 1, "a", fetching(picture("PNG")))
