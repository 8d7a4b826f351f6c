"""What the HTTP API reads: the same states as the rules see, without locking, and lists by pages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from services.payments import rows
from services.payments.domain import Named
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.ledger import PostingKind
from services.payments.domain.records import Opened, Payment, Plan, SavedMethod, Statement, Work
from services.payments.store import READ_ACCOUNTS, read
from shared.database import Connection, Pool

_NEWEST_STATEMENTS: Final = f"""
    select distinct on (account_number) {", ".join(rows.STATEMENT)} from statement
    where account_number = any($1::text[]) order by account_number, issued_on desc, statement_id desc
"""
_NUMBERS_OF_PERSON: Final = """
    select number from guarantor_account where person_id = $1 or viewers ? $1 order by number
"""
_NUMBER_OF_PAYMENT: Final = "select account_number from payment where payment_id = $1"
_ACTIVITY: Final = """
    select kind, cause_id, at, service_date, description, accounts, amounts from posting
    where account_number = $1 and (at, kind, cause_id) < ($2, $3, $4)
    order by at desc, kind desc, cause_id desc limit $5
"""
_POSTED_OF_PAYMENT: Final = """
    select kind, amounts[1] from posting
    where account_number = $1 and (kind in ('payment', 'return', 'dispute') and cause_id = $2
        or kind in ('refund', 'refund-failed') and cause_id in (
            select refund_id from refund where account_number = $1 and payment_id = $2))
    order by kind <> 'payment', at, kind, cause_id
"""
_STATEMENTS: Final = f"""
    select {", ".join(rows.STATEMENT)} from statement where account_number = $1
    order by issued_on desc, statement_id desc limit 500
"""
_STATEMENT: Final = f"""
    select {", ".join(f"s.{name}" for name in rows.STATEMENT)}, person_id, viewers
    from statement s join guarantor_account a on a.number = s.account_number
    where statement_id = $1 and told order by account_number
"""
_PAYMENTS: Final = f"""
    select {", ".join(rows.PAYMENT)} from payment
    where account_number = $1 and (created_at, payment_id) < ($2, $3)
    order by created_at desc, payment_id desc limit $4
"""
_PLANS: Final = f"""
    select {", ".join(rows.PLAN)} from plan where account_number = $1 order by started_at desc, plan_id limit 500
"""
_METHODS: Final = f"""
    select {", ".join(rows.METHOD)} from saved_method
    where account_number = $1 and person_id = $2 and token is not null and not waiting
    order by saved_at desc, method_id
"""
_OPEN_WORK: Final = f"""
    select {", ".join(rows.WORK_ENDED)} from work where status = 'open' order by raised_at, work_id limit 500
"""
_SETTLED_WORK: Final = f"""
    select {", ".join(rows.WORK_ENDED)} from work
    where status = 'settled' order by settled_at desc, work_id limit 500
"""
_ONE_WORK: Final = f"select {', '.join(rows.WORK_ENDED)} from work where work_id = $1"
_LOG_READ: Final = "insert into account_read (reader, what, what_id, account_number) values ($1, $2, $3, $4)"
_BILLS: Final = """
    select number, null as visit_number, last_name from guarantor_account where number = $1 and told_at is not null
    union all
    select a.number, v.number, a.last_name
    from visit_account v join guarantor_account a on a.number = v.account_number
    where v.number = $1 and a.told_at is not null and v.account_number <> $1
"""

LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Later than anything that is told: every list begins before it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An account as its readers see it: with the payments and the plans that have not ended."""

    account: GuarantorAccount
    opened: Opened
    newest_statement: Statement | None


@dataclass(frozen=True, slots=True)
class Activity:
    """A posting as the ledger has it."""

    kind: str
    cause_id: str
    at: datetime
    service_date: date | None
    description: str | None
    accounts: Sequence[str]
    amounts: Sequence[int]


@dataclass(frozen=True, slots=True)
class Posted:
    """A posting of a payment as its receipt shows it: why, and how much more we have by it; less is negative."""

    kind: PostingKind
    received_minor: int


@dataclass(frozen=True, slots=True)
class Bill:
    """What a number that a guest typed may stand for."""

    account_number: str
    visit_number: str | None
    last_name: str


async def numbers_of_person(pool: Pool, person_id: str) -> list[str]:
    """Return the numbers of the accounts that a person may see, as guarantor or viewer."""
    return [row[0] for row in await pool.fetch(_NUMBERS_OF_PERSON, person_id)]


