"""`python -m tests.faults.sabotaged WHAT`: a process of a service with one of its safeguards taken out.

It is started by the test of the campaign, which must not come to its end without noticing.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Final

import asyncpg

from services.notifications import app as notifications
from services.notifications import reads
from services.payments import app as payments
from services.payments import store
from shared.command import do
from shared.messaging import offsets
from shared.process import Application


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
    connection = await asyncpg.connect(payments.Settings().database_url.get_secret_value())
    await connection.execute("alter table posting drop constraint if exists posting_pkey")
    await connection.close()


def _attempts() -> None:
    """Send an alert whether or not it may have been sent before."""
    _change(reads, "_BEGIN", "do nothing returning", "(alert_id, attempt) do update set began_at = $3 returning")


SABOTAGE: Final[Mapping[str, tuple[Application[Any], Callable[[], None]]]] = {
    "offsets": (payments.APPLICATION, _offsets),
    "notes": (payments.APPLICATION, _notes),
    "postings": (payments.APPLICATION, _postings),
    "attempts": (notifications.APPLICATION, _attempts),
}


if __name__ == "__main__":
    application, sabotage = SABOTAGE[sys.argv.pop()]
    sabotage()
    do(application.service.name, application.run)
