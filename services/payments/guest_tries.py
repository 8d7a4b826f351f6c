"""Reads how guests' charges went lately, whichever account they were for: what the rules limit them by."""

from collections.abc import Mapping
from typing import Final

from services.payments.domain import Named
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.records import GuestTry
from shared.database import Connection
from shared.frozen import replace

# Of each as many as the rules may ask for, so that those of one guest never hide those of another.
_TRIED: Final = "payment_id, guest, guest_method, created_at, status = 'failed', account_number, guest_address"
_NEWEST: Final = "order by created_at desc limit 1000) tried"
_READ: Final = f"""
    select guest, guest_method, created_at, failed, account_number, guest_address from (
        select tried.* from unnest($1::text[]) wanted(guest), lateral (
            select {_TRIED} from payment
            where guest = wanted.guest and status in ('processing', 'unknown', 'failed') {_NEWEST}
        union
        select tried.* from unnest($2::bytea[]) wanted(method), lateral (
            select {_TRIED} from payment where guest_method = wanted.method and status = 'failed' {_NEWEST}
        union
        select tried.* from unnest($3::text[]) wanted(number), lateral (
            select {_TRIED} from payment
            where account_number = wanted.number and guest is not null
                and status in ('processing', 'unknown', 'failed') {_NEWEST}
        union
        select tried.* from unnest($4::text[]) wanted(address), lateral (
            select {_TRIED} from payment
            where guest_address = wanted.address and status in ('processing', 'unknown', 'failed') {_NEWEST}
    ) tries(payment_id, guest, guest_method, created_at, failed, account_number, guest_address)
    order by created_at desc
"""
_FAILED_SINCE: Final = """
    select created_at from payment where guest is not null and status = 'failed'
    order by created_at desc offset $1 limit 1
"""


async def add(
    connection: Connection, named: Named, accounts: Mapping[str, GuarantorAccount], in_all_max: int
) -> dict[str, GuarantorAccount]:
    """Return the accounts with what guests tried, and since when so many charges of guests in all have failed."""
    wanted = (named.guests, named.guest_methods, named.guest_accounts, named.guest_addresses)
    found = await connection.fetch(_READ, *[list(values) for values in wanted])
    tries = tuple(GuestTry(*row) for row in found)
    since = await connection.fetchval(_FAILED_SINCE, in_all_max - 1)
    return {
        number: replace(account, guest_tries=tries, guests_failed_since=since)
        for number, account in accounts.items()
    }
