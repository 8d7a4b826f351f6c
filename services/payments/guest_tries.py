"""Reads how guests' charges went lately, whichever account they were for: what the rules limit them by."""

from collections.abc import Sequence
from typing import Final

from services.payments.domain.records import GuestTry
from shared.database import Connection

# Of each as many as the rules may ask for, so that those of one guest never hide those of another.
_READ: Final = """
    select guest, guest_method, created_at, failed from (
        select tried.* from unnest($1::text[]) wanted(guest), lateral (
            select payment_id, guest, guest_method, created_at, status = 'failed' as failed from payment
            where guest = wanted.guest and status in ('processing', 'unknown', 'failed')
            order by created_at desc limit 1000) tried
        union
        select tried.* from unnest($2::bytea[]) wanted(method), lateral (
            select payment_id, guest, guest_method, created_at, true from payment
            where guest_method = wanted.method and status = 'failed'
            order by created_at desc limit 1000) tried
    ) tries order by created_at desc
"""


async def read(connection: Connection, guests: Sequence[str], methods: Sequence[bytes]) -> tuple[GuestTry, ...]:
    """Return the newest charges that failed by these passes or methods, and by a pass those under way."""
    if not guests:
        return ()
    return tuple(GuestTry(*row) for row in await connection.fetch(_READ, guests, methods))
