"""What the values on a card look like, and which of their letters and digits are easily taken for others.

Each shape is given what stands after or below a label and returns where the value begins in it and the value, sign
for sign as long as it is there; or nothing, when this is no such value.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from services.insurance.domain.card.labels import FieldName

LOOKALIKES: Final = ("0Oo", "1Il|", "2Zz", "5Ss", "8B")
"""Signs that a reader, and a person, takes for each other."""

MISTAKABLE: Final = frozenset("".join(LOOKALIKES))
_DIGITS: Final = {ord(sign): group[0] for group in LOOKALIKES for sign in group}
_LETTERS: Final = {ord("0"): "O", ord("1"): "I", ord("|"): "I", ord("2"): "Z", ord("5"): "S", ord("8"): "B"}

NAME_WORDS_MAX: Final = 5
_VALUE_MAX: Final = 80

_WORD: Final = re.compile(r"\S+")
_CODE_WORD: Final = re.compile(r"[A-Z0-9|][A-Za-z0-9|/.\-]*")
_BIN: Final = re.compile(r"[0-9A-Za-z|]{6}")
_SHORT_CODE: Final = re.compile(r"[A-Z0-9|][A-Z0-9|l/\-]{1,19}")
_PHONE: Final = re.compile(
    r"(?:\+?[1Il|][-. ]{0,2})?\(?[2-9][\dOIl]{2}\)?[-. ]{0,3}[\dOIl]{3}[-. ]{0,3}[\dOIl]{4}(?!\w)"
)
_NAME_WORD: Final = re.compile(r"[^\W\d_][^\W_]*(?:['\u2019.\-][^\W_]*)*,?|[0158][^\W\d_]{2,}")


class Value(NamedTuple):
    """A value, and where it begins in the text."""

    start: int
    text: str


Shape = Callable[[str], Value | None]


def _code(text: str, digits_min: int, length_min: int) -> Value | None:
    """Return a number with letters: words in capitals or with digits, until one is neither."""
    end = 0
    for word in _WORD.finditer(text):
        if not _CODE_WORD.fullmatch(word[0]):
            break
        if not any(sign.isdigit() for sign in word[0]) and (end or not word[0].isupper()):
            break
        end = word.end()
    value = text[:end].rstrip("-./ ")
    enough = sum(s.isdigit() for s in value) >= digits_min and sum(s.isalnum() for s in value) >= length_min
    return Value(0, value) if enough and len(value) <= _VALUE_MAX else None


def member_id(text: str) -> Value | None:
    """Return a member's number."""
    return _code(text, 2, 4)


def group_number(text: str) -> Value | None:
    """Return a group's number."""
    return _code(text, 1, 2)


def rx_bin(text: str) -> Value | None:
    """Return the six digits of a pharmacy's bank number; letters in it are digits misread."""
    word = _WORD.match(text)
    if word is None or not _BIN.fullmatch(word[0]):
        return None
    digits = word[0].translate(_DIGITS)
    return Value(0, digits) if digits.isdigit() else None


def short_code(text: str) -> Value | None:
    """Return one word in capitals and digits."""
    word = _WORD.match(text)
    return Value(0, word[0]) if word and _SHORT_CODE.fullmatch(word[0]) else None


def phone(text: str) -> Value | None:
    """Return a telephone number, wherever it stands."""
    match = _PHONE.search(text)
    return Value(match.start(), match[0].translate(_DIGITS)) if match else None


def person(text: str) -> Value | None:
    """Return a person's name of at least two words; digits in it are letters misread."""
    words = text.split()
    if not 1 < len(words) <= NAME_WORDS_MAX or len(text) > _VALUE_MAX:
        return None
    if not all(_NAME_WORD.fullmatch(word) for word in words):
        return None
    return Value(0, text.translate(_LETTERS))


def plan_name(text: str) -> Value | None:
    """Return what a plan is called."""
    said = text.rstrip()
    return Value(0, said) if sum(s.isalpha() for s in said) > 1 and len(said) <= _VALUE_MAX else None


SHAPES: Final[Mapping[FieldName, Shape]] = {
    "member_id": member_id,
    "group_number": group_number,
    "plan_name": plan_name,
    "subscriber": person,
    "rx_bin": rx_bin,
    "rx_pcn": short_code,
    "rx_group": short_code,
    "phone": phone,
}
CODES: Final = frozenset[FieldName]({"member_id", "group_number", "rx_pcn", "rx_group"})
"""Fields in which a letter and the digit that looks like it mean different things, and both may stand."""

_SUFFIXES: Final = frozenset({"jr", "sr", "ii", "iii", "iv"})
_PARTICLES: Final = frozenset("al bin da de del della den der di dos du el la las le los mc st van von y".split())  # noqa: SIM905


def name_parts(text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return where the first and the last name of a person stand in `text`, which has at least two words.

    Initials in the middle and suffixes are neither. `SOLIZ, MARIA` is the other way about.
    """
    words = [(m.start(), m.start() + len(m[0].rstrip(",."))) for m in _WORD.finditer(text)]
    comma = text.find(",")
    split = next((n for n, (start, _) in enumerate(words) if start > comma > 0), 0)
    if split:
        last, first = words[:split], words[split:]
    else:
        while len(words) > 2 and text[slice(*words[-1])].casefold() in _SUFFIXES:  # noqa: PLR2004
            words.pop()
        cut = len(words) - 1
        while cut > 1 and text[slice(*words[cut - 1])].casefold() in _PARTICLES:
            cut -= 1
        first, last = words[:cut], words[cut:]
    while len(first) > 1 and first[-1][1] - first[-1][0] == 1:
        first.pop()
    return (first[0][0], first[-1][1]), (last[0][0], last[-1][1])
