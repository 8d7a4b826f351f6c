"""Reads how guests' charges went lately, whichever account they were for: what the rules limit them by."""

from collections.abc import Sequence
from typing import Final

from services.payments.domain.records import GuestTry
from shared.database import Connection

_READ: Final = """
    select guest, guest_method, created_at, status = 'failed' from payment
    where guest = any($1::text[]) and status in ('processing', 'unknown', 'failed')
        or guest_method = any($2::bytea[]) and status = 'failed'
    order by created_at desc limit 1000
"""


async def read(connection: Connection, guests: Sequence[str], methods: Sequence[bytes]) -> tuple[GuestTry, ...]:
    """Return the newest charges that failed by these passes or methods, and by a pass those under way."""
    if not guests:
        return ()
    return tuple(GuestTry(*row) for row in await connection.fetch(_READ, guests, methods))
