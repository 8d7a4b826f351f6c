"""What receipts say."""

from typing import Any

import pytest

from services.payments.documents import standing
from shared.frozen import replace
from tests.unit.payments.story import answer, owing, submit, when


@pytest.mark.parametrize(
    ("became", "words"),
    [
        ({}, "Paid"),
        ({"dispute_status": "won"}, "Paid"),
        ({"dispute_status": "lost"}, "Taken back after a dispute"),
        ({"status": "returned"}, "Sent back by the bank"),
        ({"refunded_minor": 400}, "Refunded in part"),
        ({"refunded_minor": 10_000}, "Refunded"),
    ],
)
def test_a_receipt_says_what_became_of_the_money(became: dict[str, Any], words: str) -> None:
    paid = when(when(owing(V1=10_000), submit()).state, answer("succeeded")).state.payments["pay-1"]
    assert standing(replace(paid, **became)) == words
