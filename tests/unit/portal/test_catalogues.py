"""Every sentence of the pages is there in every language."""

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

from portal import language
from portal.language import LANGUAGES, catalogue

PORTAL = Path(language.__file__).parent
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"jinja2": {"silent": "false"}, "**/templates/**.html": {"newstyle_gettext": "true", "silent": "false"}}
KEYWORDS = {"_": None, "gettext": None, "N_": None, "ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")

Sentence = str | tuple[str, ...]


@cache
def sentences() -> frozenset[Sentence]:
    return frozenset(
        message
        for _file, _line, message, _comments, _context in extract_from_dir(
            str(PORTAL), METHODS, OPTIONS, keywords=KEYWORDS
        )
    )


@pytest.mark.parametrize("spoken", [one for one in LANGUAGES if one != "en"])
def test_every_sentence_is_translated_with_its_placeholders(spoken: str) -> None:
    translated = {message.id: message for message in catalogue(spoken) if message.id}
    missing = sorted({str(sentence) for sentence in sentences() if sentence not in translated})
    assert not missing
    for message in translated.values():
        told = [message.id, message.string]
        ids, strings = ([one] if isinstance(one, str) else list(one or ()) for one in told)
        assert all(strings)
        wanted = set(PLACEHOLDER.findall(ids[-1]))
        assert all(set(PLACEHOLDER.findall(one)) <= wanted for one in strings)
        assert set(PLACEHOLDER.findall(strings[-1])) == wanted, message.id


@pytest.mark.parametrize("spoken", [one for one in LANGUAGES if one != "en"])
def test_no_translation_is_left_of_a_sentence_that_is_gone(spoken: str) -> None:
    said = sentences()
    assert not sorted(str(message.id) for message in catalogue(spoken) if message.id and message.id not in said)
