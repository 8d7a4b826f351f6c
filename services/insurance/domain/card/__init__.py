"""An insurance card whose text was read from a picture: what it says, as a suggestion for the patient to confirm.

A reader takes the letter O for the digit 0 and is sure of it. So each value comes with the places at which a sign
is easily taken for another, and nothing is used that a person has not looked at.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from statistics import median
from typing import Annotated, Final

from pydantic import Field

from services.insurance.domain.card.labels import FieldName, Label, labels
from services.insurance.domain.card.layout import Line, Placed, below, beside, upright
from services.insurance.domain.card.values import CODES, MISTAKABLE, SHAPES, name_parts
from services.insurance.domain.payers import Directory
from shared.events.vocabulary import Record

_SURE: Final = 0.8
"""A sign that the reader is less sure of is marked, whatever it is."""
_PLANS: Final = frozenset(
    "ppo hmo epo pos hdhp hsa medicare medicaid bronze silver gold platinum advantage".split()  # noqa: SIM905
)
_HEADING: Final = 1.25
"""How much larger than most lines the name of a payer is printed."""
_LETTERS_MIN: Final = 3
_NAME_MAX: Final = 80


class Suggestion(Record):
    """What one field may be."""

    value: str
    confidence: Annotated[float, Field(ge=0, le=1, description="of the sign that the reader is least sure of")]
    ambiguous: Annotated[
        tuple[int, ...], Field(description="places in `value`, from 0, whose sign is easily taken for another")
    ] = ()


class SubscriberFields(Record):
    """Who holds the plan, as the card says; dates of birth are not on cards."""

    first_name: Suggestion
    last_name: Suggestion


class CardFields(Record):
    """The fields that were found, by the names that they have in `insurance.add-coverage.v1` where it has them."""

    payer_id: Annotated[
        Suggestion | None, Field(description="of the payer directory; none for an unknown payer")
    ] = None
    payer_name: Suggestion | None = None
    plan_name: Suggestion | None = None
    member_id: Suggestion | None = None
    group_number: Suggestion | None = None
    subscriber: SubscriberFields | None = None
    rx_bin: Suggestion | None = None
    rx_pcn: Suggestion | None = None
    rx_group: Suggestion | None = None
    phone: Suggestion | None = None


class _Found:
    """A value of a field, and the line in which it stands."""

    def __init__(self, field: FieldName, line: Line, start: int, text: str) -> None:
        self.line, self.text = line, text
        read = line.text[start : start + len(text)]
        self.confidences = line.confidences[start : start + len(text)]
        self.doubtful = [
            confidence < _SURE or sign != seen or (sign in MISTAKABLE and _counts(field, text, place))
            for place, (sign, seen, confidence) in enumerate(zip(text, read, self.confidences, strict=True))
        ]

    def suggestion(self, start: int = 0, end: int | None = None) -> Suggestion:
        """Return the value, or a part of it."""
        return Suggestion(
            value=self.text[start:end],
            confidence=round(min(self.confidences[start:end], default=0.0), 3),
            ambiguous=tuple(place for place, doubtful in enumerate(self.doubtful[start:end]) if doubtful),
        )


def _counts(field: FieldName, text: str, place: int) -> bool:
    """Tell whether a sign that looks like another matters: in a code always, else where it makes a word a code."""
    if field in CODES:
        return True
    word = text[text.rfind(" ", 0, place) + 1 :].partition(" ")[0]
    return any(sign.isdigit() for sign in word) and any(sign.isalpha() for sign in word)


def read_card(sides: Iterable[Sequence[Line]], directory: Directory) -> CardFields:
    """Return what the sides of a card say; what stands on two sides is taken from the first."""
    placed = [upright(side) for side in sides]
    found: dict[FieldName, _Found] = {}
    for lines in placed:
        for field, one in _labelled(lines):
            found.setdefault(field, one)
    every = [one for lines in placed for one in lines]
    payer = _payer(every, placed[0] if placed else [], directory)
    if "plan_name" not in found and (plan := _plan(every, directory)) is not None:
        found["plan_name"] = plan
    told = {field: one.suggestion() for field, one in found.items() if field != "subscriber"}
    return CardFields(**payer, **told, subscriber=_subscriber(found.get("subscriber")))


def _labelled(lines: Sequence[Placed]) -> Iterator[tuple[FieldName, _Found]]:
    """Give the values that stand after, beside or below their labels."""
    said = [(one, labels(one.line.text)) for one in lines]
    bare = [one for one, found in said if not found]
    for one, found in said:
        for place, (label, rest) in enumerate(_with_rest(one.line.text, found)):
            if label.field is None:
                continue
            near = [(one.line, label.end, rest)] if rest else _near(one, bare, place, len(found))
            for line, start, text in near:
                value = SHAPES[label.field](text)
                if value is not None:
                    yield label.field, _Found(label.field, line, start + value.start, value.text)
                    break


def _near(one: Placed, bare: Sequence[Placed], place: int, of: int) -> list[tuple[Line, int, str]]:
    """Return what may be the value of a label without one: text beside it or below it, and where it begins."""
    under = below(one, bare)
    if of > 1:
        # Labels in a row are the head of a table, with as many words below.
        words = list(re.finditer(r"\S+", under.line.text)) if under else []
        return [(under.line, words[place].start(), words[place][0])] if under and len(words) == of else []
    return [(other.line, 0, other.line.text) for other in (beside(one, bare), under) if other is not None]


def _with_rest(text: str, found: Sequence[Label]) -> Iterator[tuple[Label, str]]:
    """Give each label with what stands between it and the next one."""
    for label, after in zip_longest(found, found[1:]):
        end = after.start if after else len(text)
        yield label, text[label.end : end].rstrip(" ,;:|-")


def _subscriber(found: _Found | None) -> SubscriberFields | None:
    if found is None:
        return None
    first, last = name_parts(found.text)
    return SubscriberFields(first_name=found.suggestion(*first), last_name=found.suggestion(*last))


def _payer(every: Sequence[Placed], front: Sequence[Placed], directory: Directory) -> dict[str, Suggestion]:
    """Return the payer whose longest name is printed; else what stands in the largest letters on the front."""
    known = [(length, one, payer) for one in every for payer, length in directory.printed(one.line.text)]
    if known:
        _, one, payer = max(known, key=lambda each: (each[0], each[1].height))
        sure = min(one.line.confidences, default=0.0)
        return {
            "payer_id": Suggestion(value=payer.payer_id, confidence=round(sure, 3)),
            "payer_name": Suggestion(value=payer.name, confidence=round(sure, 3)),
        }
    headings = [
        one
        for one in front
        if not labels(one.line.text) and sum(s.isalpha() for s in one.line.text) > _LETTERS_MIN
    ]
    largest = max(headings, key=lambda one: one.height, default=None)
    if largest is None or largest.height < _HEADING * median(one.height for one in front):
        return {}
    return {"payer_name": _Found("payer_name", largest.line, 0, largest.line.text[:_NAME_MAX]).suggestion()}


def _plan(every: Sequence[Placed], directory: Directory) -> _Found | None:
    """Return the first line that speaks of a kind of plan and is not the payer's name."""
    for one in every:
        text = one.line.text
        if _PLANS & set(text.casefold().split()) and not labels(text) and not any(directory.printed(text)):
            value = SHAPES["plan_name"](text)
            if value is not None:
                return _Found("plan_name", one.line, value.start, value.text)
    return None
