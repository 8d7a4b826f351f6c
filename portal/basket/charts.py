"""The geometry of the supervisor's small charts: bars as SVG, drawn by the server.

A chart is a list of rows, each with its parts laid one after the other; the widths are numbers in the drawing, so
that nothing has to be styled by the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 400.0
ROW: Final = 38.0


@dataclass(frozen=True, slots=True)
class Part:
    """One bar of a row: where it is, and which kind."""

    x: float
    width: float
    kind: str


@dataclass(frozen=True, slots=True)
class Row:
    """A name, what is said at its end, and its bars."""

    name: str
    said: str
    y: float
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Rows from the top."""

    rows: tuple[Row, ...]

    @property
    def height(self) -> float:
        """The height of the drawing."""
        return max(ROW, len(self.rows) * ROW)


def chart(rows: Sequence[tuple[str, str, Sequence[tuple[str, float]]]]) -> Chart:
    """Return a chart whose longest row fills its width.

    Args:
        rows: a name, the words at the end, and the parts as kind and value, from the left.
    """
    longest = max((sum(value for _kind, value in parts) for _name, _said, parts in rows), default=0.0)
    scale = WIDTH / longest if longest > 0 else 0.0
    return Chart(tuple(_row(number, *row, scale) for number, row in enumerate(rows)))


def _row(number: int, name: str, said: str, parts: Sequence[tuple[str, float]], scale: float) -> Row:
    drawn: list[Part] = []
    x = 0.0
    for kind, value in parts:
        width = round(value * scale, 1)
        if width > 0:
            drawn.append(Part(round(x, 1), width, kind))
        x += width
    return Row(name, said, number * ROW, tuple(drawn))
