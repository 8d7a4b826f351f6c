"""Reads a 271 without losing what is good in it to what is not: every person, reject and benefit that it names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from services.insurance.x12.segments import Segment, UnreadableError, read

_SUBSCRIBER, _DEPENDENT = "22", "23"
_LEVEL_OF: Final = {"IL": _SUBSCRIBER, "03": _DEPENDENT}


@dataclass(slots=True)
class Named:
    """Whom a part of the answer is about."""

    last_name: str = ""
    first_name: str = ""
    birth_date: date | None = None


class Benefit(NamedTuple):
    """An EB segment as it came: codes are the payer's, also those that nobody knows."""

    information: str
    level: str
    service_types: tuple[str, ...]
    plan: str
    period: str
    amount: Decimal | None
    fraction: Decimal | None
    network: str
    of_dependent: bool


@dataclass(slots=True)
class Answer:
    """What a 271 says.

    Attributes:
        traces: what it echoes, of BHT03 and all TRN02.
        subscriber, dependent: whom it names.
        codes: the rejects (AAA03), in their order.
        benefits: the EB segments, in their order.
    """

    traces: set[str] = field(default_factory=set)
    subscriber: Named | None = None
    dependent: Named | None = None
    codes: list[str] = field(default_factory=list)
    benefits: list[Benefit] = field(default_factory=list)


def read_answer(text: str) -> Answer:
    """Read the text of a 271.

    Raises:
        UnreadableError: it is no 271, or not a whole one.
    """
    interchange = read(text)
    kinds = {segment.element(1) for segment in interchange.segments if segment.name == "ST"}
    if kinds != {"271"}:
        raise UnreadableError("unreadable_answer")
    if not any(segment.name == "SE" for segment in interchange.segments):
        raise UnreadableError("truncated_answer")
    # A standard before repetition had the letter U there.
    marks = [mark for mark in {interchange.repetition, "^"} if mark and not mark.isalnum()]
    answer = Answer()
    level = ""
    # Between LS and LE stand others than the patient: another payer's subscriber, or a provider.
    of_others = False
    for segment in interchange.segments:
        if segment.name in ("LS", "LE", "HL"):
            of_others = segment.name == "LS"
        if not (of_others and segment.name in ("NM1", "DMG")):
            level = _take(answer, segment, level, marks)
    return answer


def _take(answer: Answer, segment: Segment, level: str, marks: Sequence[str]) -> str:
    """Add what a segment says; return the level of the hierarchy from here on."""
    match segment.name:
        case "HL":
            return segment.element(3)
        case "BHT":
            answer.traces.add(segment.element(3))
        case "TRN":
            answer.traces.add(segment.element(2))
        case "NM1" if segment.element(1) in _LEVEL_OF:
            level = _LEVEL_OF[segment.element(1)]
            named = Named(segment.element(3), segment.element(4))
            if level == _DEPENDENT:
                answer.dependent = named
            else:
                answer.subscriber = named
        case "DMG":
            person = answer.dependent if level == _DEPENDENT else answer.subscriber
            if person is not None:
                person.birth_date = _day(segment.element(2))
        case "AAA" if segment.element(3):
            answer.codes.append(segment.element(3).upper())
        case "EB":
            answer.benefits.append(_benefit(segment, marks, of_dependent=level == _DEPENDENT))
    return level


def _benefit(segment: Segment, marks: Sequence[str], *, of_dependent: bool) -> Benefit:
    types = segment.element(3)
    for mark in marks:
        types = types.replace(mark, "\0")
    return Benefit(
        information=segment.element(1).upper(),
        level=segment.element(2).upper(),
        service_types=tuple(one.strip() for one in types.split("\0") if one.strip()),
        plan=segment.element(5),
        period=segment.element(6),
        amount=_number(segment.element(7)),
        fraction=_number(segment.element(8)),
        network=segment.element(12).upper(),
        of_dependent=of_dependent,
    )


def _number(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None
