"""An X12 interchange as segments of elements, however badly it is set: payers break the rules.

What is tolerated: a byte-order mark, blanks and junk before ISA, ISA elements of odd widths, any separators, line
breaks and indentation between segments, wrong counts. What is not: text that is no interchange, and one that ends
before its end.
"""

from typing import Final, NamedTuple

_ISA_ELEMENTS: Final = 16
_JUNK_MAX: Final = 200


class UnreadableError(ValueError):
    """The text is no whole interchange; `reason` says what it is instead and holds nothing of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Segment(NamedTuple):
    """A segment: its name, and its elements from the first."""

    name: str
    elements: tuple[str, ...]

    def element(self, number: int) -> str:
        """Return an element by its number in the standard, from 1; empty where it is absent."""
        return self.elements[number - 1] if number <= len(self.elements) else ""


class Interchange(NamedTuple):
    """The segments between ISA and IEA, and what separates repeated elements."""

    segments: tuple[Segment, ...]
    repetition: str


def read(text: str) -> Interchange:
    """Split an interchange into its segments.

    Raises:
        UnreadableError: it is none, or has no end.
    """
    start = text.find("ISA", 0, _JUNK_MAX)
    if start < 0:
        raise UnreadableError("unreadable_answer")
    text = text[start:]
    separator = text[3:4]
    parts = text.split(separator, _ISA_ELEMENTS) if separator and not separator.isalnum() else []
    if len(parts) <= _ISA_ELEMENTS or len(parts[_ISA_ELEMENTS]) < 2:  # noqa: PLR2004  # two separators
        raise UnreadableError("unreadable_answer")
    terminator = parts[_ISA_ELEMENTS][1]
    if terminator.isalnum() or terminator == separator:
        raise UnreadableError("unreadable_answer")
    segments: list[Segment] = []
    for piece in text.split(terminator)[1:]:
        name, *elements = piece.strip().split(separator)
        if name == "IEA":
            return Interchange(tuple(segments), parts[11].strip())
        if name:
            segments.append(Segment(name.strip().upper(), tuple(map(str.strip, elements))))
    raise UnreadableError("truncated_answer")
