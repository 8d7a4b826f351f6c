"""What the tables hold as text is read as what it stands for, and written as it always was."""

from dataclasses import replace
from datetime import date

from services.inbox.domain.patient import Patient
from services.inbox.rows import (
    ITEM,
    MESSAGE,
    item_row,
    message_row,
    registered_row,
    to_item,
    to_message,
    to_registered,
)
from shared.events.vocabulary import About
from tests.unit.inbox.story import item_of, patient, send, when


def test_an_item_is_kept_with_its_ids_as_json_and_its_urgent_words_a_line_each() -> None:
    sent = when(patient(), send(about=About(account_number="G-1"), body="I have chest pain and cannot breathe"))
    item = item_of(sent)
    kept = dict(zip(ITEM, item_row(item), strict=True))

    assert kept["about"] == '{"account_number":"G-1"}'
    assert kept["urgent_words"] == "\n".join(item.urgent_words)
    assert len(item.urgent_words) > 1
    for one in (item, replace(item, about=About(), urgent_words=())):
        # As it is read by lists, with columns of others behind.
        assert to_item((*item_row(one), "Ana", "Ruiz")) == one


def test_a_message_is_kept_with_what_it_is_about_if_anything() -> None:
    for about, kept in ((About(coverage_id="COV-1"), '{"coverage_id":"COV-1"}'), (None, None)):
        sent = when(patient(), send(about=about)).state
        assert isinstance(sent, Patient)
        (message,) = sent.written
        assert dict(zip(MESSAGE, message_row(message), strict=True))["about"] == kept
        assert to_message(message_row(message)) == message


def test_a_patient_is_kept_with_the_date_of_birth_as_it_is_written() -> None:
    registered = patient().registered
    assert registered is not None
    assert registered.birth_date == date(1980, 2, 3)
    row = ("PT-1", *registered_row(registered))
    assert "1980-02-03" in row
    assert to_registered(row) == registered
