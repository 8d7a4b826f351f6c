"""The words on a card that say what stands beside or below them: `Member ID`, `Group No.`, `RxBIN`."""

import re
from typing import Final, Literal, NamedTuple

FieldName = Literal[
    "member_id", "group_number", "plan_name", "subscriber", "rx_bin", "rx_pcn", "rx_group", "phone", "payer_name"
]


class Label(NamedTuple):
    """A label in a line: what it names, or nothing for what no field is; its value starts at `end`."""

    field: FieldName | None
    start: int
    end: int


# A reader takes I for l and O for 0, and loses spaces: so do the patterns.
_ID: Final = r"[i1l|]d"
_NO: Final = r"(?:n[o0º°]|num(?:ber)?|n[uú]mero|nbr|#)"
_WHO: Final = r"(?:member|subscriber|enrollee|insured|participant|cardholder)"
_NUMBERED: Final = rf"\s*(?:{_ID}\s*\.?\s*{_NO}?|{_NO})"

_PATTERNS: Final[tuple[tuple[FieldName | None, str], ...]] = (
    (None, rf"(?:rx|payer|payor|edi|plan|provider)\s*{_ID}"),
    (None, r"effective(?:\s*date)?|eff\.?\s*date|issued?(?:\s*date)?|issuer|date\s*of\s*birth|dob"),
    (None, r"dependents?|pcp|copays?|deductible|coverage|network"),
    ("rx_bin", r"rx\s*b[i1l]n|b[i1l]n"),
    ("rx_pcn", r"rx\s*pcn|pcn"),
    ("rx_group", r"rx\s*(?:group|grp|gp)"),
    ("member_id", rf"{_WHO}{_NUMBERED}|identification\s*{_NO}?|policy{_NUMBERED}"),
    ("member_id", rf"{_NO}\s*de\s*(?:miembro|afiliado|asegurado)"),
    ("group_number", rf"(?:group|grp|grupo)(?:{_NUMBERED})?"),
    ("subscriber", rf"(?:{_WHO}\s*)?name|nombre"),
    ("plan_name", r"plan\s*(?:name|type)|product(?:\s*name)?"),
    ("phone", r"(?:customer|member|patient)\s*(?:services?|care|support)|(?:tele)?phone|servicio\s*al\s*cliente"),
    ("member_id", rf"{_ID}\s*\.?\s*{_NO}?"),
)
_MARKED: Final[tuple[tuple[FieldName | None, str], ...]] = (("subscriber", _WHO), ("plan_name", r"plan"))
"""Words that also begin sentences: they are labels only before a colon or alone in a line."""

_LABELS: Final = [
    (field, re.compile(rf"(?<![^\W\d_])(?:{pattern})(?![^\W\d_])(?P<mark>[\s.:;#\-]*)", re.IGNORECASE), marked)
    for patterns, marked in ((_PATTERNS, False), (_MARKED, True))
    for field, pattern in patterns
]
_FIRM: Final = re.compile(rf"[:#]|{_NO}\W*$|{_ID}\W*$", re.IGNORECASE)


def labels(text: str) -> list[Label]:
    """Return the labels of a line, from left to right."""
    found = [
        Label(field, match.start(), match.end())
        for field, pattern, marked in _LABELS
        for match in pattern.finditer(text)
        if _counts(field, text, match, marked=marked)
    ]
    kept: list[Label] = []
    # Of labels that overlap, the one that begins first, then the longest: `Rx Group` is no `Group`.
    for label in sorted(found, key=lambda one: (one.start, -one.end)):
        if not kept or label.start >= kept[-1].end:
            kept.append(label)
    return kept


def _counts(field: FieldName | None, text: str, match: re.Match[str], *, marked: bool) -> bool:
    in_front = not any(sign.isalnum() for sign in text[: match.start()])
    if marked:
        return ":" in match["mark"] or (in_front and match.end() == len(text))
    return in_front or (field or "").startswith("rx_") or _FIRM.search(match[0]) is not None
