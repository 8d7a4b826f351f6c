"""Encrypts what was sent to payers and received from them, and lets those read it who hold the key."""

from hashlib import sha256

from cryptography.fernet import Fernet, MultiFernet

from services.insurance.domain.asking import Sealed


class Seal:
    """Fernet keys with commas between them: the first encrypts, all decrypt, so that keys can be changed."""

    def __init__(self, keys: str) -> None:
        """Take the keys.

        Raises:
            ValueError: one is no Fernet key.
        """
        self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])

    def close(self, text: str) -> Sealed:
        """Encrypt a text."""
        plain = text.encode("utf-8", "surrogateescape")
        return Sealed(content=self._fernet.encrypt(plain), sha256=sha256(plain).digest())

    def open(self, content: bytes) -> str:
        """Decrypt a text.

        Raises:
            cryptography.fernet.InvalidToken: it was encrypted with another key, or altered.
        """
        return self._fernet.decrypt(content).decode("utf-8", "replace")
