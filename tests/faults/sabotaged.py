"""`python -m tests.faults.sabotaged WHAT`: a process of payments with one of its safeguards taken out.

It is started by the test of the campaign, which must not come to its end without noticing.
"""

import asyncio
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Final

import asyncpg

from services.payments import store
from services.payments.app import APPLICATION, Settings
from shared.messaging import offsets
from shared.process import main


def _change(module: ModuleType, statement: str, old: str, new: str) -> None:
    sound: str = getattr(module, statement)
    if old not in sound:
        sys.exit(f"{statement} is not as it was: adapt the sabotage")
    setattr(module, statement, sound.replace(old, new))


def _offsets() -> None:
    """Move a partition on from wherever it is, as if no other process could have it."""
    _change(offsets, "_TAKE", "and o.next_offset = u.expected", "")


def _notes() -> None:
    """Take every message for a new one."""
    _change(offsets, "_TAKE", "(select count(*) from fresh)", "cardinality($5::bytea[])")


def _postings() -> None:
    """Post a charge for each message about it."""
    _change(store, "_READ_POSTED", "where", "where false and")
    asyncio.run(_drop_the_key())


async def _drop_the_key() -> None:
    connection = await asyncpg.connect(Settings().database_url.get_secret_value())
    await connection.execute("alter table posting drop constraint if exists posting_pkey")
    await connection.close()


SABOTAGE: Final[dict[str, Callable[[], None]]] = {"offsets": _offsets, "notes": _notes, "postings": _postings}


if __name__ == "__main__":
    SABOTAGE[sys.argv.pop()]()
    main(APPLICATION)
