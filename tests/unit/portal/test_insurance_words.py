"""What insurance tells in codes is shown in words, in every language."""

from collections.abc import Iterable
from typing import get_args

import pytest

from portal.language import LANGUAGES, speak
from portal.rendering import ENVIRONMENT
from services.insurance.domain.patient import By, CoverageStatus, What
from shared.events.insurance import Benefit, CoverageChanges
from shared.events.vocabulary import Relationship

BENEFIT = Benefit.model_fields


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("macro", "codes"),
    [
        ("what", get_args(What)),
        ("by", get_args(By)),
        ("status_badge", get_args(CoverageStatus)),
        ("relationship", get_args(Relationship)),
        ("field", [*CoverageChanges.model_fields]),
        *((name, get_args(BENEFIT[name].annotation)) for name in ("kind", "level", "network")),
    ],
)
def test_each_code_has_its_words(language: str, macro: str, codes: Iterable[str]) -> None:
    speak(language)
    try:
        words = getattr(ENVIRONMENT.get_template("insurance/words.html").module, macro)
        said = {words(code).striptags() for code in codes}
    finally:
        speak("en")
    assert not {*codes, ""} & said
