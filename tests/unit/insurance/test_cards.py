"""What a card says, from lines of text as a reader gives them: misread letters, lost spaces, turned pictures."""

from math import cos, radians, sin
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.insurance.domain.card import CardFields, Suggestion, read_card
from services.insurance.domain.card.layout import Line, Point
from services.insurance.domain.card.values import LOOKALIKES
from services.insurance.handlers import DIRECTORY


def line(text: str, x: float = 0, y: float = 0, height: float = 30, sure: float = 0.99) -> Line:
    right, low = x + len(text) * height * 0.5, y + height
    corners = (Point(x, y), Point(right, y), Point(right, low), Point(x, low))
    return Line(text, (sure,) * len(text), corners)


STACKED = [
    line("Harbor Mutual", 37, 38, 42),
    line("Gold PPO 2500", 697, 44),
    line("Subscriber Name", 37, 150, 25),
    line("Plan", 556, 150, 28),
    line("MARIA O SOLIZ", 38, 184, 28),
    line("Gold PPO 2500", 556, 181, 32),
    line("Member ID", 37, 252, 23),
    line("RxBIN: 6I0O14", 559, 265, 26),
    line("HMI80S5B1Z2", 37, 282),
    line("RxPCN: HMCOMM", 559, 310, 26),
    line("Group No.", 36, 349, 28),
    line("RxGRP: RX4417", 558, 355, 26),
    line("G-0451-7", 36, 383, 31),
    line("Effective 01/01/2026", 557, 402, 26),
    line("PCP $25 Specialist $50 ER $250 Urgent Care $75", 36, 480, 32),
    line("Customer Service: 1-800-555-0142", 38, 564, 26),
]
IN_LINES = [
    line("SANDB0X HEALTHPLAN", 40, 30, 50),
    line("Name:JORDAN A LEE", 40, 120),
    line("MemberlD: SHP-0012-3456", 40, 170),
    line("Group: 70912 Effective: 01/01/2026", 40, 220),
    line("Silver HMO", 40, 270),
    line("RxBIN 004336RxPCN ADV RxGRP RX12", 40, 320),
    line("Payer ID: 98765", 40, 370),
    line("Member Services 1-800-555-0199", 40, 420),
]
A_TABLE = [
    line("Bluebonnet Life", 40, 30, 60),
    line("Member: LEE, JORDAN A", 40, 120),
    line("ID#", 40, 170),
    line("W2345 67890", 120, 170),
    line("GRP #", 500, 170),
    line("0065-0001", 620, 170),
    line("RX BIN RX PCN RX GRP", 40, 260),
    line("012345 ABCD RXXYZ", 40, 300),
    line("This card is no proof of coverage. Group health plan of your employer.", 40, 500, 18),
]


def told(fields: CardFields) -> dict[str, str]:
    """Return the values alone."""
    found = {name: one.value for name, one in fields if isinstance(one, Suggestion)}
    if fields.subscriber is not None:
        found["first"], found["last"] = fields.subscriber.first_name.value, fields.subscriber.last_name.value
    return found


SAID = {
    "payer_id": "SANDBOX02",
    "payer_name": "Harbor Mutual",
    "plan_name": "Gold PPO 2500",
    "member_id": "HMI80S5B1Z2",
    "group_number": "G-0451-7",
    "first": "MARIA",
    "last": "SOLIZ",
    "rx_bin": "610014",
    "rx_pcn": "HMCOMM",
    "rx_group": "RX4417",
    "phone": "1-800-555-0142",
}


def test_values_are_found_below_and_after_their_labels() -> None:
    assert told(read_card([STACKED], DIRECTORY)) == SAID


def test_values_are_found_in_the_line_of_their_labels_though_letters_and_spaces_are_misread() -> None:
    assert told(read_card([IN_LINES], DIRECTORY)) == {
        "payer_id": "SANDBOX01",
        "payer_name": "Sandbox Health Plan",
        "plan_name": "Silver HMO",
        "member_id": "SHP-0012-3456",
        "group_number": "70912",
        "first": "JORDAN",
        "last": "LEE",
        "rx_bin": "004336",
        "rx_pcn": "ADV",
        "rx_group": "RX12",
        "phone": "1-800-555-0199",
    }


def test_values_are_found_beside_their_labels_and_under_the_head_of_a_table() -> None:
    assert told(read_card([A_TABLE], DIRECTORY)) == {
        "payer_name": "Bluebonnet Life",
        "member_id": "W2345 67890",
        "group_number": "0065-0001",
        "first": "JORDAN",
        "last": "LEE",
        "rx_bin": "012345",
        "rx_pcn": "ABCD",
        "rx_group": "RXXYZ",
    }


