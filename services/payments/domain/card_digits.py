"""Finds what looks like a card number in a command's bytes, before anybody reads, keeps or logs them.

A card number begins as an issuer's, has a length that this issuer gives out, and its last digit is a check digit
(Luhn). It may stand alone or in groups, with blanks, dashes, points and the like between, and beside letters. Ids
are no card numbers: a UUID, or a long hexadecimal number; nor is what begins with a date.
"""

import json
import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Final

_DIGITS_MIN: Final = 13
_DIGITS_MAX: Final = 19

_ISSUED: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3[05689]\d{12,17}"  # Diners Club, JCB
    r"|(?:5[06-9]|6\d)\d{11,17}"  # Maestro, Discover, UnionPay and others
    r"|220[0-4]\d{12,15}"  # Mir
)
"""Which numbers are given out, by their first digits and their length. None begins as the years of our time do."""

_FIRST_DIGITS: Final = "23456"

_BETWEEN: Final = b"\0 \t\n\r\v\f._/,-"
"""What may stand between groups of digits; beside these any other blank or dash, and what has no width."""

# What is left of a text: a 0 for each digit, nothing for what may stand between them, an x for all else.
_OUTLINE: Final = bytes(ord("0" if chr(byte) in "0123456789" else "x") for byte in range(256))
_SUSPECT: Final = b"0" * _DIGITS_MIN

_GROUPS: Final = re.compile(
    rf"\d+(?:[{re.escape(_BETWEEN.decode())}\s\xad\u200b-\u2015\u202a-\u202e\u2043\u2060-\u206f\u2212\ufe58\ufe63\ufeff\uff0d]"
    r"{1,3}\d+)*"
)
_GROUP: Final = re.compile(r"\d+")
_DIGIT: Final = re.compile(r"\d")
_ID: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32,})(?![0-9A-Za-z])"
)

_REPEATED: Final = ("id", "subject", "correlationid", "traceparent")
"""The attributes of an envelope that an answer repeats."""

_NO_NUMBER: Final = {
    "time": re.compile(r"\d{4}-\d\d-\d\d[Tt ][\d:.]{8,26}(?:[Zz]|[+-]\d\d:\d\d)"),
    "traceparent": re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"),
}
"""What an attribute looks like whose digits come from a clock or from chance."""


class Found(Enum):
    """Where a message holds what looks like a card number."""

    NOWHERE = auto()
    ELSEWHERE = auto()
    WHERE_ANSWERS_REPEAT_IT = auto()


def card_number_in(raw: bytes) -> Found:
    """Tell whether and where a field of a message, known or not, or the name of one, holds a card number.

    What is no message is looked through as a whole, also in an encoding of two or four bytes a character, which
    looks like ASCII with NULs: no message can show its digits, but a dead letter would.
    """
    plain = raw.isascii() and b"\\" not in raw and b"\0" not in raw
    if plain and _SUSPECT not in raw.translate(_OUTLINE, _BETWEEN):
        return Found.NOWHERE
    try:
        # Objects as their pairs: of a name that comes twice, both values count.
        message = json.loads(raw, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        message = [
            raw.decode(json.detect_encoding(raw), "replace"),
            raw.replace(b"\0", b"").decode("utf-8", "replace"),
        ]
    if isinstance(message, tuple):
        message = [
            (name, value)
            for name, value in message
            if not (name in _NO_NUMBER and _NO_NUMBER[name].fullmatch(str(value)))
        ]
        if _holds([value for name, value in message if name in _REPEATED]):
            return Found.WHERE_ANSWERS_REPEAT_IT
    return Found.ELSEWHERE if _holds([message]) else Found.NOWHERE


def _holds(values: list[Any]) -> bool:
    return any(_is_card_number(digits) for text in _texts(values) for digits in _candidates(text))


def _texts(values: list[Any]) -> Iterator[str]:
    """Return all names, texts and whole numbers in values, however deep."""
    rest = list(values)
    while rest:
        value = rest.pop()
        if isinstance(value, list | tuple):
            rest.extend(value)
        elif isinstance(value, float):
            yield f"{value:.0f}"
        elif not isinstance(value, bool) and value is not None:
            yield str(value)


def _candidates(text: str) -> Iterator[str]:
    """Return the digits of every row of whole groups that is as long as a card number."""
    if len(text) < _DIGITS_MIN:
        return
    if not text.isascii():
        text = _DIGIT.sub(lambda digit: str(int(digit[0])), text)
    for found in _GROUPS.finditer(_ID.sub("x", text)):
        groups = _GROUP.findall(found[0])
        for first, begins in enumerate(groups):
            if begins[0] not in _FIRST_DIGITS:
                continue
            digits = ""
            for group in groups[first : first + _DIGITS_MAX]:
                digits += group
                if len(digits) > _DIGITS_MAX:
                    break
                if len(digits) >= _DIGITS_MIN:
                    yield digits


def _is_card_number(number: str) -> bool:
    if not _ISSUED.fullmatch(number):
        return False
    digits = [int(digit) for digit in number]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
