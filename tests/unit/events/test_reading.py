"""What a reader takes, what it refuses, and what it says about it."""

import json
import traceback
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events.billing import BillingFact, ChargePosted
from shared.events.envelope import (
    Command,
    Data,
    InvalidDataError,
    Message,
    Outcome,
    Reader,
    UnknownTypeError,
    UnreadableError,
    envelope,
    message_of,
    write,
    write_event,
)
from shared.events.inbox import SendMessage
from shared.events.insurance import AddCoverage, RequestChange
from shared.events.payments import CommandRefused, PaymentsCommand, PaymentsEvent, SubmitPayment
from shared.events.publishing import FOLDER, MESSAGES

CARD = "4111111111111111"

READER = Reader(*get_args(PaymentsCommand | BillingFact))
"""What payments reads."""


def sample(cls: type[Data]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((FOLDER / "samples" / f"{cls.TYPE}.json").read_text())
    return told


def payment(**data: Any) -> bytes:
    told = sample(SubmitPayment)
    return json.dumps({**told, "data": {**told["data"], **data}}).encode()


def faults(raw: bytes, reader: Reader = READER) -> tuple[str, ...]:
    with pytest.raises(InvalidDataError) as caught:
        reader.read(raw)
    return caught.value.fields


def fault(raw: bytes) -> ValueError:
    with pytest.raises((UnreadableError, UnknownTypeError, InvalidDataError)) as caught:
        READER.read(raw)
    return caught.value


def test_a_payment_is_read_as_what_it_is() -> None:
    message = READER.read(payment())
    assert isinstance(message.data, SubmitPayment)
    assert message.data.allocation is not None
    assert sum(share.amount_minor for share in message.data.allocation) == message.data.amount_minor
    assert message.correlation == message.id


@pytest.mark.parametrize("amount", ["12", 12.0, True, None, 10**12 + 1, -(10**12) - 1, [12]])
def test_what_is_no_whole_number_within_bounds_is_no_amount(amount: object) -> None:
    assert faults(payment(amount_minor=amount)) == ("data.amount_minor",)


@pytest.mark.parametrize("amount", [0, -1, 10**12])
def test_whether_an_amount_makes_sense_is_for_the_rules_to_say(amount: int) -> None:
    message = READER.read(payment(amount_minor=amount))
    assert isinstance(message.data, SubmitPayment)
    assert message.data.amount_minor == amount


@pytest.mark.parametrize("currency", ["usd", "US", "USDX", "", "U D", "USD\n"])
def test_a_currency_is_three_capitals(currency: str) -> None:
    assert faults(payment(currency=currency)) == ("data.currency",)


@pytest.mark.parametrize("payment_id", ["", "a\x00b", "a\nb", "x" * 129, 7])
def test_an_id_is_a_short_line(payment_id: object) -> None:
    assert faults(payment(payment_id=payment_id)) == ("data.payment_id",)


def test_a_text_of_several_lines_takes_newlines_and_tabs_but_no_other_control_character() -> None:
    reader, told = Reader(SendMessage), sample(SendMessage)
    for body in ("a\nb\tc\r\n", "é 🙂"):
        raw = json.dumps({**told, "data": {**told["data"], "body": body}}).encode()
        assert getattr(reader.read(raw).data, "body") == body  # noqa: B009  # the reader promises only Data
    for body in ("a\x00b", "a\x1bb", "", "x" * 20_001):
        raw = json.dumps({**told, "data": {**told["data"], "body": body}}).encode()
        assert faults(raw, reader) == ("data.body",)


def test_a_category_that_nobody_knows_is_read_for_the_inbox_to_refuse_it() -> None:
    told = sample(SendMessage)
    raw = json.dumps({**told, "data": {**told["data"], "category": "no such thing"}}).encode()
    assert Reader(SendMessage).read(raw).type == SendMessage.TYPE


def test_a_list_is_no_longer_than_its_bound() -> None:
    share = {"visit_account_number": "V-1", "amount_minor": 1}
    assert READER.read(payment(allocation=[share] * 500))
    assert faults(payment(allocation=[share] * 501)) == ("data.allocation",)


def test_a_fault_within_a_list_is_named_by_its_place() -> None:
    shares = [{"visit_account_number": "V-1", "amount_minor": 1}, {"amount_minor": "1"}]
    assert faults(payment(allocation=shares)) == (
        "data.allocation.1.visit_account_number",
        "data.allocation.1.amount_minor",
    )


def test_at_most_twenty_faults_are_named() -> None:
    assert len(faults(payment(allocation=[{}] * 100))) == 20


@pytest.mark.parametrize(
    "day",
    [
        *("2026-02-29", "2026-2-9", "20260209", 20260209, "2026-02-09T00:00:00Z", "2026-02-09\n"),
        *("0", "00000000", "19723", "1767225600", "1767225600000"),
    ],
)
def test_a_date_is_a_day_that_there_is_in_one_way_of_writing(day: object) -> None:
    told = sample(ChargePosted)
    raw = json.dumps({**told, "data": {**told["data"], "service_date": day}}).encode()
    assert faults(raw) == ("data.service_date",)


@pytest.mark.parametrize(
    "time",
    [
        *("2026-03-02T14:05:00", "2026-03-02", 1_772_460_300, "0001-01-01T00:00:00+14:00", "2200-01-01T00:00:00Z"),
        *("0", "-1", "20260302", "202603021405", "1772460300", "1772460300000", "1772460300.5"),
    ],
)
def test_a_time_has_a_zone_and_is_not_at_the_ends_of_the_calendar(time: object) -> None:
    with pytest.raises(UnreadableError, match=r"^no envelope: time$"):
        READER.read(json.dumps({**sample(SubmitPayment), "time": time}).encode())


@pytest.mark.parametrize(
    "time",
    [
        *(
            "2026-03-02T14:05:00Z",
            "2026-03-02t14:05:00z",
            "2026-03-02T14:05:00-00:00",
            "2026-03-02T14:05:00.0+00:00",
        ),
        *("2026-03-02T19:35:00+05:30", "2026-03-01T14:06:00-23:59", "2026-03-02T14:05:00.000000999Z"),
    ],
)
def test_a_time_is_read_in_any_way_of_rfc_3339_to_the_microsecond(time: str) -> None:
    message = READER.read(json.dumps({**sample(SubmitPayment), "time": time}).encode())
    assert message.time == datetime(2026, 3, 2, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "actor", ["patient", "patient:", "patient:a b", "doctor:1", "guest:1", "", "host:" + "x" * 121]
)
def test_an_actor_is_one_of_the_six_kinds(actor: str) -> None:
    with pytest.raises(UnreadableError, match=r"^no envelope: actor$"):
        READER.read(json.dumps({**sample(SubmitPayment), "actor": actor}).encode())


def test_fields_that_a_newer_writer_adds_are_passed_over() -> None:
    told = sample(SubmitPayment)
    told["data"]["method"]["wallet"] = {"kind": "new"}
    raw = json.dumps({**told, "dataschema": "x", "data": {**told["data"], "tip_minor": 5}}).encode()
    message = READER.read(raw)
    assert b"tip_minor" not in write(message)
    assert b"wallet" not in write(message)


@pytest.mark.parametrize("attribute", ["specversion", "id", "source", "type", "time", "subject", "actor"])
@pytest.mark.parametrize("reader", [READER, Reader(SubmitPayment)], ids=["one of many", "one alone"])
def test_without_one_of_its_attributes_it_is_no_envelope(reader: Reader, attribute: str) -> None:
    told = sample(SubmitPayment)
    del told[attribute]
    with pytest.raises(UnreadableError, match=f"^no envelope: {attribute}$"):
        reader.read(json.dumps(told).encode())


@pytest.mark.parametrize("raw", [b"", b"\xff", b"\x00", b"[]", b"null", b"{", b"[" * 5000, b'{"a":"\\ud800"}'])
def test_what_is_no_object_in_json_is_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableError):
        READER.read(raw)


