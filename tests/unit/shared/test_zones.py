"""A zone is found by its name, and whatever else is told is none."""

import pytest

from shared.zones import zone_named


def test_a_zone_has_a_name() -> None:
    assert str(zone_named("America/New_York")) == "America/New_York"


@pytest.mark.parametrize(
    "name", ["", "America", "America/New York", "Mars/Base", "../etc/passwd", "/etc", "a\0b", "a" * 5000, "\ud800"]
)
def test_what_names_no_zone_is_none(name: str) -> None:
    assert zone_named(name) is None
