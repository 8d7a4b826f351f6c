"""In which order coverages are suggested to pay, and by which rule."""

from datetime import date
from typing import Any

import pytest

from services.insurance.domain.coverage import content_of
from services.insurance.domain.ordering import suggest
from services.insurance.domain.patient import Coverage, CoverageStatus
from tests.unit.insurance.story import ANA, NOW, on_file


def coverage(
    name: str,
    relationship: str = "self",
    *,
    born: str = "1984-02-29",
    status: CoverageStatus = "active",
    **more: Any,
) -> Coverage:
    holder = ANA.model_copy(update={"birth_date": date.fromisoformat(born)})
    content = content_of(on_file(relationship=relationship, subscriber=holder, **more))
    return Coverage(name, content, status, 1, NOW, NOW)


def since(day: int) -> dict[str, Any]:
    return {"effective_from": date(2025, 1, day)}


@pytest.mark.parametrize(
    ("there", "suggested"),
    [
        ([coverage("A")], [("A", "own_plan")]),
        ([coverage("A", "child")], [("A", "as_dependent")]),
        ([coverage("A", "spouse"), coverage("B")], [("B", "own_plan"), ("A", "as_dependent")]),
        (
            [coverage("A", "child", born="1980-09-01"), coverage("B", "child", born="1990-03-31")],
            [("B", "birthday_rule"), ("A", "birthday_rule")],
        ),
        (
            [
                coverage("A", "child", born="1980-03-02", **since(2)),
                coverage("B", "child", born="1990-03-02", **since(1)),
                coverage("C", "child", born="1970-01-01", **since(3)),
            ],
            [("C", "birthday_rule"), ("B", "longer_in_force"), ("A", "longer_in_force")],
        ),
        (
            [coverage("A", "spouse", **since(2)), coverage("B", "child", born="1990-01-01", **since(1))],
            [("B", "longer_in_force"), ("A", "longer_in_force")],
        ),
        ([coverage("B"), coverage("A")], [("B", "as_on_file"), ("A", "as_on_file")]),
        (
            [coverage("A", status="inactive"), coverage("B", "spouse")],
            [("B", "as_dependent"), ("A", "not_in_force")],
        ),
        ([], []),
    ],
)
def test_a_plan_of_ones_own_pays_first_and_of_a_childs_the_one_of_the_earlier_birthday(
    there: list[Coverage], suggested: list[tuple[str, str]]
) -> None:
    found = suggest(there)
    assert [(name, one.because) for name, one in found.items()] == suggested
    assert [one.priority for one in found.values()] == list(range(1, len(there) + 1))


def test_where_it_is_not_known_since_when_a_plan_is_in_force_the_order_stays() -> None:
    unknown = coverage("A")
    unknown = Coverage("A", unknown.content.model_copy(update={"effective_from": None}), "active", 1, NOW, NOW)
    assert [*suggest([unknown, coverage("B")])] == ["A", "B"]
