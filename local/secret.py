"""Random secrets that survive a stop and a start."""

import os
import secrets
from pathlib import Path


def kept_secret(path: Path) -> str:
    """The secret in this file, which only its owner may read; made when it is first asked for."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, mode=0o600), "w") as file:
            file.write(secrets.token_hex(16))
    return path.read_text()
