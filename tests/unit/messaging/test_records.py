"""A record is read alone, told by what is at fault with it, and kept to the byte."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.events.envelope import MESSAGE_BYTES_MAX
from shared.events.topics import SERVICES
from shared.messaging.dead_letters import letter_id
from shared.messaging.records import (
    STAND_IN,
    Owed,
    Reading,
    Understood,
    Unread,
    identity_of,
    record_from_json,
    record_json,
)
from tests.unit.messaging.given import COMMANDS, VISITS, arrivals, ended, leave, message, record

BYTES = some.none() | some.binary(max_size=50)


@given(key=BYTES, value=BYTES, headers=some.lists(some.tuples(some.text(max_size=9), BYTES), max_size=3))
def test_a_record_is_kept_to_the_byte(key: bytes | None, value: bytes | None, headers: list[Any]) -> None:
    came = record(value, offset=7, key=key, headers=headers, timestamp=1_700_000_000_000)
    kept = record_from_json(json.dumps(record_json(came)).encode())
    assert kept == came


def test_what_is_kept_is_read_again_as_it_came() -> None:
    reading = Reading(SERVICES["payments"], lambda _: None)
    came = record(b"poison", topic="payments.commands.v1")
    assert reading.read(record_from_json(json.dumps(record_json(came)))).read == reading.read(came).read


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "unreadable"),
        (b"null", "unreadable"),
        (b"[1, 2", "unreadable"),
        (b"\xff\xfe", "unreadable"),
        (b'{"specversion": "1.0"}', "unreadable"),
        (leave("m-1").replace(b'"specversion": "1.0", ', b""), "unreadable"),
        (leave("m-1").replace(b"test", b"a" * 129), "unreadable"),
        (message("m-1", "feedback.no-such.v1", "visit-1", {}), "unknown_type"),
        (leave("m-1", stars=9), "invalid_data"),
        (leave("m-1", comment="x" * 1001), "invalid_data"),
        (leave("m-1", padding="x" * MESSAGE_BYTES_MAX), "too_large"),
        (b"x" * (MESSAGE_BYTES_MAX + 1), "too_large"),
    ],
)
def test_what_is_no_message_has_a_fault_that_quotes_nothing(value: bytes, reason: str) -> None:
    (arrival,) = arrivals(value)
    assert isinstance(arrival.read, Owed | Unread)
    assert arrival.read.fault.reason == reason
    assert "xxx" not in arrival.read.fault.detail


def test_a_message_of_the_largest_size_is_read() -> None:
    room = MESSAGE_BYTES_MAX - len(leave("m-1", padding=""))
    (arrival,) = arrivals(leave("m-1", padding="x" * room))
    assert isinstance(arrival.read, Understood)


def test_a_command_at_fault_is_owed_an_answer_under_its_own_identity() -> None:
    (good,), (bad,), (large,) = (
        arrivals(leave("m-1", **data)) for data in ({}, {"stars": 9}, {"padding": "x" * MESSAGE_BYTES_MAX})
    )
    assert good.identity == bad.identity == large.identity == identity_of("test", "m-1")
    assert isinstance(bad.read, Owed)
    assert isinstance(large.read, Owed)
    assert good.key == bad.key == large.key == "visit-1"


def test_a_null_value_is_told_from_a_record_that_the_client_cannot_read() -> None:
    reading = Reading(SERVICES["payments"], lambda _: None)
    found = [reading.read(record(None, timestamp=at)).read for at in (1, STAND_IN)]
    assert [isinstance(one, Unread) and one.fault.reason for one in found] == ["null_value", "unreadable_header"]


def test_a_known_type_that_is_not_heeded_is_neither_message_nor_fault() -> None:
    # Insurance hears of appointments, and not of documents, on the same topic.
    requested = {"request_id": "r-1", "patient_id": "p-1", "provider_id": "d-1", "affiliate": "a", "what": "x-ray"}
    value = message("m-1", "scheduling.document-requested.v1", "p-1", requested)
    arrival = Reading(SERVICES["insurance"], lambda _: None).read(record(value, topic="host.scheduling.v1"))
    assert (arrival.read, arrival.identity) == (None, None)


def test_a_message_on_a_topic_that_does_not_carry_it_is_of_an_unknown_type() -> None:
    (arrival,) = arrivals(leave("m-1"), topic=VISITS)
    assert isinstance(arrival.read, Unread)
    assert arrival.read.fault.reason == "unknown_type"


@pytest.mark.parametrize(("key", "text"), [(None, ""), (b"\xff", "\ufffd"), (b"a\x00b", "a\ufffdb")])
def test_a_key_that_is_no_text_for_a_database_becomes_one(key: bytes | None, text: str) -> None:
    reading = Reading(SERVICES["payments"], lambda _: None)
    assert reading.read(record(b"poison", topic="payments.commands.v1", key=key)).key == text


def test_a_lane_is_a_key_on_a_topic() -> None:
    (command,), (other,), (fact,) = (
        arrivals(leave("m-1")),
        arrivals(leave("m-2", "visit-2")),
        arrivals(ended("m-3"), topic=VISITS),
    )
    assert command.lane == f"{COMMANDS}/visit-1"
    assert len({command.lane, other.lane, fact.lane}) == 3


def test_the_screen_looks_at_commands_only_and_before_everything_else() -> None:
    seen: list[bytes] = []
    reading = Reading(SERVICES["payments"], seen.append)
    reading.read(record(b"command", topic="payments.commands.v1"))
    reading.read(record(b"fact", topic="host.billing.v1"))
    assert seen == [b"visit-1", b"command"]


def test_a_dead_letter_has_the_same_id_whenever_its_record_dies_and_no_other() -> None:
    places = [record(b"x"), record(b"x", offset=1), record(b"x", partition=1), record(b"x", timestamp=2)]
    assert len({letter_id("feedback", place) for place in places}) == len(places)
    assert letter_id("feedback", places[0]) == letter_id("feedback", record(b"y"))
    assert letter_id("feedback", places[0]) != letter_id("payments", places[0])


def test_texts_and_their_borders_make_the_identity() -> None:
    assert len({identity_of("a", "bc"), identity_of("ab", "c"), identity_of("abc", "")}) == 3
    assert len(identity_of("a", "b")) == 16
