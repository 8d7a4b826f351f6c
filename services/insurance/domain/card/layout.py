"""Where text stands on a card: lines as they were read, turned upright, and which line goes with which."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import atan2, cos, dist, sin
from typing import Final, NamedTuple

_SAME_ROW: Final = 0.6
"""How far the middles of two lines of one row may be apart, in heights of the line."""
_GAP_MAX: Final = 14.0
_DROP_MAX: Final = 2.6


class Point(NamedTuple):
    """A place in the picture, in its pixels; y grows downwards."""

    x: float
    y: float


class Line(NamedTuple):
    """A line of text in a picture that may be turned any way.

    `confidences` are of each sign of `text`, 0 to 1. `corners` begin at the upper left of the first letter and go
    on as one reads: upper right, lower right, lower left.
    """

    text: str
    confidences: tuple[float, ...]
    corners: tuple[Point, Point, Point, Point]


@dataclass(frozen=True)
class Placed:
    """A line on the card when it is held upright."""

    line: Line
    left: float
    right: float
    middle: float
    height: float


def upright(lines: Iterable[Line]) -> list[Placed]:
    """Return the lines as on a card that is held upright, from top to bottom."""
    lines = list(lines)
    # Long lines tell the angle best, so each counts by its length.
    along = sum(line.corners[1].x - line.corners[0].x for line in lines)
    down = sum(line.corners[1].y - line.corners[0].y for line in lines)
    angle = atan2(down, along)
    placed = [_placed(line, cos(angle), sin(angle)) for line in lines]
    return sorted(placed, key=lambda one: (one.middle, one.left))


def _placed(line: Line, cosine: float, sine: float) -> Placed:
    across = [x * cosine + y * sine for x, y in line.corners]
    down = [y * cosine - x * sine for x, y in line.corners]
    height = (dist(line.corners[0], line.corners[3]) + dist(line.corners[1], line.corners[2])) / 2
    return Placed(line, min(across), max(across), sum(down) / len(down), max(height, 1.0))


def beside(one: Placed, lines: Sequence[Placed]) -> Placed | None:
    """Return the next line of the same row to the right, unless it is far away."""
    row = [
        other
        for other in lines
        if other is not one
        and abs(other.middle - one.middle) < _SAME_ROW * one.height
        and -one.height < other.left - one.right < _GAP_MAX * one.height
    ]
    return min(row, key=lambda other: other.left, default=None)


def below(one: Placed, lines: Sequence[Placed]) -> Placed | None:
    """Return the next line under this one, in its column."""
    column = [
        other
        for other in lines
        if other is not one
        and _SAME_ROW * one.height < other.middle - one.middle < _DROP_MAX * max(one.height, other.height)
        and other.left < one.right
        and other.right > one.left
    ]
    return min(column, key=lambda other: other.middle, default=None)