def test_half_a_character_in_the_data_leaves_the_envelope_to_answer_to() -> None:
    raw = payment(payment_id="a cut emoji: HALF").replace(b"HALF", rb"\ud83d")
    with pytest.raises(InvalidDataError) as caught:
        READER.read(raw)
    assert caught.value.header.id == sample(SubmitPayment)["id"]
    header = READER.header(raw)
    assert header is not None
    assert header.subject == sample(SubmitPayment)["subject"]
    with pytest.raises(UnreadableError):
        READER.read(json.dumps({**sample(SubmitPayment), "subject": "\ud83d"}).encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_a_message_in_any_encoding_but_utf_8_is_unreadable(encoding: str) -> None:
    raw = payment().decode().encode(encoding)
    with pytest.raises(UnreadableError):
        READER.read(raw)
    assert READER.header(raw) is None


def test_a_byte_order_mark_leaves_the_envelope_to_answer_to() -> None:
    assert faults(b"\xef\xbb\xbf" + payment()) == ("json",)


def test_another_version_of_the_envelope_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match=r"^no envelope: specversion$"):
        READER.read(json.dumps({**sample(SubmitPayment), "specversion": "2.0"}).encode())


def test_a_type_that_is_not_read_here_is_told_with_its_envelope() -> None:
    with pytest.raises(UnknownTypeError) as caught:
        READER.read(json.dumps({**sample(SubmitPayment), "type": "payments.submit-payment.v2"}).encode())
    assert caught.value.header.type == "payments.submit-payment.v2"


