"""Random secrets that survive a stop and a start."""

import os
import secrets
from pathlib import Path


def kept_secret(path: Path) -> str:
    """The secret in this file, which only its owner may read; made when it is first asked for."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # First a draft: whoever is killed half way leaves no file, rather than an empty one.
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600), "w") as file:
            file.write(secrets.token_hex(16))
        draft.replace(path)
    return path.read_text()
