"""Reads a 271 without losing what is good in it to what is not, and each person of it apart from the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from services.insurance.x12.segments import Segment, UnreadableError, read

_PAYER, _HOSPITAL, _SUBSCRIBER, _DEPENDENT = "20", "21", "22", "23"
_LEVELS: Final = frozenset({_PAYER, _HOSPITAL, _SUBSCRIBER, _DEPENDENT})
_LEVEL_OF: Final = {"IL": _SUBSCRIBER, "03": _DEPENDENT}
_OF_SENDER: Final = "1"
"""The kind of trace (TRN01) that is the sender's own: the payer's, unless it sends ours back as it came."""


@dataclass(slots=True)
class Named:
    """Whom a part of the answer is about; all is empty where it does not say."""

    last_name: str = ""
    first_name: str = ""
    birth_date: date | None = None

    def __bool__(self) -> bool:
        """Tell whether there is a name."""
        return bool(self.last_name or self.first_name)


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


@dataclass(slots=True)
class Part:
    """What a 271 says at one place of its hierarchy: as a whole, of the payer, the hospital, or one person.

    Attributes:
        level: of the hierarchy (HL03); empty for a transaction as a whole, and where there is no such level.
        above: what this is a part of.
        echoed, of_sender: the traces that stand here, of BHT03 and TRN02.
        person: whom it names.
        said_codes: the rejects (AAA03) that stand here, in their order.
        benefits: the EB segments that stand here, in their order.
        leads_on: whether others are parts of this one.
    """

    level: str = ""
    above: "Part | None" = None
    echoed: set[str] = field(default_factory=set)
    of_sender: set[str] = field(default_factory=set)
    person: Named = field(default_factory=Named)
    said_codes: list[str] = field(default_factory=list)
    benefits: list[Benefit] = field(default_factory=list)
    leads_on: bool = False

    def _upwards(self) -> "Iterator[Part]":
        part: Part | None = self
        while part is not None:
            yield part
            part = part.above

    @property
    def traces(self) -> set[str]:
        """What it echoes: what stands nearest counts, for a transaction may answer several questions."""
        nearest = next((part.echoed for part in self._upwards() if part.echoed), set())
        return nearest.union(*(part.of_sender for part in self._upwards()))

    @property
    def codes(self) -> list[str]:
        """The rejects that hold for it: a payer that is down is so for everybody."""
        return [code for part in reversed(list(self._upwards())) for code in part.said_codes]

    @property
    def subscriber(self) -> Named:
        """Who holds the plan."""
        held = self.above if self.level == _DEPENDENT else self
        return held.person if held is not None else Named()


def read_answer(text: str) -> list[Part]:
    """Return what the text of a 271 says, without the parts that say nothing but what they consist of.

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
    parts = [Part()]
    # Between LS and LE stand others than the patient: another payer's subscriber, or a provider.
    of_others = False
    for segment in interchange.segments:
        if segment.name in ("LS", "LE", "HL", "ST"):
            of_others = segment.name == "LS"
        if of_others and segment.name in ("NM1", "DMG"):
            continue
        part = _take(parts[-1], segment, marks)
        if part is not parts[-1]:
            parts.append(part)
    return [part for part in parts if part.benefits or not part.leads_on]


def _take(part: Part, segment: Segment, marks: Sequence[str]) -> Part:
    """Add what a segment says; return the part that goes on from here."""
    match segment.name:
        case "ST":
            return Part()
        case "HL":
            level = segment.element(3)
            return _enter(part, level if level in _LEVELS else "")
        case "BHT":
            part.echoed.add(segment.element(3))
        case "TRN" if segment.element(2):
            (part.of_sender if segment.element(1) == _OF_SENDER else part.echoed).add(segment.element(2))
        case "NM1" if segment.element(1) in _LEVEL_OF:
            named = segment.element(3), segment.element(4)
            again = named == (part.person.last_name, part.person.first_name)
            if part.level not in (_SUBSCRIBER, _DEPENDENT) or (part.person and not again):
                # A person of whom no HL told.
                part = _enter(part, _LEVEL_OF[segment.element(1)])
            part.person.last_name, part.person.first_name = named
        case "DMG":
            part.person.birth_date = _day(segment.element(2))
        case "AAA" if segment.element(3):
            part.said_codes.append(segment.element(3).upper())
        case "EB":
            part.benefits.append(_benefit(segment, marks))
    return part


def _enter(part: Part, level: str) -> Part:
    """Return a new part under the nearest one of a higher level: those have the lower numbers."""
    above = part
    while above.above is not None and above.level >= level:
        above = above.above
    above.leads_on = True
    return Part(level, above)


def _benefit(segment: Segment, marks: Sequence[str]) -> Benefit:
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
