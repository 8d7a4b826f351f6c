"""What a file is, by its content, and whether it can be taken in: never by its name alone.

It costs CPU and memory in proportion to the file: call it outside the event loop.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Literal

import puremagic

from services.inbox import archives

FILE_BYTES_MAX: Final = 25 * 1024 * 1024
NAME_MAX: Final = 255

Reason = Literal["empty_file", "too_large", "bad_name", "type_mismatch"] | archives.Reason

SAID: Final[dict[Reason, str]] = {
    "empty_file": "The file is empty.",
    "too_large": f"The file is larger than {FILE_BYTES_MAX // 1024 // 1024} MB.",
    "bad_name": "The file's name holds a path, a control character, or is too long.",
    "type_mismatch": "The file is not what its name says.",
    "encrypted_archive": "The archive is encrypted, so nobody can look for malware in it.",
    "archive_bomb": "The archive unpacks to far more than it should.",
    "broken_archive": "The archive cannot be read.",
}

# Control characters, separators, and marks that turn the direction of text and so hide an extension.
_BAD_NAME: Final = re.compile(r"[\x00-\x1f\x7f-\x9f/\\\u200e\u200f\u202a-\u202e\u2066-\u2069]|^\.{1,2}$")

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")

_MAGIC: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
)
"""What people send most; of these there must be no doubt."""

_HEIF: Final = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})
_ZIPPED: Final = frozenset({"application/zip"})
_TEXT: Final = frozenset({"text/plain", "text/html", "image/svg+xml", "text/xml"})
EXPECTED: Final[dict[str, frozenset[str]]] = {
    **{one: frozenset({"image/jpeg"}) for one in ("jpg", "jpeg")},
    **{one: frozenset({f"image/{one}"}) for one in ("png", "gif", "webp")},
    **{one: frozenset({"image/tiff"}) for one in ("tif", "tiff")},
    **{one: frozenset({"image/heic"}) for one in ("heic", "heif")},
    **dict.fromkeys(("zip", "docx", "xlsx", "pptx", "odt", "ods"), _ZIPPED),
    "pdf": frozenset({"application/pdf"}),
    "gz": frozenset({"application/gzip"}),
    **dict.fromkeys(("txt", "csv", "md", "log"), _TEXT),
    "svg": frozenset({"image/svg+xml"}),
    **{one: frozenset({"text/html", "text/plain"}) for one in ("htm", "html")},
}
"""What a name's extension promises; of others nothing is known."""


class RefusedFileError(Exception):
    """A file is not taken in; `reason` is stable, and its text says what to do."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(SAID[reason])
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Inspected:
    """A file that can be taken in."""

    content_type: str
    size: int
    sha256: str


def check(name: str, size: int) -> None:
    """Refuse what can be refused before the content is there.

    Raises:
        RefusedFileError: a file of this name and size is not taken in.
    """
    if not name or len(name) > NAME_MAX or _BAD_NAME.search(name):
        raise RefusedFileError("bad_name")
    if not size:
        raise RefusedFileError("empty_file")
    if size > FILE_BYTES_MAX:
        raise RefusedFileError("too_large")


def inspect(name: str, content: bytes) -> Inspected:
    """Return what a file is.

    Raises:
        RefusedFileError: it is not taken in.
    """
    check(name, len(content))
    content_type = sniff(content)
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if extension in EXPECTED and content_type not in EXPECTED[extension]:
        raise RefusedFileError("type_mismatch")
    try:
        archives.check_archive(content)
    except archives.BadArchiveError as error:
        raise RefusedFileError(error.reason) from None
    return Inspected(content_type, len(content), hashlib.sha256(content).hexdigest())


def sniff(content: bytes) -> str:
    """Return a file's type by its content."""
    for offset, magic, content_type in _MAGIC:
        if content.startswith(magic, offset):
            return content_type
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF:
        return "image/heic"
    text = _text(content)
    if text is not None:
        return text
    try:
        found = puremagic.from_string(content[: 1024 * 1024], mime=True)
    except (puremagic.PureError, ValueError):
        return "application/octet-stream"
    return found if re.fullmatch(r"[a-z]+/[a-z0-9.+-]{1,60}", found) else "application/octet-stream"


def _text(content: bytes) -> str | None:
    """Return the type of a text, if it is one; a browser would run some of them."""
    if b"\x00" in content:
        return None
    try:
        content.decode()
    except UnicodeDecodeError:
        # Older programs write one byte a letter. What is no text at all has control characters.
        if _CONTROL.search(content):
            return None
    start = content[:4096].decode(errors="ignore").lstrip("\ufeff \t\r\n").lower()
    if "<svg" in start and start.startswith(("<svg", "<?xml", "<!--", "<!doctype svg")):
        return "image/svg+xml"
    if start.startswith(("<!doctype html", "<html", "<script", "<body", "<head", "<iframe")):
        return "text/html"
    return "text/xml" if start.startswith("<?xml") else "text/plain"
