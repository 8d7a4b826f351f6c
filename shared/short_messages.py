"""Texts as mobile networks carry them (3GPP TS 23.038, 23.040): two alphabets, and long ones in parts.

    coding, parts = encode("A new statement is available.", reference=7)

A part that belongs to a longer text begins with a header that says which of how many it is.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

DEFAULT: Final = 0
"""The data coding of the network's own alphabet, one character an octet."""
UCS2: Final = 8

_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE: Final = 0x1B
_EXTENSION: Final = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\"} | {
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_OCTETS: Final = {letter: bytes([at]) for at, letter in enumerate(_ALPHABET) if at != _ESCAPE} | {
    letter: bytes([_ESCAPE, at]) for at, letter in _EXTENSION.items()
}
_LATIN_1: Final = 3
_WHOLE_MAX: Final = {DEFAULT: 160, UCS2: 140}
_PART_MAX: Final = {DEFAULT: 153, UCS2: 134}
_CONCATENATED: Final = b"\x05\x00\x03"
_HEADER_LENGTH: Final = 6


class Part(NamedTuple):
    """Where a part belongs: to the text with this reference, as one of so many, counted from 1."""

    reference: int
    parts: int
    number: int


def encode(text: str, reference: int) -> tuple[int, list[bytes]]:
    """Return the data coding of a text and its parts; `reference` (0 to 255) holds those of one text together."""
    coding = DEFAULT if all(letter in _OCTETS for letter in text) else UCS2
    letters = [_OCTETS[letter] if coding == DEFAULT else letter.encode("utf-16-be") for letter in text]
    whole = b"".join(letters)
    if len(whole) <= _WHOLE_MAX[coding]:
        return coding, [whole]
    parts = list(_filled(letters, _PART_MAX[coding]))
    headers = (_CONCATENATED + bytes((reference, len(parts), number)) for number in range(1, len(parts) + 1))
    return coding, [header + part for header, part in zip(headers, parts, strict=True)]


def decode(octets: bytes, coding: int) -> str:
    """Return a text, or as much of it as can be read."""
    if coding == UCS2:
        return octets.decode("utf-16-be", errors="replace")
    if coding == _LATIN_1:
        return octets.decode("latin-1")
    escaped, letters = False, []
    for octet in octets:
        if octet == _ESCAPE and not escaped:
            escaped = True
            continue
        known = _EXTENSION.get(octet) if escaped else None
        letters.append(known or (_ALPHABET[octet] if octet < len(_ALPHABET) else "\ufffd"))
        escaped = False
    return "".join(letters)


def without_header(octets: bytes) -> tuple[Part | None, bytes]:
    """Return where a part belongs, if that is what its header says, and the octets of the text."""
    length = octets[0] + 1 if octets else 0
    header, rest = octets[:length], octets[length:]
    if len(header) == _HEADER_LENGTH and header.startswith(_CONCATENATED):
        return Part(*header[3:]), rest
    return None, rest


def _filled(letters: Sequence[bytes], octets_max: int) -> Iterator[bytes]:
    """Fill parts without breaking a letter in two."""
    part = b""
    for letter in letters:
        if len(part) + len(letter) > octets_max:
            yield part
            part = b""
        part += letter
    yield part
