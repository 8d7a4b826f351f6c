"""Texts on the air: what fits where, and that nothing is lost on the way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.short_messages import DEFAULT, UCS2, Part, decode, encode, without_header


def joined(coding: int, parts: list[bytes]) -> str:
    """Put a text together again, as a phone does."""
    if len(parts) == 1:
        return decode(parts[0], coding)
    told = [without_header(part) for part in parts]
    assert [place for place, _ in told] == [Part(7, len(parts), number) for number in range(1, len(parts) + 1)]
    return "".join(decode(octets, coding) for _, octets in told)


@pytest.mark.parametrize(
    ("text", "coding", "sizes"),
    [
        ("a" * 160, DEFAULT, [160]),
        ("a" * 161, DEFAULT, [159, 14]),
        ("€" * 80, DEFAULT, [160]),
        ("€" * 81, DEFAULT, [158, 16]),
        ("ó" * 70, UCS2, [140]),
        ("ó" * 71, UCS2, [140, 14]),
        ("😀" * 36, UCS2, [138, 18]),
        ("", DEFAULT, [0]),
    ],
    ids=["whole", "two parts", "escaped", "escaped in two", "wide", "wide in two", "pairs", "empty"],
)
def test_a_text_takes_as_few_parts_as_it_can_and_no_letter_is_broken(
    text: str, coding: int, sizes: list[int]
) -> None:
    found, parts = encode(text, 7)
    assert (found, [len(part) for part in parts]) == (coding, sizes)
    assert joined(found, parts) == text


def test_the_alphabet_is_that_of_the_networks() -> None:
    # From the tables of 3GPP TS 23.038.
    assert encode("@£$ñà?\n^{}[~]|\\€", 0)[1] == [
        b"\x00\x01\x02\x7d\x7f\x3f\x0a\x1b\x14\x1b\x28\x1b\x29\x1b\x3c\x1b\x3d\x1b\x3e\x1b\x40\x1b\x2f\x1b\x65"
    ]
    assert encode("sesión", 0) == (UCS2, ["sesión".encode("utf-16-be")])
    assert (decode(b"STOP", 1), decode("¡Alto!".encode("latin-1"), 3)) == ("STOP", "¡Alto!")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
@settings(max_examples=50)
def test_every_text_comes_out_as_it_went_in(text: str) -> None:
    assert joined(*encode(text, 7)) == text


@given(st.binary(max_size=200), st.sampled_from([0, 1, 3, 8, 240]))
@settings(max_examples=50)
def test_whatever_a_network_brings_can_be_read_somehow(octets: bytes, coding: int) -> None:
    _, rest = without_header(octets)
    assert isinstance(decode(octets, coding) + decode(rest, coding), str)
