"""Previews of files: drawn by a process of its own, for a small file can take all time and memory there is.

The service sends it what is asked for and the file, and gets back a JPEG, or nothing where there is no preview
(see `shared.apart`).
"""

from typing import Final

PDF: Final = "application/pdf"
PICTURES: Final = {
    "image/jpeg": ("JPEG", "MPO"),
    "image/png": ("PNG",),
    "image/gif": ("GIF",),
    "image/webp": ("WEBP",),
    "image/tiff": ("TIFF",),
    "image/heic": ("HEIF",),
}


def asking(content_type: str, page: int, content: bytes) -> bytes:
    """Return what the process is sent."""
    return f"{content_type} {page}\n".encode() + content


def asked(told: bytes) -> tuple[str, int, bytes]:
    """Return what the process was sent: type, page and content."""
    head, _, content = told.partition(b"\n")
    content_type, page = head.decode().split(" ")
    return content_type, int(page), content
