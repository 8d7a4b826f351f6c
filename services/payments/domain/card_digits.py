"""Finds what looks like a card number in a command's bytes, before anybody reads, keeps or logs them.

A card number has 13 to 19 digits, alone or in groups with spaces or hyphens between, begins with 2 to 6, and its
last digit is a check digit (Luhn). Ids are no card numbers: a UUID, or digits within a hexadecimal number.
"""

import json
import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any, Final

_DIGITS_MIN: Final = 13
_DIGITS_MAX: Final = 19
_FIRST_DIGITS: Final = (2, 3, 4, 5, 6)

# What is left of a text: a 0 for each digit, nothing for blanks and hyphens, a point for all else.
_OUTLINE: Final = bytes(ord("0" if chr(byte) in "0123456789" else ".") for byte in range(256))
_SUSPECT: Final = b"0" * _DIGITS_MIN

_UUID_OR_GROUPS: Final = re.compile(
    r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    r"|(?<![0-9A-Fa-f])(?P<groups>\d+(?:[\s\u2010-\u2015-]{1,3}\d+)*)(?![0-9A-Fa-f])"
)
_GROUP: Final = re.compile(r"\d+")


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

    What is no message is looked through as a whole.
    """
    plain = raw.isascii() and b"\\" not in raw
    if plain and _SUSPECT not in raw.translate(_OUTLINE, b" -"):
        return Found.NOWHERE
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        message = raw.decode("utf-8", "replace")
    if isinstance(message, dict):
        for name, shape in _NO_NUMBER.items():
            if shape.fullmatch(str(message.get(name))):
                del message[name]
        if _holds([message.get(name) for name in _REPEATED]):
            return Found.WHERE_ANSWERS_REPEAT_IT
    return Found.ELSEWHERE if _holds([message]) else Found.NOWHERE


def _holds(values: list[Any]) -> bool:
    return any(_is_card_number(digits) for text in _texts(values) for digits in _candidates(text))


def _texts(values: list[Any]) -> Iterator[str]:
    """Return all names, texts and numbers in values, however deep."""
    rest = list(values)
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            yield from value
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
        elif not isinstance(value, bool) and value is not None:
            yield str(value)


def _candidates(text: str) -> Iterator[str]:
    """Return the digits of every row of whole groups that is as long as a card number."""
    for found in _UUID_OR_GROUPS.finditer(text):
        groups = _GROUP.findall(found["groups"] or "")
        for first in range(len(groups)):
            digits = ""
            for group in groups[first:]:
                digits += group
                if len(digits) > _DIGITS_MAX:
                    break
                if len(digits) >= _DIGITS_MIN:
                    yield digits


def _is_card_number(number: str) -> bool:
    digits = [int(digit) for digit in number]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return digits[0] in _FIRST_DIGITS and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
