"""Text in pictures: read by a process of its own, for the models take half a gigabyte and a core for seconds.

The service sends a picture to the process and gets back its lines (see `shared.apart`). Nothing of either is kept
or logged, and the process is told no secret.
"""

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import TypeAdapter

from services.insurance.domain.card.layout import Line

Unreadable = Literal["unreadable_picture", "too_many_pixels"]


@dataclass(frozen=True, slots=True)
class Read:
    """What came of a picture: its lines, or why it could not be opened, or the class of an error that is a bug."""

    lines: tuple[Line, ...] = ()
    unreadable: Unreadable | None = None
    failed: str | None = None


READ: Final = TypeAdapter[Read](Read)
