"""What the documents say of the code stands in it, and what they link to is there."""

import re
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from services.payments.domain.charging import QUERY_WAITS
from shared.events.topics import SERVICES
from shared.messaging import handling, tasks
from shared.messaging.handlers import Performer
from tests.unit.deploy.test_deploy import EVERY, variables
from tests.unit.house.test_tidiness import ROOT, name, tracked

ARCHITECTURE = ROOT / "docs" / "ARCHITECTURE.md"
TRAVELS = ROOT / "docs" / "how-a-message-travels.md"
GUIDES = [ROOT / "docs" / name for name in ("a-new-service.md", "how-a-message-travels.md", "for-gateways.md")]
PAGES = tracked("*.md")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def excerpts(guide: Path) -> list[tuple[str, str]]:
    """Return each excerpt of Python, with the line that names its file."""
    text = guide.read_text()
    return [
        (text[: found.start()].rstrip().rpartition("\n")[2], found[2])
        for found in FENCE.finditer(text)
        if found[1] == "python"
    ]


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in links, as GitHub makes it."""
    plain = (re.sub(r"[^\w\- ]", "", heading) for heading in HEADING.findall(prose(page)))
    return {heading.lower().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("guide", GUIDES, ids=name)
def test_an_excerpt_stands_in_the_file_that_it_names(guide: Path) -> None:
    shown = excerpts(guide)
    assert shown
    for named, excerpt in shown:
        file = re.fullmatch(r"\[(.+)\]\(\.\./\1\)", named)
        assert file, f"no file is named above: {excerpt}"
        assert f"\n{excerpt}" in (ROOT / file[1]).read_text(), f"not in {file[1]}: {excerpt}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_relative_link_leads_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(prose(page)):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{path} is not there"
        assert not anchor or anchor in anchors(target), f"{path} has no #{anchor}"


EVERY_SERVICE = ("_DATABASE_URL", "_HTTP_HOST", "_HTTP_PORT")


def test_every_setting_is_explained_once_and_no_other() -> None:
    explained, _, _ = OPERATIONS.partition("### Local runs and tests")
    rows = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", explained, re.MULTILINE)
    known = {name for settings in EVERY for name in variables(settings)}
    # What each service has is explained for the first.
    again = {f"{service.upper()}{name}" for service in SERVICES.keys() - {"payments"} for name in EVERY_SERVICE}
    assert sorted(name for row in rows for name in re.findall(r"[A-Z_]+", row)) == sorted(known - again)


def test_of_every_table_it_is_said_how_long_its_rows_are_kept() -> None:
    kept = OPERATIONS.partition("## What is kept, and how long")[2].partition("\n## ")[0]
    code = "".join(path.read_text() for path in tracked("services/*/tables.py", "shared/messaging/tables.py"))
    assert set(re.findall(r'__tablename__ = "(\w+)"', code)) == set(re.findall(r"`(\w+)`", kept))


def test_every_metric_is_explained_and_no_other() -> None:
    code = (ROOT / "shared" / "messaging" / "metrics.py").read_text()
    explained = re.findall(r"^\| `(messaging_\w+)", OPERATIONS, re.MULTILINE)
    assert sorted(explained) == sorted(re.findall(r'"(messaging_\w+)"', code))


def one_line(page: Path) -> str:
    return " ".join(page.read_text().split())


def seconds(waits: Sequence[timedelta]) -> str:
    """Return waits as a page lists them: `1, 5 and 30 s`."""
    *first, last = (f"{wait.total_seconds():g}" for wait in waits)
    return f"{', '.join(first)} and {last} s"


USUAL: dict[str, Any] = {field.name: field.default for field in fields(Performer)}


def test_how_often_and_after_how_long_it_is_tried_again_is_as_the_pages_say() -> None:
    parked = vars(handling)["_PARKED_WAITS"]
    assert f"Failed attempts wait {seconds(USUAL['waits'])} unless" in one_line(ARCHITECTURE)
    assert f"in order, after {seconds(parked)}. After five attempts" in one_line(ARCHITECTURE)
    assert len(parked) + 1 == 5
    assert f"the call is made again after {seconds(USUAL['waits'])}, and then" in one_line(TRAVELS)
    assert "after 10 s, 5 min, 1 h, then daily, 5 times" in one_line(TRAVELS)
    first = [timedelta(seconds=10), timedelta(minutes=5), timedelta(hours=1)]
    assert list(QUERY_WAITS) == [*first, *[timedelta(days=1)] * 5]


def test_how_much_may_be_under_way_is_as_the_page_of_the_architecture_says() -> None:
    (row,) = re.findall(r"^\| tasks under way \| (.+?) \|", ARCHITECTURE.read_text(), re.MULTILINE)
    of_process = vars(tasks)["_UNDER_WAY_MAX"]
    of_service = {name: vars(import_module(f"services.{name}.tasks"))["_UNDER_WAY_MAX"] for name in SERVICES}
    usual, _, others = row.partition(", but ")
    assert usual == f"{of_process:,} a process; {USUAL['at_once_max']:,} a kind"
    assert sorted(others.split(", ")) == sorted(f"{name} {count:,}" for name, count in of_service.items())
