"""The sandbox's one SQLite file, which lets its truth survive a restart.

It is used from the event loop directly: a write takes some tens of microseconds, one writer needs no locks,
and a call without an `await` in it is atomic towards all other requests.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def connect(folder: Path) -> sqlite3.Connection:
    """Open (or create) the database in `folder`. Rows can be read by name; nothing commits by itself."""
    folder.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(folder / "sandbox.sqlite3", isolation_level=None)
    db.row_factory = sqlite3.Row
    db.execute("pragma journal_mode = wal")
    # A killed process loses nothing this way; only a power cut can take the last moments.
    db.execute("pragma synchronous = normal")
    db.execute("pragma foreign_keys = on")
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit what is written inside together, or none of it."""
    db.execute("begin immediate")
    with db:
        yield
