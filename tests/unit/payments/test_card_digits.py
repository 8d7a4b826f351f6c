"""What looks like a card number in a command, and what does not."""

import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.card_digits import Found, card_number_in
from services.payments.handlers import screen
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
        "4111.1111.1111.1111",
        "a4111111111111111",
        "4111111111111111f",
        "411111111111-1",
        "41111115-1111-4111-8111-411111111111",
    ],
    ids=[
        "check digit",
        "begins with 1",
        "begins with 9",
        "too short",
        "too long",
        "points",
        "hexadecimal",
        "hexadecimal, too",
        "wrong groups",
        "uuid",
    ],
)
def test_what_only_resembles_a_card_number_is_none(text: str) -> None:
    assert not holds_card_number(command(note=text))


@given(st.uuids(version=4), st.uuids())
def test_uuids_are_never_card_numbers(one: uuid.UUID, other: uuid.UUID) -> None:
    assert not holds_card_number(command(payment_id=str(one), account_number=other.hex, note=f"pay-{other}"))


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


def test_a_usual_command_passes_and_a_fault_repeats_no_digits() -> None:
    raw = message(submit()).model_dump_json().encode()
    assert screen(raw) is None

    fault = screen(command(note=CARD))
    assert fault is not None
    assert fault.reason == "card_number_refused"
    assert not any(digit in fault.detail for digit in "0123456789")