def test_the_last_word_of_a_name_is_no_label() -> None:
    lines = [line("Sandbox Health Plan", 40, 30, 50), line("Name:", 40, 130), line("LEE, JORDAN", 260, 130)]
    assert read_card([lines], DIRECTORY).plan_name is None


@settings(max_examples=60)
@given(degrees=some.floats(0, 360), scale=some.floats(0.2, 4), sideways=some.integers(-900, 900))
def test_a_card_says_the_same_whichever_way_it_lies(degrees: float, scale: float, sideways: int) -> None:
    c, s = scale * cos(radians(degrees)), scale * sin(radians(degrees))

    def turned(one: Line) -> Line:
        a, b, d, e = (Point(x * c - y * s + sideways, x * s + y * c) for x, y in one.corners)
        return one._replace(corners=(a, b, d, e))

    assert told(read_card([[turned(one) for one in STACKED]], DIRECTORY)) == SAID


def test_letters_and_digits_that_look_alike_are_marked_where_both_may_stand() -> None:
    found = read_card([STACKED], DIRECTORY)
    assert found.member_id is not None
    assert [found.member_id.value[n] for n in found.member_id.ambiguous] == list("I80S5B1Z2")
    assert found.plan_name is not None
    assert found.plan_name.ambiguous == ()
    # What was read as a letter among digits is shown as the digit that it must be, and marked.
    assert (found.rx_bin and found.rx_bin.ambiguous) == (1, 3)


def test_a_sign_that_the_reader_was_not_sure_of_is_marked_and_is_as_sure_as_the_value_is() -> None:
    seen = line("Member ID: K7743")
    seen = seen._replace(confidences=(*seen.confidences[:-2], 0.41, 0.97))
    found = read_card([[seen]], DIRECTORY).member_id
    assert found == Suggestion(value="K7743", confidence=0.41, ambiguous=(3,))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("MARIA O SOLIZ", "MARIA", "SOLIZ"),
        ("Ana Maria de la Cruz", "Ana Maria", "de la Cruz"),
        ("JOHN Q PUBLIC JR.", "JOHN", "PUBLIC"),
        ("O'NEIL, SEAN P", "SEAN", "O'NEIL"),
        ("J0RDAN LEE", "JORDAN", "LEE"),
    ],
)
def test_a_name_has_a_first_and_a_last_part(text: str, first: str, last: str) -> None:
    found = told(read_card([[line(f"Subscriber: {text}")]], DIRECTORY))
    assert (found["first"], found["last"]) == (first, last)


def test_of_two_sides_the_front_goes_first_and_the_back_adds_what_is_missing() -> None:
    front = [line("Member ID: A1234"), line("Lakeview", 0, 60, 90), line("Adults", 0, 200), line("12 34", 0, 260)]
    back = [line("Member ID: B9999"), line("Harbor Mutual Insurance", 0, 60), line("Phone 800-555-0100", 0, 120)]
    found = told(read_card([front, back], DIRECTORY))
    assert (found["member_id"], found["payer_id"], found["phone"]) == ("A1234", "SANDBOX02", "800-555-0100")


def test_a_payer_that_was_replaced_is_told_as_the_one_that_is_asked_today() -> None:
    found = told(read_card([[line("OLD HARB0R INSURANCE CO")]], DIRECTORY))
    assert (found["payer_id"], found["payer_name"]) == ("SANDBOX02", "Harbor Mutual")


@pytest.mark.parametrize(
    "text",
    [
        "Group health plan",
        "ID card",
        "Member services",
        "Plan year 2026",
        "Your plan",
        "Payer ID 12345",
        "No. 12",
        "",
    ],
)
def test_what_only_looks_like_a_label_says_nothing(text: str) -> None:
    assert told(read_card([[line(text)]], DIRECTORY)) == {}


_words = some.text("O0I1lS5B8Z2A-.:# \u0130ß", max_size=24)
_texts = some.tuples(some.sampled_from(["", "Member ID", "Group", "RxBIN", "Name:", "Phone", "Plan:"]), _words)


@settings(max_examples=150)
@given(some.lists(some.tuples(_texts, some.integers(0, 900), some.integers(0, 600)), max_size=8))
def test_whatever_is_read_each_mark_is_in_its_value_and_a_value_is_in_the_text(
    pieces: list[tuple[tuple[str, str], int, int]],
) -> None:
    lines = [line(" ".join(text), x, y) for text, x, y in pieces]
    found: Any = read_card([lines], DIRECTORY)
    alike = {sign: group[0] for group in LOOKALIKES for sign in group}

    def folded(text: str) -> str:
        return "".join(alike.get(sign, sign) for sign in text)

    for name, one in found:
        if isinstance(one, Suggestion) and not name.startswith("payer"):
            assert any(folded(one.value) in folded(each.text) for each in lines)
            assert all(place < len(one.value) for place in one.ambiguous)
