"""Signatures as the processor and the mail service make them: `t=SECONDS,v1=HEX`, HMAC-SHA256 of `t.body`."""

import hmac
import re
from datetime import datetime
from hashlib import sha256
from typing import Final

_SIGNATURE: Final = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")


def sign(secret: str, sent_at: datetime, body: bytes) -> str:
    """Return the signature of a body that is sent at a time."""
    seconds = str(int(sent_at.timestamp()))
    return f"t={seconds},v1={_digest(secret, seconds, body)}"


def signed_at(secret: str, signature: str, body: bytes) -> int | None:
    """Return when a body was signed with the secret, in seconds since 1970; nothing if it was not."""
    found = _SIGNATURE.fullmatch(signature)
    if found is None:
        return None
    return int(found[1]) if hmac.compare_digest(_digest(secret, found[1], body), found[2]) else None


def _digest(secret: str, seconds: str, body: bytes) -> str:
    return hmac.digest(secret.encode(), seconds.encode() + b"." + body, sha256).hex()
