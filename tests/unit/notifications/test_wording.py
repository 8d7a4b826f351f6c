import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import ChoiceLoader, DictLoader, PackageLoader, UndefinedError

from services.notifications.domain.address import AddressError, mask, normalise
from services.notifications.domain.internal import HearText
from services.notifications.domain.texting import Destination, word
from services.notifications.wording import (
    CONSENT_TEXTS,
    LANGUAGES,
    MAILS,
    PAGES,
    TEXTS,
    TemplateError,
    Wording,
    current_text,
    language_of,
)
from tests.unit.notifications.story import names, tasks, when

VALUES = {
    "code": "123456",
    "minutes": "10",
    "sign_in_url": "https://portal.example/?notice=1",
    "unsubscribe_url": "https://alerts.example/v1/unsubscribe/1",
}


def with_template(name: str, source: str) -> Wording:
    return Wording(ChoiceLoader([DictLoader({name: source}), PackageLoader("services.notifications")]))


def test_every_message_and_page_can_be_written_in_every_language() -> None:
    wording = Wording()
    for language in LANGUAGES:
        for name in MAILS:
            mail = wording.mail(language, name, **VALUES)
            kinds = [part.get_content_type() for part in mail.walk()]
            assert kinds == ["multipart/alternative", "text/plain", "text/html"]
        for name in TEXTS:
            assert wording.text(language, name, **VALUES)
        for name in PAGES:
            assert f'lang="{language}"' in wording.page(language, name)


@pytest.mark.parametrize("value", ["amount", "account_number", "department", "first_name"])
def test_a_template_that_would_tell_of_money_health_or_names_stops_the_start(value: str) -> None:
    with pytest.raises(TemplateError, match=f"en/alert.text.j2 uses {value}"):
        with_template("en/alert.text.j2", "You owe {{ " + value + " }}")


def test_a_language_that_lacks_a_message_stops_the_start() -> None:
    with pytest.raises(TemplateError, match="missing"):
        Wording(DictLoader({"en/alert.text.j2": "A new statement"}))


def test_a_value_that_is_missing_stops_the_message() -> None:
    with pytest.raises(UndefinedError):
        Wording().text("en", "code", code="123456")


@pytest.mark.parametrize(
    ("told", "language"),
    [("es", "es"), ("es-MX", "es"), ("Spanish", "es"), ("en-US", "en"), ("fr", "en"), ("", "en"), (None, "en")],
)
def test_who_reads_what_we_do_not_write_reads_english(told: str | None, language: str) -> None:
    assert language_of(told) == language
    assert current_text(told).language == language


def test_texts_to_consent_to_differ_by_language_and_are_known_by_their_hash() -> None:
    assert len({text.sha256 for text in CONSENT_TEXTS.values()}) == len(CONSENT_TEXTS) >= len(LANGUAGES)
    for version, text in CONSENT_TEXTS.items():
        assert text.version == version
        assert len(text.text) > 500


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *(
            (said, "stop")
            for said in ("STOP", " stop. ", "Quit", "end!", "REVOKE", "opt out", "Opt-Out", "cancel")
        ),
        ("UNSUBSCRIBE", "stop"),
        ("\uff33\uff54\uff4f\uff50\uff01", "stop"),  # in full width
        ("Help?", "help"),
        ("start", "start"),
        ("please stop", None),
        ("thanks", None),
        ("", None),
    ],
)
def test_a_word_is_known_in_any_case_and_punctuation(text: str, meant: str | None) -> None:
    assert word(text) == meant


def hear(destination: Destination, said: str) -> list[str]:
    decision = when(destination, HearText.model_validate({"destination_id": "D-1", "word": said}))
    assert names(decision) == ["text-heard"]
    return [type(task).__name__ for task in tasks(decision)]


def test_stop_is_confirmed_once_and_stops_everybody_who_shares_the_number() -> None:
    shared = Destination("D-1", contacts=(("P-1", "C-1"), ("P-2", "C-2")))
    assert hear(shared, "stop") == ["ReplyToText", "StopTexts", "StopTexts"]
    stopped = when(shared, HearText(destination_id="D-1", word="stop")).state
    assert hear(stopped, "stop") == []
    assert hear(stopped, "help") == ["ReplyToText"]
    assert hear(stopped, "start") == ["ReplyToText", "StartTexts", "StartTexts"]
    assert hear(shared, "start") == []


def test_numbers_are_kept_in_one_spelling_and_shown_by_their_end() -> None:
    assert normalise("text", "(202) 555-0123") == normalise("text", "+1 202.555.0123") == "+12025550123"
    assert mask("text", "+12025550123") == "•••• 0123"
    assert mask("email", "ana@mail.example") == "a••••@mail.example"


@given(st.text(max_size=40))
def test_no_text_is_taken_for_an_address_without_being_one(typed: str) -> None:
    for channel in ("email", "text"):
        try:
            address = normalise(channel, typed)
        except AddressError:
            continue
        assert normalise(channel, address) == address
