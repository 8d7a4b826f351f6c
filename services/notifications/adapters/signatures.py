"""How the carrier signs what it sends.

A call that is repeated changes nothing, so its age does not matter.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable


def carrier_signed(secret: str, url: str, fields: Iterable[tuple[str, str]], signature: str) -> bool:
    """Tell whether a form is signed as Twilio does: HMAC-SHA1, in base64, over the URL and the sorted fields."""
    said = url + "".join(f"{name}{value}" for name, value in sorted(fields))
    expected = b64encode(hmac.digest(secret.encode(), said.encode(), "sha1"))
    return hmac.compare_digest(expected, signature.encode())
