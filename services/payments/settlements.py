"""Reads and writes settlements: what was imported, and which payments the lines of a new one belong to."""

from collections.abc import Sequence
from typing import Any, Final

from services.payments import rows
from services.payments.domain.settlement import (
    KEY_MARK,
    ImportSettlement,
    Settlement,
    SettlementLine,
    fingerprint,
)
from services.payments.tables import SettlementRow
from shared.database import Connection, insert
from shared.events.envelope import Message

_COLUMNS: Final = ("settlement_id", "fingerprint", "imported_by", "imported_at", "lines")
# One at a time: two imports of the same lines come one after the other.
_LOCK: Final = "select pg_advisory_xact_lock(hashtext('settlement'))"
_READ: Final = f"select {', '.join(_COLUMNS)} from settlement where settlement_id = $1"
_SAME_LINES: Final = "select settlement_id from settlement where fingerprint = $1 and settlement_id <> $2 limit 1"
_OWNERS: Final = "select charge_id, payment_id, account_number from payment where charge_id = any($1::text[])"
# Also one without a charge that staff said was taken. What is open, and what is unsettled, have indexes.
_OWNERS_BY_NAME: Final = """
    select payment_id, processor_key, account_number from payment
    where charge_id is null
        and (payment_id = any($1::text[])
            or processor_key = any($2::text[])
                and (status in ('processing', 'unknown') or status = 'succeeded' and settlement_id is null))
"""
# Also one without a charge: staff said that it was taken, and nobody else did.
_MISSING: Final = """
    select payment_id, account_number from payment
    where status = 'succeeded' and settlement_id is null and created_at >= $1 and created_at < $2
        and currency = $3
        and not exists (select from unnest($4::text[]) paid(payment_id) where paid.payment_id = payment.payment_id)
"""


async def load(connection: Connection, messages: Sequence[Message[Any]], read_work: str) -> dict[str, Settlement]:
    """Return by key the settlements that messages are about."""
    await connection.execute(_LOCK)
    return {
        KEY_MARK + settlement.settlement_id: settlement
        for settlement in [await _load(connection, message.data, read_work) for message in messages]
    }


async def _load(connection: Connection, command: Any, read_work: str) -> Settlement:
    if not isinstance(command, ImportSettlement):
        found = [rows.work(row) for row in await connection.fetch(read_work, [command.work_id])]
        return Settlement(command.account_number.removeprefix(KEY_MARK), work={one.work_id: one for one in found})
    row = await connection.fetchrow(_READ, command.settlement_id)
    if row is not None:
        return Settlement(row[0], row[1], None, *row[2:])
    repeats = await connection.fetchval(_SAME_LINES, fingerprint(command), command.settlement_id)
    owners = await _owners(connection, command.lines)
    paid = [payment_id for payment_id, _ in owners.values()]
    missing = await connection.fetch(_MISSING, command.period_from, command.period_to, command.currency, paid)
    return Settlement(
        command.settlement_id,
        repeats=repeats,
        owners=owners,
        missing=tuple((payment_id, number) for payment_id, number in missing),
    )


async def _owners(connection: Connection, lines: Sequence[SettlementLine]) -> dict[str, tuple[str, str]]:
    """Return by charge its payment and account; where no payment has the charge, by what else the line says."""
    charges = await connection.fetch(_OWNERS, [line.charge_id for line in lines])
    owners: dict[str, tuple[str, str]] = {row[0]: (row[1], row[2]) for row in charges}
    rest = [line for line in lines if line.charge_id not in owners]
    ids, keys = [line.payment_id for line in rest], [line.idempotency_key for line in rest]
    named: dict[str | None, tuple[str, str]] = {}
    for payment_id, key, number in await connection.fetch(_OWNERS_BY_NAME, ids, keys):
        named[payment_id] = named[key] = (payment_id, number)
    for line in rest:
        owner = named.get(line.payment_id) or named.get(line.idempotency_key)
        if owner:
            owners[line.charge_id] = owner
    return owners


async def save(connection: Connection, before: Any, after: Settlement) -> None:
    """Write a settlement that was taken in."""
    if before is None or before.fingerprint == after.fingerprint:
        return
    row = (after.settlement_id, after.fingerprint, after.imported_by, after.imported_at, after.lines)
    await insert(connection, SettlementRow, _COLUMNS, [row])
