"""Pictures of files for staff: drawn anew without metadata, so nothing of the sender's file reaches a browser.

It costs CPU and memory: call it outside the event loop.
"""

import io
import threading
from typing import Final

import pillow_heif
import pypdfium2
from PIL import Image, ImageOps

CONTENT_TYPE: Final = "image/jpeg"
_SIDE_MAX: Final = 1600
_QUALITY: Final = 85
_PIXELS_MAX: Final = 60_000_000
_PAGES_MAX: Final = 200
_PICTURES: Final = {
    "image/jpeg": ("JPEG", "MPO"),
    "image/png": ("PNG",),
    "image/gif": ("GIF",),
    "image/webp": ("WEBP",),
    "image/tiff": ("TIFF",),
    "image/heic": ("HEIF",),
}

pillow_heif.register_heif_opener()
_pdfium = threading.Lock()
"""PDFium is not made for threads."""


class NoPreviewError(Exception):
    """There is no picture of this file: of its kind, of that page, or because it cannot be read."""


def preview(content_type: str, content: bytes, page: int) -> bytes:
    """Return a JPEG of a picture, or of a page (from 1) of a PDF.

    Raises:
        NoPreviewError: there is none.
    """
    try:
        if content_type == "application/pdf":
            return _encoded(_pdf_page(content, page))
        if content_type in _PICTURES and page == 1:
            return _encoded(_picture(content, _PICTURES[content_type]))
    except (OSError, ValueError, SyntaxError, pypdfium2.PdfiumError, Image.DecompressionBombError) as error:
        raise NoPreviewError from error
    raise NoPreviewError


def _picture(content: bytes, formats: tuple[str, ...]) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=formats) as picture:
        if picture.width * picture.height > _PIXELS_MAX:
            raise NoPreviewError
        picture.draft("RGB", (_SIDE_MAX, _SIDE_MAX))
        return ImageOps.exif_transpose(picture)


def _pdf_page(content: bytes, page: int) -> Image.Image:
    with _pdfium:
        document = pypdfium2.PdfDocument(content)
        try:
            if not 1 <= page <= min(len(document), _PAGES_MAX):
                raise NoPreviewError
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
