"""Archives: unpacked to see whether they hide more than they should, and kept nowhere.

What they say of themselves is not believed. Archives inside are looked into, and all that is unpacked for a file
counts together. What Python cannot unpack is left to the scanner, unless its header says that it is encrypted.
"""

import bz2
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, Literal, Protocol

_UNPACKED_BYTES_MAX: Final = 256 * 1024 * 1024
_RATIO_MAX: Final = 200
_RATIO_BYTES_MIN: Final = 16 * 1024 * 1024
"""Small files of one letter pack well too: a ratio means nothing below this size."""
_INSIDE_BYTES_MAX: Final = 25 * 1024 * 1024
"""An archive inside is in memory while it is looked into."""
_DEPTH_MAX: Final = 5
"""A workbook in a document in an archive that was packed again, and again."""
_ENTRIES_MAX: Final = 10_000
_XZ_MEMORY_BYTES_MAX: Final = 72 * 1024 * 1024
"""As much as `xz -9` takes."""
_CHUNK: Final = 64 * 1024

_ENCRYPTED: Final = 0x1
_LOCAL: Final = b"PK\x03\x04"
_ENTRY: Final = b"PK\x01\x02"
_AES_OF_7Z: Final = b"\x06\xf1\x07\x01"
_ZEROS: Final = re.compile(rb"\x00*")

Archive = Literal["zip", "gzip", "bzip2", "xz", "7z", "rar"]
_BEGINNINGS: Final[tuple[tuple[bytes, Archive], ...]] = (
    (_LOCAL, "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
)
_BLOCKS_OF_BZIP2: Final = (b"1AY&SY", b"\x17rE8P\x90")
_HEAD_BYTES: Final = 10

_BROKEN: Final = (
    *(zipfile.BadZipFile, NotImplementedError, zlib.error, lzma.LZMAError),
    *(LookupError, ValueError, OSError, EOFError),
)

Reason = Literal["encrypted_archive", "archive_bomb", "broken_archive"]


class BadArchiveError(Exception):
    """An archive cannot be taken in."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class _Member(Protocol):
    """What unpacks one member of a gzip, bzip2 or xz file."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_MEMBERS: Final[dict[Archive, Callable[[], _Member]]] = {
    "gzip": partial(zlib.decompressobj, wbits=31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": partial(lzma.LZMADecompressor, memlimit=_XZ_MEMORY_BYTES_MAX),
}
_ZIPPED: Final[dict[int, Callable[[], _Member]]] = {
    zipfile.ZIP_DEFLATED: partial(zlib.decompressobj, wbits=-15),
    zipfile.ZIP_BZIP2: bz2.BZ2Decompressor,
}


def check_archive(content: bytes) -> None:
    """Look into a file, if it is an archive.

    Raises:
        BadArchiveError: it cannot be taken in.
    """
    try:
        _Unpacking(len(content)).look_into(content, 1)
    except _BROKEN:
        raise BadArchiveError("broken_archive") from None


def _kind(head: bytes) -> Archive | None:
    kind = next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None)
    # A text may begin like that; such a file goes on with a digit and one of two numbers.
    return None if kind == "bzip2" and head[4:10] not in _BLOCKS_OF_BZIP2 else kind


