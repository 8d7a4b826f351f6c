"""What looks like a card number in a command, and what does not."""

import itertools
import json
import uuid
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.card_digits import Found, card_number_in
from services.payments.handlers import screen
from shared.events.topics import SERVICES
from shared.messaging.records import Reading, Unread
from tests.unit.messaging.given import record
from tests.unit.payments.story import message, submit

CARD = "4111111111111111"


def holds_card_number(raw: bytes) -> bool:
    return card_number_in(raw) is not Found.NOWHERE


def command(**data: Any) -> bytes:
    return json.dumps({"specversion": "1.0", "subject": "G-1", "data": data}).encode()


@pytest.mark.parametrize(
    "number",
    [
        "4222222222222",
        "378282246310005",
        "30569309025904",
        "5555555555554444",
        "2223003122003222",
        "6011111111111117",
        "6200000000000000000",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "3782 822463 10005",
        "4111\u00a01111\u00a01111\u00a01111",
        "4111\u20131111\u20131111\u20131111",
        "4111 - 1111 - 1111 - 1111",
        "4111\n1111\t1111 1111",
        "\uff14\uff11\uff11\uff11111111111111",
        "my card is 4111 1111 1111 1111 12/26",
        "valid 2026 4111 1111 1111 1111 123",
        "tok_4111111111111111",
        "(4111111111111111)",
        "card4111111111111111",
        "F4111111111111111",
        "4111111111111111exp1230",
        "4111111111111111f",
        "face4111111111111111",
        "4111.1111.1111.1111",
        "4111/1111/1111/1111",
        "4111_1111_1111_1111",
        "4111, 1111, 1111, 1111",
        "4111\u200b1111\u200b1111\u200b1111",
        "4111\u22121111\u22121111\u22121111",
        "pay-20261123-4111111111111111",
        "41111115-1111-4111-8111-411111111111-4111111111111111",
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_card_number_is_found_however_it_is_written(number: str, ascii_only: bool) -> None:
    assert holds_card_number(json.dumps({"data": {"note": number}}, ensure_ascii=ascii_only).encode())


@pytest.mark.parametrize(
    "data",
    [
        {"token": CARD},
        {"never_heard_of": CARD},
        {"deep": [{"deeper": [[CARD]]}]},
        {"number": int(CARD)},
        {"number": float(CARD)},
        {"list": [1, CARD]},
        {CARD: 1},
    ],
)
def test_a_card_number_is_found_in_any_field(data: dict[str, Any]) -> None:
    assert holds_card_number(command(**data))


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",
        "1234567890123452",
        "9111111111111111",
        "411111111111",
        "41111111111111111111111111111111",
        "411111111111-1",
        "41111115-1111-4111-8111-411111111111",
        "a4111111111111111bcdef0123456789",
        "2026112308301742",
        "1998-4111-1111-1117",
        "41111111111116",
    ],
    ids=[
        "check digit",
        "begins with 1",
        "begins with 9",
        "too short",
        "too long",
        "wrong groups",
        "uuid",
        "hexadecimal",
        "date",
        "year",
        "no length of its issuer",
    ],
)
def test_what_only_resembles_a_card_number_is_none(text: str) -> None:
    assert not holds_card_number(command(note=text))


@given(st.uuids(version=4), st.uuids())
def test_uuids_are_never_card_numbers(one: uuid.UUID, other: uuid.UUID) -> None:
    assert not holds_card_number(command(payment_id=str(one), account_number=other.hex, note=f"pay-{other}"))


ISSUED = st.one_of(
    st.tuples(st.just("4"), st.sampled_from([13, 16, 19])),
    st.tuples(st.integers(51, 55).map(str), st.just(16)),
    st.tuples(st.integers(2221, 2720).map(str), st.just(16)),
    st.tuples(st.integers(2200, 2204).map(str), st.integers(16, 19)),
    st.tuples(st.sampled_from(["34", "37"]), st.just(15)),
    st.tuples(st.sampled_from(["30", "35", "36", "38", "39"]), st.integers(14, 19)),
    st.tuples(st.sampled_from(["50", "56", "58", "60", "62", "65"]), st.integers(13, 19)),
)


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    """Return a number that an issuer may give out, with its check digit."""
    first, length = draw(ISSUED)
    rest = draw(st.text("0123456789", min_size=length - 1 - len(first), max_size=length - 1 - len(first)))
    found: str = next(number for last in "0123456789" if checks(number := first + rest + last))
    return found


def checks(number: str) -> bool:
    folded = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(number))]
    return sum(digit - 9 if digit > 9 else digit for digit in folded) % 10 == 0


