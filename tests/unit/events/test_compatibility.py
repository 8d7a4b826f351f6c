"""The gate lets through what breaks nobody and stops what does; tried on made-up changes of made-up messages."""

from datetime import date
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field, StringConstraints, create_model

from shared.events.compatibility import breaks
from shared.events.envelope import Data
from shared.events.schemas import Schema, message_schema
from shared.events.vocabulary import Growing, Record


class Place(Record):
    street: str


class PlaceWithTown(Record):
    street: str
    town: str | None = None


class PlaceWithNumber(Record):
    street: str
    number: int


class PlaceElsewhere(Record):
    road: str


Kind = Literal["a", "b"]
KindGrown = Literal["a", "b", "c"]
KindOpen = Growing[Literal["a", "b"]]
KindOpenGrown = Growing[Literal["a", "b", "c"]]
Short = Annotated[str, StringConstraints(max_length=5)]
Long = Annotated[str, StringConstraints(max_length=50)]
Letters = Annotated[str, StringConstraints(pattern="^[a-z]*$")]
Digits = Annotated[str, StringConstraints(pattern="^[0-9]*$")]

GONE = object()

Change = tuple[str, dict[str, Any], dict[str, Any]]
"""What changes, the fields before, and after."""


class MadeUp(Data):
    TYPE: ClassVar[str] = "made.up-thing.v1"


def made_up(**changed: Any) -> Schema:
    """Return the schema of a message with these fields beside `id` and `note`: a type, or a type and a default."""
    fields = {"id": str, "note": (str | None, None), **changed}
    kept: dict[str, Any] = {name: field for name, field in fields.items() if field is not GONE}
    return message_schema(create_model("Thing", __base__=MadeUp, **kept))


FOR_NOBODY: list[Change] = [
    ("nothing", {}, {}),
    ("an optional field more", {}, {"extra": (int | None, None)}),
    ("an optional field more in a record", {"at": Place}, {"at": PlaceWithTown}),
    ("an optional field more in a list", {"at": tuple[Place, ...]}, {"at": tuple[PlaceWithTown, ...]}),
    ("another word of a growing list", {"kind": KindOpen}, {"kind": KindOpenGrown}),
]
FOR_OLD_READERS: list[Change] = [
    ("another word of a closed list", {"kind": Kind}, {"kind": KindGrown}),
    ("a field that need no longer be there", {"kind": str}, {"kind": (str | None, None)}),
    ("a field that may be null", {"kind": str}, {"kind": str | None}),
    ("a longer text", {"kind": Short}, {"kind": Long}),
    ("a longer list", {"at": Annotated[tuple[int, ...], Field(max_length=1)]}, {"at": tuple[int, ...]}),
    ("a wider number", {"n": Annotated[int, Field(ge=1)]}, {"n": Annotated[int, Field(ge=0)]}),
    ("a pattern less", {"kind": Letters}, {"kind": str}),
]
FOR_OLD_MESSAGES: list[Change] = [
    ("a field that must be there", {}, {"extra": int}),
    ("a field that must now be there", {"extra": (int | None, None)}, {"extra": int}),
    ("a field that must be there in a record", {"at": Place}, {"at": PlaceWithNumber}),
    ("a word less", {"kind": KindGrown}, {"kind": Kind}),
    ("a shorter text", {"kind": Long}, {"kind": Short}),
    ("a narrower number", {"n": Annotated[int, Field(ge=0)]}, {"n": Annotated[int, Field(ge=1)]}),
    ("a pattern more", {"kind": str}, {"kind": Letters}),
    ("an optional field less", {}, {"note": GONE}),
    ("an optional field of another type", {}, {"note": (int | None, None)}),
    ("an optional field less in a list", {"at": tuple[PlaceWithTown, ...]}, {"at": tuple[Place, ...]}),
    (
        "an optional field less in an optional record",
        {"at": (PlaceWithTown | None, None)},
        {"at": (Place | None, None)},
    ),
    ("another pattern of an optional field", {"kind": (Letters | None, None)}, {"kind": (Digits | None, None)}),
]
FOR_BOTH: list[Change] = [
    ("a field less", {"extra": int}, {}),
    ("another type", {"extra": int}, {"extra": str}),
    ("another name", {"extra": int}, {"other": int}),
    ("another name in a record", {"at": Place}, {"at": PlaceElsewhere}),
    ("another pattern", {"kind": Letters}, {"kind": Digits}),
    ("a text that becomes a date", {"on": str}, {"on": date}),
    ("one that becomes many", {"at": Place}, {"at": tuple[Place, ...]}),
    ("other words", {"kind": Kind}, {"kind": Literal["x"]}),
]


def cases(*changes: list[Change]) -> pytest.MarkDecorator:
    params = [pytest.param(old, new, id=name) for group in changes for name, old, new in group]
    return pytest.mark.parametrize(("old", "new"), params)


@cases(FOR_NOBODY)
def test_what_breaks_nobody_may_change_anywhere(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert breaks(made_up(**old), made_up(**new), told=True) == []
    assert breaks(made_up(**old), made_up(**new), told=False) == []


@cases(FOR_OLD_READERS)
def test_what_breaks_old_readers_may_change_only_in_what_others_write(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert breaks(made_up(**old), made_up(**new), told=True) != []
    assert breaks(made_up(**old), made_up(**new), told=False) == []


@cases(FOR_OLD_MESSAGES, FOR_BOTH)
def test_what_makes_old_messages_unreadable_may_not_change_at_all(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert breaks(made_up(**old), made_up(**new), told=True) != []
    assert breaks(made_up(**old), made_up(**new), told=False) != []


def test_a_break_is_named_with_the_field() -> None:
    assert breaks(made_up(), made_up(note=GONE), told=True) == ["data.note is gone"]
    assert breaks(made_up(kind=Letters), made_up(kind=Digits), told=False) == [
        "data.kind has another pattern or format"
    ]