async def show_accounts(pool: Pool, numbers: Sequence[str], method_id: str | None = None) -> list[Shown]:
    """Return those of the accounts that are open, in the order of their numbers, as of one moment."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        named = Named(accounts=set(numbers), with_plans=set(numbers))
        if method_id is not None:
            named.with_methods = set(numbers)
        accounts = await read(connection, named, READ_ACCOUNTS)
        newest = await connection.fetch(_NEWEST_STATEMENTS, list(accounts))
    statements = {row[0]: rows.statement(row) for row in newest}
    return [
        Shown(account, account.opened, statements.get(number))
        for number, account in accounts.items()
        if account.opened
    ]


async def show_payment(pool: Pool, payment_id: str) -> tuple[GuarantorAccount, Payment] | None:
    """Return a payment and its account, if there is one."""
    async with pool.acquire() as connection:
        number = await connection.fetchval(_NUMBER_OF_PAYMENT, payment_id)
        if number is None:
            return None
        named = Named(accounts={number}, payments=[(number, payment_id)])
        account = (await read(connection, named, READ_ACCOUNTS))[number]
    return account, account.payments[payment_id]


async def account_of_payment(pool: Pool, payment_id: str) -> str | None:
    """Return the number of the account that a payment is of."""
    number: str | None = await pool.fetchval(_NUMBER_OF_PAYMENT, payment_id)
    return number


async def posted_of_payment(pool: Pool, number: str, payment_id: str) -> list[Posted]:
    """Return what was posted of a payment: that it was made, and then what became of its money."""
    return [Posted(*row) for row in await pool.fetch(_POSTED_OF_PAYMENT, number, payment_id)]


async def activity(
    pool: Pool, number: str, before: tuple[datetime | None, str, str], limit: int
) -> list[Activity]:
    """Return the postings of an account that come before a place in time, newest first."""
    found = await pool.fetch(_ACTIVITY, number, before[0] or LAST, *before[1:], limit)
    return [Activity(*row) for row in found]


async def payments(pool: Pool, number: str, before: tuple[datetime | None, str], limit: int) -> list[Payment]:
    """Return the payments of an account that come before a place in time, newest first."""
    return [rows.payment(row) for row in await pool.fetch(_PAYMENTS, number, before[0] or LAST, before[1], limit)]


async def statements(pool: Pool, number: str) -> list[Statement]:
    """Return the statements of an account, newest first."""
    return [rows.statement(row) for row in await pool.fetch(_STATEMENTS, number)]


async def statement(pool: Pool, statement_id: str, person_id: str | None) -> tuple[str, Statement] | None:
    """Return a statement that its readers were told of, with its account; only theirs if a person asks."""
    for row in await pool.fetch(_STATEMENT, statement_id):
        *told, owner, viewers = row
        if person_id is None or person_id == owner or person_id in json.loads(viewers):
            return row[0], rows.statement(told)
    return None


async def plans(pool: Pool, number: str) -> list[Plan]:
    """Return the plans of an account, newest first."""
    return [rows.plan(row) for row in await pool.fetch(_PLANS, number)]


async def methods(pool: Pool, number: str, person_id: str) -> list[SavedMethod]:
    """Return the methods that a person has saved at an account, newest first."""
    return [rows.method(row) for row in await pool.fetch(_METHODS, number, person_id)]


async def work(pool: Pool, *, settled: bool) -> list[tuple[str, Work]]:
    """Return work, each with the key of what it is about: what is open, oldest first, or what was settled last."""
    found = await pool.fetch(_SETTLED_WORK if settled else _OPEN_WORK)
    return [(row[1], rows.work(row)) for row in found]


async def one_work(pool: Pool, work_id: str) -> tuple[str, Work] | None:
    """Return a piece of work, with the key of what it is about."""
    row: Any = await pool.fetchrow(_ONE_WORK, work_id)
    return None if row is None else (row[1], rows.work(row))


async def bills(connection: Connection, number: str) -> list[Bill]:
    """Return what a typed number may stand for: an account, or a visit of one."""
    return [Bill(*row) for row in await connection.fetch(_BILLS, number)]


async def log_read(pool: Pool, reader: str, what: str, what_id: str, account_number: str) -> None:
    """Note for ever that somebody looks at an account or a part of it, before they are shown it."""
    await pool.execute(_LOG_READ, reader, what, what_id, account_number)