@given(
    card_numbers(),
    st.lists(st.integers(1, 18), max_size=5),
    st.sampled_from([" ", "-", ".", "/", "_", ", ", "\u2009", "\u2011", "\u200b", " - "]),
    st.sampled_from(["", "visa", "d", "tok_", "no. ", "\u017e"]),
    st.sampled_from(["", "exp1230", "f", " 12/26", "\u0142"]),
)
def test_any_card_number_is_found_however_it_is_grouped_and_whatever_stands_beside_it(
    number: str, cuts: list[int], between: str, before: str, after: str
) -> None:
    places = sorted({0, *(cut for cut in cuts if cut < len(number)), len(number)})
    grouped = between.join(number[start:end] for start, end in itertools.pairwise(places))

    assert holds_card_number(command(note=f"{before}{grouped}{after}"))


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)),  # noqa: DTZ001  # as people write them
    st.sampled_from(["%Y%m%d-%H%M%S", "%Y%m%d%H%M%S", "%Y-%m-%d-%H%M%S", "%Y%m%d_%H%M%S", "%Y%m%dT%H%M%SZ"]),
    st.text("0123456789", max_size=4),
    st.sampled_from(["", "pay-", "inv_", "p"]),
)
def test_ids_that_begin_with_a_date_are_no_card_numbers(at: datetime, shape: str, count: str, before: str) -> None:
    assert not holds_card_number(command(payment_id=f"{before}{at.strftime(shape)}-{count}"))


def test_of_a_name_that_comes_twice_both_values_are_looked_at() -> None:
    first = f'{{"subject": "G-1", "data": {{"note": "{CARD}"}}, "data": {{"note": "none"}}}}'

    assert card_number_in(first.encode()) is Found.ELSEWHERE
    assert card_number_in(f'{{"id": "{CARD}", "id": "m-1"}}'.encode()) is Found.WHERE_ANSWERS_REPEAT_IT


@pytest.mark.parametrize("attribute", ["id", "subject", "correlationid"])
def test_a_card_number_that_an_answer_would_repeat_is_buried_and_not_refused(attribute: str) -> None:
    fault = screen(json.dumps({attribute: CARD, "data": {}}).encode())

    assert fault is not None
    assert (fault.reason, fault.refusable) == ("card_number_refused", False)


@pytest.mark.parametrize("attribute", ["source", "comment", "time"])
def test_a_card_number_in_any_other_attribute_is_refused(attribute: str) -> None:
    fault = screen(json.dumps({attribute: CARD, "data": {}}).encode())

    assert fault is not None
    assert (fault.reason, fault.refusable) == ("card_number_refused", True)


def test_times_and_traces_hold_no_card_number() -> None:
    trace = "00-41111111111111114111111111111111-4111111111111111-01"
    raw = {"time": "2026-11-22T05:40:26.411111+00:00", "traceparent": trace, "data": {"a": 4111111111111112}}

    assert not holds_card_number(json.dumps(raw).encode())


@pytest.mark.parametrize(
    "raw",
    [
        b"my card is 4111111111111111",
        b'{"data": {"note": "4111111111111111"',
        b'["4111 1111 1111 1111"]',
        b'{"data": ' + b"[" * 100_000 + b"4111111111111111",
        b"\xff\xfe 4111111111111111",
    ],
)
def test_what_is_no_message_is_looked_through_as_a_whole(raw: bytes) -> None:
    assert holds_card_number(raw)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("number", [CARD, "4111 1111 1111 1111", "4111\u20131111\u20131111\u20131111"])
@pytest.mark.parametrize("told", ['{{"id": "{}"}}', '{{"data": {{"note": "{}"}}}}', "my card is {}"])
def test_an_encoding_of_more_bytes_a_character_hides_no_card_number(encoding: str, number: str, told: str) -> None:
    assert holds_card_number(told.format(number).encode(encoding))


@pytest.mark.parametrize(
    "raw", [b"4\x001\x00" + b"1\x00" * 14, b'{"data": {"note": "4' + b"\\u00001" * 15 + b'"}}']
)
def test_nor_do_nuls_between_its_digits(raw: bytes) -> None:
    assert holds_card_number(raw)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("attribute", ["id", "note"])
def test_of_a_command_in_such_an_encoding_no_digits_are_kept(encoding: str, attribute: str) -> None:
    told = message(submit()).model_dump(mode="json")
    told[attribute] = CARD
    service = SERVICES["payments"]
    topic = next(heard.topic.name for heard in service.reads if "commands" in heard.topic.name)

    arrival = Reading(service, screen).read(record(json.dumps(told).encode(encoding), topic))

    assert arrival.record.value is None
    assert isinstance(arrival.read, Unread)
    assert arrival.read.fault.reason == "card_number_refused"


def test_a_usual_command_passes_and_a_fault_repeats_no_digits() -> None:
    raw = message(submit()).model_dump_json().encode()
    assert screen(raw) is None

    fault = screen(command(note=CARD))
    assert fault is not None
    assert fault.reason == "card_number_refused"
    assert not any(digit in fault.detail for digit in "0123456789")
