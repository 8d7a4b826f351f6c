"""Every sample that was ever published stays readable, and shows what its message can say."""

import json
from collections import defaultdict
from pathlib import Path

import jsoncompat
import pytest

from shared.events.dead_letter import DeadLetter
from shared.events.envelope import Reader, write
from shared.events.publishing import FOLDER, MESSAGES
from shared.events.schemas import DEAD_LETTER

DEAD_LETTERS = sorted(FOLDER.glob(f"samples/{DEAD_LETTER}*.json"))
SAMPLES = sorted(set(FOLDER.glob("samples/*.json")) - set(DEAD_LETTERS))
READER = Reader(*MESSAGES.values())


def fits(sample: Path, schema: str) -> bool:
    """Tell whether a sample is one of the values that a published schema allows."""
    published = (FOLDER / "schemas" / f"{schema}.json").read_text()
    only = json.dumps({"const": json.loads(sample.read_text())})
    return bool(jsoncompat.check_compat(published, only, "serializer"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_read_and_written_as_it_was_and_fits_its_schema(sample: Path) -> None:
    message = READER.read(sample.read_bytes())
    assert json.loads(write(message)) == json.loads(sample.read_text())
    assert fits(sample, message.type)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_what_may_be_absent_may_be_null(sample: Path) -> None:
    told = json.loads(sample.read_text())
    message = READER.read(sample.read_bytes())
    for model, part in ((type(message), told), (type(message.data), told["data"])):
        part |= {name: None for name, field in model.model_fields.items() if not field.is_required()}
    assert type(READER.read(json.dumps(told).encode())) is type(message)


def test_every_message_has_a_sample_of_its_name() -> None:
    assert set(MESSAGES) <= {sample.stem for sample in SAMPLES}


def test_the_samples_of_a_message_show_every_field() -> None:
    shown: defaultdict[str, set[str]] = defaultdict(set)
    for sample in SAMPLES:
        message = READER.read(sample.read_bytes())
        shown[message.type] |= message.data.model_fields_set
    hidden = {name: set(cls.model_fields) - shown[name] for name, cls in MESSAGES.items()}
    assert {name: fields for name, fields in hidden.items() if fields} == {}


@pytest.mark.parametrize("sample", DEAD_LETTERS, ids=lambda path: path.stem)
def test_a_dead_letter_is_read_and_written_as_it_was_and_fits_its_schema(sample: Path) -> None:
    letter = DeadLetter.model_validate_json(sample.read_bytes())
    assert json.loads(letter.model_dump_json()) == json.loads(sample.read_text())
    assert fits(sample, DEAD_LETTER)


def test_there_is_a_sample_of_a_dead_letter() -> None:
    assert DEAD_LETTERS
