"""What receipts say."""

import pytest

from services.payments.documents import standing
from services.payments.reads import Posted

PAID = Posted("payment", 10_000)


@pytest.mark.parametrize(
    ("became", "words"),
    [
        ([], "Paid"),
        ([Posted("dispute", -10_000)], "Taken back after a dispute"),
        ([Posted("return", -10_000)], "Sent back by the bank"),
        ([Posted("refund", -400)], "Refunded in part"),
        ([Posted("refund", -400), Posted("refund", -9_600)], "Refunded"),
        ([Posted("refund", -400), Posted("refund-failed", 400)], "Paid"),
    ],
)
def test_a_receipt_says_what_became_of_the_money(became: list[Posted], words: str) -> None:
    assert standing(10_000, [PAID, *became]) == words