class _Unpacking:
    """What has come out of a file of so many bytes."""

    def __init__(self, packed: int) -> None:
        self._packed = packed
        self._unpacked = self._entries = 0

    def look_into(self, content: bytes, depth: int) -> None:
        """Unpack an archive that so many are around, itself counted; nothing else is looked at."""
        match _kind(content):
            case None:
                return
            case "zip":
                files = self._zipped(content)
            case "7z" | "rar" as kind:
                files = iter(())
                if (_is_encrypted_7z if kind == "7z" else _is_encrypted_rar)(content):
                    raise BadArchiveError("encrypted_archive")
            case kind:
                files = iter((self._members(content, _MEMBERS[kind]),))
        if depth > _DEPTH_MAX:
            raise BadArchiveError("archive_bomb")
        for file in files:
            inside = self._read(file)
            if inside:
                self.look_into(inside, depth + 1)

    def _read(self, file: Iterable[bytes]) -> bytes:
        """Read a file to its end; return it if it is an archive itself."""
        inside = bytearray()
        is_archive = True
        for chunk in file:
            self._count(len(chunk))
            if not is_archive:
                continue
            inside += chunk
            is_archive = len(inside) < _HEAD_BYTES or _kind(bytes(inside[:_HEAD_BYTES])) is not None
            if len(inside) > _INSIDE_BYTES_MAX and is_archive:
                raise BadArchiveError("archive_bomb")
        return bytes(inside) if is_archive else b""

    def _count(self, unpacked: int) -> None:
        self._unpacked += unpacked
        packs_much = self._unpacked > max(_RATIO_BYTES_MIN, self._packed * _RATIO_MAX)
        if self._unpacked > _UNPACKED_BYTES_MAX or packs_much:
            raise BadArchiveError("archive_bomb")

    def _enter(self) -> None:
        self._entries += 1
        if self._entries > _ENTRIES_MAX:
            raise BadArchiveError("archive_bomb")

    def _zipped(self, content: bytes) -> Iterator[Iterator[bytes]]:
        if content.count(_ENTRY) > _ENTRIES_MAX:  # before all are in memory
            raise BadArchiveError("archive_bomb")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if any((one.flag_bits | _local_flags(content, one)) & _ENCRYPTED for one in entries):
                raise BadArchiveError("encrypted_archive")
            # Entries that share their bytes, so that reading them takes far longer than unpacking them.
            if sum(one.compress_size for one in entries) > len(content):
                raise BadArchiveError("archive_bomb")
            for entry in entries:
                self._enter()
                packed = _packed(content, entry)
                if entry.compress_type == zipfile.ZIP_STORED:
                    yield iter((packed,))
                elif begin := _ZIPPED.get(entry.compress_type):
                    yield self._members(packed, begin)

    def _members(self, content: bytes, begin: Callable[[], _Member]) -> Iterator[bytes]:
        at = 0
        while at < len(content):
            member = begin()
            while not member.eof:
                packed = content[at : at + _CHUNK] if getattr(member, "needs_input", True) else b""
                unpacked = member.decompress(packed, _CHUNK)
                at += len(packed) - len(getattr(member, "unconsumed_tail", b""))
                if not packed and not unpacked and not member.eof:
                    raise EOFError
                yield unpacked
            at -= len(member.unused_data)
            padded = _ZEROS.match(content, at)
            at = padded.end() if padded else at
            if at < len(content):
                self._enter()


def _packed(content: bytes, entry: zipfile.ZipInfo) -> bytes:
    """Return what an entry packs, all of it: `ZipFile.open` unpacks no more than the entry says."""
    at = entry.header_offset
    lengths = sum(int.from_bytes(content[at + place : at + place + 2], "little") for place in (26, 28))
    start = at + 30 + lengths
    packed = content[start : start + entry.compress_size]
    if content[at : at + 4] != _LOCAL or len(packed) < entry.compress_size:
        raise EOFError
    return packed


def _local_flags(content: bytes, entry: zipfile.ZipInfo) -> int:
    """Return an entry's flags as they stand before its bytes; the table at the end may say something else."""
    return int.from_bytes(content[entry.header_offset + 6 : entry.header_offset + 8], "little")


def _is_encrypted_7z(content: bytes) -> bool:
    """Tell whether the header names AES: it is encrypted, or it says in plain text that the files are."""
    offset, size = (int.from_bytes(content[at : at + 8], "little") for at in (12, 20))
    return _AES_OF_7Z in content[32 + offset : 32 + offset + size]


def _is_encrypted_rar(content: bytes) -> bool:
    """Tell whether the names of the files are encrypted, as the first header says."""
    if content[6:7] == b"\x00":  # up to RAR 4: a main header with the flag
        return bool(int.from_bytes(content[10:12], "little") & 0x80)
    first = re.compile(rb".{4}[\x80-\xff]*[\x00-\x7f]\x04", re.DOTALL)  # checksum, size, type
    return first.match(content, 8) is not None
