"""What the rules are given once, when the process starts: the secret behind codes, and the texts to consent to."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

CODE_DIGITS: Final = 6


@dataclass(frozen=True)
class Rules:
    """Keys and texts.

    Attributes:
        secret: what codes and digests of addresses are made with; it is in no database.
        current_texts: the SHA-256 of each text that may be consented to now, by its version.
    """

    secret: bytes
    current_texts: Mapping[str, str]

    def code(self, code_id: str) -> str:
        """Return the six digits that a code's id stands for; only the id is ever written down."""
        number = int.from_bytes(self._digest("code", code_id)) % 10**CODE_DIGITS
        return f"{number:0{CODE_DIGITS}}"

    def is_code(self, code_id: str, typed: str) -> bool:
        """Tell whether what a person typed is the code, in a time that does not depend on where it differs."""
        return hmac.compare_digest(self.code(code_id).encode(), "".join(typed.split()).encode())

    def destination(self, kind: str, address: str) -> str:
        """Return a stable id for an address, or the start of one, that does not reveal it."""
        return self._digest(kind, address)[:16].hex()

    def _digest(self, *parts: str) -> bytes:
        return hmac.digest(self.secret, "\0".join(parts).encode(), sha256)