def test_data_that_is_not_valid_leaves_the_envelope_to_answer_to() -> None:
    with pytest.raises(InvalidDataError) as caught:
        READER.read(payment(amount_minor="12"))
    assert caught.value.header.id == sample(SubmitPayment)["id"]
    assert issubclass(READER.classes[caught.value.header.type], Command)


def test_absent_data_is_named() -> None:
    told = sample(SubmitPayment)
    del told["data"]
    assert faults(json.dumps(told).encode()) == ("data",)


@pytest.mark.parametrize(
    "data",
    [
        {"payment_id": CARD * 9},
        {"amount_minor": CARD},
        {"currency": CARD},
        {"method": CARD},
        {"method": {"kind": CARD, "token": f"{CARD} ", "last4": CARD, "brand": CARD * 9}},
        {"allocation": [{CARD: CARD}]},
        {CARD: 1, "account_number": None},
    ],
)
def test_no_fault_repeats_what_was_sent(data: dict[str, Any]) -> None:
    error = fault(payment(**data))
    assert CARD not in "".join(traceback.format_exception(error))
    assert CARD not in repr(vars(error))


@pytest.mark.parametrize("attribute", ["id", "source", "type", "time", "subject", "actor", "outcome"])
def test_no_fault_of_the_envelope_repeats_what_was_sent(attribute: str) -> None:
    error = fault(json.dumps({**sample(SubmitPayment), attribute: [CARD]}).encode())
    assert CARD not in "".join(traceback.format_exception(error))
    assert error.__context__ is None


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("told", [CARD, "", "zzz", TRACE.upper(), f"{TRACE}-{'0' * 60}", 5, [CARD], None])
def test_a_trace_that_is_malformed_is_left_out_and_costs_nobody_a_message(told: object) -> None:
    sound, faulty = (json.loads(payment(**data)) for data in ({}, {"amount_minor": "12"}))
    assert READER.read(json.dumps(sound | {"traceparent": TRACE}).encode()).traceparent == TRACE
    assert READER.read(json.dumps(sound | {"traceparent": told}).encode()).traceparent is None
    error = fault(json.dumps(faulty | {"traceparent": told}).encode())
    assert isinstance(error, InvalidDataError)
    assert error.header.traceparent is None


@pytest.mark.parametrize("told", ["", "x" * 129, 5, [CARD]])
def test_a_malformed_chain_is_named_as_the_fault_and_the_command_can_be_answered(told: object) -> None:
    sound: dict[str, Any] = json.loads(payment())
    error = fault(json.dumps(sound | {"correlationid": told}).encode())
    assert isinstance(error, InvalidDataError)
    assert (error.fields, error.header.correlationid) == (("correlationid",), None)


