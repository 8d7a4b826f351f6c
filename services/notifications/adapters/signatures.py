"""Who may tell us what became of a message: the carrier and the mail service sign what they send.

A call that is repeated changes nothing, so its age does not matter.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256


def carrier_signed(secret: str, url: str, fields: Iterable[tuple[str, str]], signature: str) -> bool:
    """Tell whether a form is signed as Twilio does: HMAC-SHA1, in base64, over the URL and the sorted fields."""
    said = url + "".join(f"{name}{value}" for name, value in sorted(fields))
    expected = b64encode(hmac.digest(secret.encode(), said.encode(), "sha1"))
    return hmac.compare_digest(expected, signature.encode())


def mail_signed(secret: str, body: bytes, signature: str) -> bool:
    """Tell whether a body is signed: `t=UNIX_SECONDS,v1=HEX`, HMAC-SHA256 over `t.body`."""
    sent_at, _, digest = signature.partition(",")
    said = sent_at.removeprefix("t=").encode() + b"." + body
    expected = hmac.digest(secret.encode(), said, sha256).hex()
    return hmac.compare_digest(expected.encode(), digest.removeprefix("v1=").encode())
