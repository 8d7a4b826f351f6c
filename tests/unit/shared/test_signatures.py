"""Whose a body is, by its signature: made and known in one place."""

from datetime import UTC, datetime

import pytest

from shared.signatures import sign, signed_at

SENT_AT, BODY = 1_780_000_000, b'{"a": 1}'
HEX = "36aa81927902a09fe2bd557f933760f6f98770604d3d923052c877fb06f73795"
"""HMAC-SHA256 under `whsec` of the time, a dot and the body."""


def test_a_signature_is_over_time_and_body_and_tells_when_it_was_made() -> None:
    signature = sign("whsec", datetime.fromtimestamp(SENT_AT, UTC), BODY)
    assert signature == f"t={SENT_AT},v1={HEX}"
    assert signed_at("whsec", signature, BODY) == SENT_AT
    assert signed_at("whsec", signature, BODY + b" ") is None
    assert signed_at("another", signature, BODY) is None


@pytest.mark.parametrize(
    "signature",
    [
        "",
        f"t={SENT_AT},v1=",
        f"t={SENT_AT + 1},v1={HEX}",
        f"{SENT_AT},{HEX}",
        f"t={SENT_AT},v1={HEX}\n",
        "t=x,v1=ñ",
    ],
)
def test_what_is_no_signature_signs_nothing(signature: str) -> None:
    assert signed_at("whsec", signature, BODY) is None
