"""What is published is what the code says, and is never written over by what would break its readers."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsoncompat
import pytest

from shared.events import __main__ as command
from shared.events.envelope import Data, Reader
from shared.events.publishing import FOLDER, MESSAGES, REFUSAL_REASONS, broken, publish, stale
from shared.events.schemas import message_schema
from shared.events.topics import TOPICS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what is published, brought up to date: only one test is about what was forgotten."""
    copy = Path(shutil.copytree(FOLDER, tmp_path / "events"))
    publish(copy)
    return copy


def alter(folder: Path, name: str, change: Callable[[dict[str, Any]], object]) -> Path:
    """Make it so that something else had been published."""
    path = folder / "schemas" / f"{name}.json"
    schema = json.loads(path.read_text())
    change(schema)
    path.write_text(json.dumps(schema, indent=2) + "\n")
    return path


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> int:
    monkeypatch.setattr(command, "FOLDER", folder)
    monkeypatch.setattr(sys, "argv", ["events", *arguments])
    return command.main()


def test_what_is_published_is_what_the_code_says() -> None:
    assert broken(FOLDER) == []
    assert stale(FOLDER) == [], "run `python -m shared.events`"


def test_publishing_twice_makes_the_same_files(folder: Path, tmp_path: Path) -> None:
    publish(tmp_path / "again")
    assert stale(folder) == stale(tmp_path / "again") == []


def test_a_file_that_is_missing_or_differs_is_stale_until_it_is_published(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "README.md").write_text("old")
    (folder / "schemas" / "portal.session-ended.v1.json").unlink()
    assert run(monkeypatch, folder, "--check") == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in told] == ["README.md", "schemas/portal.session-ended.v1.json"]
    assert run(monkeypatch, folder) == 0
    assert run(monkeypatch, folder, "--check") == 0


def test_a_field_that_was_published_and_is_gone_is_not_written_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def once_had_a_tip(schema: dict[str, Any]) -> None:
        schema["$defs"]["SubmitPayment"]["properties"]["tip_minor"] = {"type": "integer"}

    path = alter(folder, "payments.submit-payment.v1", once_had_a_tip)
    published = path.read_text()
    for arguments in ((), ("--check",)):
        assert run(monkeypatch, folder, *arguments) == 1
        assert "payments.submit-payment.v1: data.tip_minor is gone" in capsys.readouterr().err
    assert path.read_text() == published


def test_a_command_may_take_more_than_was_published_but_an_event_may_not_tell_more(folder: Path) -> None:
    def once_knew_fewer_words(schema: dict[str, Any]) -> None:
        for definition in schema["$defs"].values():
            for field in definition["properties"].values():
                if "enum" in field:
                    field["enum"].pop()

    alter(folder, "notifications.add-contact.v1", once_knew_fewer_words)
    assert broken(folder) == []
    alter(folder, "notifications.code-sent.v1", once_knew_fewer_words)
    assert broken(folder) == ["notifications.code-sent.v1: who reads by the old schema cannot read it"]


def test_a_type_that_was_published_stays(folder: Path) -> None:
    shutil.copy(folder / "schemas/portal.session-ended.v1.json", folder / "schemas/portal.session-lost.v1.json")
    assert broken(folder) == ["portal.session-lost.v1: the type is gone"]


@pytest.mark.parametrize("cls", MESSAGES.values(), ids=MESSAGES)
def test_whatever_a_schema_allows_is_read(cls: type[Data]) -> None:
    short_ids = json.dumps(message_schema(cls)).replace("{1,128}", "{1,8}")  # quicker to make
    made = jsoncompat.generate_value(short_ids, depth=5)
    # A schema cannot say that times lie between 1900 and 2200.
    within = re.sub(r'"\d{4}(-\d\d-\d\dT)', r'"2024\1', made)
    assert isinstance(Reader(cls).read(within.encode()).data, cls)


def test_the_index_names_every_topic_every_message_and_every_reason_for_a_refusal(folder: Path) -> None:
    index = (folder / "README.md").read_text()
    for topic in TOPICS:
        assert f"## {topic.name}\n" in index
    for name in MESSAGES:
        assert f"| `{name}` |" in index
    for reasons in REFUSAL_REASONS.values():
        for reason, meaning in reasons.items():
            assert f"| `{reason}` | {meaning} |" in index


def test_every_link_of_the_index_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^#)]+)\)", (FOLDER / "README.md").read_text()):
        assert (FOLDER / target).is_file(), target
