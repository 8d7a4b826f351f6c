"""Pictures of files for staff: drawn anew without metadata, so nothing of the sender's file reaches a browser."""

import io
from typing import Final

import pillow_heif
import pypdfium2
from PIL import Image, ImageOps

from services.inbox.previews import PDF, PICTURES

_SIDE_MAX: Final = 1600
_QUALITY: Final = 85
_PIXELS_MAX: Final = 25_000_000
"""A phone's photograph, whole in memory."""
_JPEG_PIXELS_MAX: Final = 60_000_000
"""A JPEG is read smaller than it is."""
_PAGES_MAX: Final = 200
_BROKEN: Final = (
    OSError,
    ValueError,
    SyntaxError,
    RuntimeError,
    MemoryError,
    pypdfium2.PdfiumError,
    Image.DecompressionBombError,
)

pillow_heif.options.DECODE_THREADS = 1
pillow_heif.register_heif_opener()


def draw(content_type: str, page: int, content: bytes) -> bytes | None:
    """Return a JPEG of a picture, or of a page (from 1) of a PDF, if there is one."""
    try:
        drawn = _pdf_page(content, page) if content_type == PDF else _picture(content, PICTURES[content_type])
        return _encoded(drawn) if drawn else None
    except _BROKEN:
        return None


def _picture(content: bytes, formats: tuple[str, ...]) -> Image.Image | None:
    with Image.open(io.BytesIO(content), formats=formats) as picture:
        is_jpeg = picture.format in ("JPEG", "MPO")
        if picture.width * picture.height > (_JPEG_PIXELS_MAX if is_jpeg else _PIXELS_MAX):
            return None
        picture.draft("RGB", (_SIDE_MAX, _SIDE_MAX))
        # Made small before it is turned: each step of a large one takes its memory once more.
        picture.thumbnail((_SIDE_MAX, _SIDE_MAX))
        return ImageOps.exif_transpose(picture)


def _pdf_page(content: bytes, page: int) -> Image.Image | None:
    document = pypdfium2.PdfDocument(content)
    try:
        if not 1 <= page <= min(len(document), _PAGES_MAX):
            return None
        drawn = document[page - 1]
        longest = max(drawn.get_size())
        picture: Image.Image = drawn.render(scale=min(_SIDE_MAX / max(longest, 1), 4)).to_pil()
        return picture
    finally:
        document.close()


def _encoded(picture: Image.Image) -> bytes:
    """Draw a picture on a white sheet of its own; nothing but its pixels is taken over."""
    picture.thumbnail((_SIDE_MAX, _SIDE_MAX))
    drawn = picture.convert("RGBA")
    sheet = Image.new("RGB", drawn.size, "white")
    sheet.paste(drawn, mask=drawn.getchannel("A"))
    out = io.BytesIO()
    sheet.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