def test_a_mistake_of_our_own_does_not_show_what_was_said_either() -> None:
    with pytest.raises(ValueError, match="last4") as caught:
        SubmitPayment.model_validate({"payment_id": CARD * 9, "method": {"kind": "card", "last4": CARD}})
    assert CARD not in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.sampled_from(
        [("data",), ("data", "method"), ("data", "amount_minor"), ("data", "allocation"), ("type",), ()]
    ),
)
def test_whatever_comes_is_a_message_or_one_of_the_three_faults(junk: Any, path: tuple[str, ...]) -> None:
    told: Any = sample(SubmitPayment)
    if path:
        inner = told
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = junk
    else:
        told = junk
    try:
        message = READER.read(json.dumps(told).encode())
    except (UnreadableError, UnknownTypeError, InvalidDataError):
        return
    assert isinstance(message.data, SubmitPayment)


@given(st.binary())
def test_any_bytes_are_no_message(raw: bytes) -> None:
    with pytest.raises(UnreadableError):
        READER.read(raw)


def test_what_is_absent_is_not_written() -> None:
    told = sample(SubmitPayment)
    del told["data"]["allocation"], told["traceparent"]
    written = write(READER.read(json.dumps(told).encode()))
    assert json.loads(written) == told


@pytest.mark.parametrize("outcome", [None, "done", "refused"])
@pytest.mark.parametrize("traceparent", [None, TRACE])
@pytest.mark.parametrize("correlationid", [None, "the first"])
@pytest.mark.parametrize("chain", [None, "another"])
def test_what_a_service_says_is_written_as_any_message_is(
    outcome: Outcome | None, traceparent: str | None, correlationid: str | None, chain: str | None
) -> None:
    told = {**sample(SubmitPayment), "id": 'a "quoted" \\ id é', "correlationid": correlationid}
    cause = READER.read(json.dumps(told).encode())
    data = CommandRefused(command_type=cause.type, reason="not_found", detail='"é"')
    subject, source, time = "G-1 🙂", "service:payments", "2026-03-02T14:05:00+00:00"
    written = write_event("id 1", source, time, subject, cause, traceparent, outcome, chain, data)
    message = Reader(CommandRefused).read(written)
    assert message == message_of(
        data,
        id="id 1",
        source=source,
        time=datetime.fromisoformat(time),
        subject=subject,
        actor=cause.actor,
        causationid=cause.id,
        correlationid=chain or correlationid or cause.id,
        outcome=outcome,
        traceparent=traceparent,
    )


def test_a_message_and_what_it_says_cannot_be_changed() -> None:
    message = READER.read(payment())
    with pytest.raises(ValueError, match="frozen"):
        message.subject = "G-2"
    with pytest.raises(ValueError, match="frozen"):
        getattr(message.data, "method").token = "tok_other"  # noqa: B009  # the reader promises only Data


def test_a_reason_that_is_newer_than_the_reader_is_read_all_the_same() -> None:
    told = sample(CommandRefused)
    told["data"]["reason"] = "never_heard_of"
    message = Reader(*get_args(PaymentsEvent)).read(json.dumps(told).encode())
    assert isinstance(message.data, CommandRefused)
    assert str(message.data.reason) == "never_heard_of"


def test_a_change_of_a_coverage_is_only_what_the_patient_gave() -> None:
    message = Reader(RequestChange, AddCoverage).read(json.dumps(sample(RequestChange)).encode())
    assert isinstance(message.data, RequestChange)
    given_fields = message.data.changes.model_dump(exclude_none=True)
    assert set(given_fields) == {"member_id", "group_number", "subscriber"}
    assert given_fields["group_number"] == ""


def test_types_are_named_for_their_owner_and_major_version() -> None:
    for name, cls in MESSAGES.items():
        owner, kebab, version = name.split(".")
        assert version == "v1"
        assert cls.__name__ == "".join(word.capitalize() for word in kebab.split("-"))
        said: type[Message[Data]] = envelope(cls)
        assert get_args(said.model_fields["type"].annotation) == (name,)
        assert owner in {"billing", "registration", "scheduling", "portal"} or cls.__module__.split(".")[-1] in {
            owner,
            "plans",
        }
