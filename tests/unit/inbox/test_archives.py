"""Archives that say little and hold much, or hold what nobody can look into."""

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable

import pytest

from services.inbox.inspection import RefusedFileError, inspect

MUCH = bytes(40_000_000)


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def changed(archive: bytes, *places: tuple[bytes, int, bytes]) -> bytes:
    """Return an archive with other bytes so far behind the first of a mark."""
    made = bytearray(archive)
    for mark, behind, other in places:
        at = made.index(mark) + behind
        made[at : at + len(other)] = other
    return bytes(made)


def nested(times: int, content: bytes = b"Good day") -> bytes:
    for _ in range(times):
        content = zipped(("inside", content))
    return content


LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"
ENCRYPTED = changed(zipped(("a", b"Good day")), (LOCAL, 6, b"\x01"), (CENTRAL, 8, b"\x01"))
LITTLE = (10).to_bytes(4, "little")


def overlapping() -> bytes:
    """Return an archive whose two entries are the same bytes, which are nearly all of it."""
    archive = zipped(("a", os.urandom(5000)), ("b", b""))
    table = archive.index(CENTRAL)
    size, first = archive[table + 20 : table + 24], archive[table + 42 : table + 46]
    second = archive.index(CENTRAL, table + 1)
    return archive[:second] + changed(archive[second:], (CENTRAL, 20, size), (CENTRAL, 42, first))


@pytest.mark.parametrize(
    "content",
    [
        lambda: gzip.compress(b"x") + gzip.compress(MUCH),
        lambda: changed(zipped(("a", MUCH)), (LOCAL, 22, LITTLE), (CENTRAL, 24, LITTLE)),
        lambda: bz2.compress(MUCH),
        lambda: zipped(("a", MUCH), method=zipfile.ZIP_BZIP2),
        lambda: lzma.compress(MUCH),
        lambda: nested(3, MUCH),
        lambda: zipped(*(("a" * (n + 1), zipped(("b", bytes(4_000_000)))) for n in range(10))),
        lambda: nested(6),
        lambda: gzip.compress(b"") * 10_002,
        lambda: zipped(*((str(n), b"") for n in range(10_001))),
        lambda: zipped(*((str(n), zipped(*((str(m), b"") for m in range(101)))) for n in range(100))),
        overlapping,
    ],
    ids=[
        "second member",
        "lies about its size",
        "bzip2",
        "bzip2 in zip",
        "xz",
        "within",
        "together",
        "too deep",
        "many members",
        "many entries",
        "many entries within",
        "the same bytes twice",
    ],
)
def test_an_archive_that_unpacks_to_far_more_than_it_should_is_refused(content: Callable[[], bytes]) -> None:
    with pytest.raises(RefusedFileError) as refused:
        inspect("a file", content())
    assert refused.value.reason == "archive_bomb"


SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(4)


@pytest.mark.parametrize(
    "content",
    [
        changed(ENCRYPTED, (CENTRAL, 8, b"\x00")),
        changed(ENCRYPTED, (LOCAL, 6, b"\x00")),
        zipped(("a", ENCRYPTED)),
        gzip.compress(ENCRYPTED),
        SEVEN_ZIP + bytes([3, *[0] * 7, 9, *[0] * 11]) + b"abc" + b"\x17\x06\x24\x06\xf1\x07\x01\x12\x53",
        b"Rar!\x1a\x07\x00" + b"\xce\x99\x73\x80\x00\x0d\x00",
        b"Rar!\x1a\x07\x01\x00" + b"\x01\x02\x03\x04\x21\x04\x00",
    ],
    ids=["told before the bytes", "told at the end", "within", "within gzip", "7z", "rar 4", "rar 5"],
)
def test_an_archive_that_says_anywhere_that_it_is_encrypted_is_refused(content: bytes) -> None:
    with pytest.raises(RefusedFileError) as refused:
        inspect("a file", content)
    assert refused.value.reason == "encrypted_archive"


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"Good day")[:-9],
        bz2.compress(b"Good day")[:-9],
        lzma.compress(b"Good day")[:-9],
        gzip.compress(b"Good day") + b"and more",
        changed(zipped(("a", b"Good day")), (CENTRAL, 6, b"\x64")),
        b"PK\x05\x05".join(zipped(("a", b"Good day"), ("b", b"Good day")).rsplit(LOCAL, 1)),
        zipped(("a", zipped(("b", b"Good day"))[:-5])),
    ],
    ids=["gzip", "bzip2", "xz", "behind", "another version", "no entry", "within"],
)
def test_an_archive_that_cannot_be_read_is_refused(content: bytes) -> None:
    with pytest.raises(RefusedFileError) as refused:
        inspect("a file", content)
    assert refused.value.reason == "broken_archive"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (gzip.compress(b"Good ") + gzip.compress(b"day") + bytes(512), "application/gzip"),
        (bz2.compress(b"Good ") + bz2.compress(b"day"), "application/x-bzip2"),
        (lzma.compress(b"Good ") + lzma.compress(b"day"), "application/x-xz"),
        (zipped(("a/", b""), ("a/b", b"Good day")), "application/zip"),
        (zipped(("a", b"Good day"), method=zipfile.ZIP_STORED), "application/zip"),
        (zipped(("a", b"Good day"), method=zipfile.ZIP_BZIP2), "application/zip"),
        (nested(5), "application/zip"),
        (changed(zipped(("a", b"Good day")), (CENTRAL, 10, b"\x0e")), "application/zip"),
        (zipped(), "application/zip"),
        (b"BZhang wrote me a letter", "text/plain"),
        (SEVEN_ZIP + bytes(40), "application/x-7z-compressed"),
        (b"Rar!\x1a\x07\x00" + b"\xce\x99\x73\x00\x00\x0d\x00", "application/x-rar-compressed"),
        (b"Rar!\x1a\x07\x01\x00" + b"\x01\x02\x03\x04\x0b\x01\x05", "application/vnd.rar"),
    ],
    ids=[
        "gzip",
        "bzip2",
        "xz",
        "folder",
        "stored",
        "bzip2 in zip",
        "deep",
        "another way",
        "empty",
        "text",
        "7z",
        "rar 4",
        "rar 5",
    ],
)
def test_an_ordinary_archive_is_taken_in(content: bytes, content_type: str) -> None:
    assert inspect("a file", content).content_type == content_type
