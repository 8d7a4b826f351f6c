"""Reads and writes the state of guarantor accounts: a whole batch in a few statements, whatever its size.

`load` locks the accounts that a batch is about, in the order of their numbers, and `save` writes what the rules
changed. Only `posting` is never updated. The reads for the API see the same states, without locking.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter

from services.payments.domain.account import (
    GuarantorAccount,
    Opened,
    Payment,
    Statement,
    Visit,
    VisitOpened,
)
from services.payments.domain.charging import ChargeAnswered
from services.payments.domain.ledger import PostingKey
from services.payments.tables import (
    GuarantorAccountRow,
    PaymentRow,
    PostingRow,
    StatementRow,
    VisitAccountRow,
)
from shared.database import Connection, Pool, insert, upsert
from shared.events.billing import AdjustmentPosted, ChargePosted, GuarantorAccountOpened, StatementIssued
from shared.events.envelope import Fact, Message
from shared.events.payments import Allocation, MethodShown, SubmitPayment
from shared.messaging.handlers import Change

_ACCOUNT: Final = (
    *("number", "version", "person_id", "first_name", "last_name"),
    *("viewers", "affiliate", "currency", "told_at"),
)
_VISIT: Final = (
    *("account_number", "number", "patient_id", "visit_date", "description", "told_at", "closed"),
    *("charges_minor", "insurance_paid_minor", "adjustments_minor", "paid_minor"),
)
_PAYMENT: Final = (
    *("account_number", "payment_id", "amount_minor", "currency"),
    *("method_kind", "method_last4", "method_brand", "allocation", "fingerprint", "processor_key"),
    *("submitted_by", "created_at", "updated_at", "status", "reason", "charge_id", "queries"),
)
_STATEMENT: Final = (
    *("account_number", "statement_id", "issued_on", "due_on", "period_from", "period_to"),
    *("amount_due_minor", "currency", "told"),
)
_POSTING: Final = (
    *("account_number", "kind", "cause_id", "at", "service_date", "description", "accounts", "amounts"),
)

_ADD_SHELLS: Final = "insert into guarantor_account (number) select unnest($1::text[]) on conflict do nothing"
_READ_ACCOUNTS: Final = (
    f"select {', '.join(_ACCOUNT)} from guarantor_account where number = any($1::text[]) order by number"
)
_LOCK_ACCOUNTS: Final = f"{_READ_ACCOUNTS} for update"
_READ_VISITS: Final = f"select {', '.join(_VISIT)} from visit_account where account_number = any($1::text[])"
_READ_PAYMENTS: Final = f"""
    select {", ".join(_PAYMENT)} from payment
    where account_number = any($1::text[]) and status in ('processing', 'unknown')
        or payment_id = any($2::text[])
"""
_READ_POSTED: Final = """
    select account_number, kind, cause_id from posting
    where (account_number, kind, cause_id) in (select * from unnest($1::text[], $2::text[], $3::text[]))
"""
_READ_STATEMENTS: Final = f"""
    select {", ".join(_STATEMENT)} from statement
    where account_number = any($1::text[]) and (not told or statement_id = any($2::text[]))
"""
_READ_NEWEST_STATEMENTS: Final = f"""
    select distinct on (account_number) {", ".join(_STATEMENT)} from statement
    where account_number = any($1::text[]) order by account_number, issued_on desc, statement_id desc
"""
_MOVE_PAYMENTS: Final = """
    update payment p set status = u.status, reason = u.reason, charge_id = u.charge_id, queries = u.queries,
        updated_at = u.updated_at
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::timestamptz[])
        u(payment_id, status, reason, charge_id, queries, updated_at)
    where p.payment_id = u.payment_id
"""
_READ_NUMBERS_OF_PERSON: Final = """
    select number from guarantor_account where person_id = $1 or viewers ? $1 order by number
"""
_READ_NUMBER_OF_PAYMENT: Final = "select account_number from payment where payment_id = $1"

Row: TypeAlias = tuple[Any, ...]
"""A row's values in the order of its columns above."""

_ALLOCATION: Final = TypeAdapter[Allocation](Allocation)


@dataclass(slots=True)
class _Named:
    """What the messages of a batch name, and so has to be there when they are decided about."""

    numbers: set[str] = field(default_factory=set)
    heard_of: set[str] = field(default_factory=set)
    payments: list[tuple[str, str]] = field(default_factory=list)
    postings: list[tuple[str, str, str]] = field(default_factory=list)
    readable: set[str] = field(default_factory=set)
    statement_ids: list[str] = field(default_factory=list)


async def load(connection: Connection, messages: Sequence[Message[Any]]) -> dict[str, GuarantorAccount]:
    """Lock the accounts that messages are about and return them by number; one that is not known is missing.

    An account that a fact is about gets its row here, before any lock is taken, so that two processes that
    hear of it at the same time come one after the other.
    """
    named = _named(messages)
    if named.heard_of:
        await connection.execute(_ADD_SHELLS, sorted(named.heard_of))
    return await _read(connection, named, _LOCK_ACCOUNTS)


def _named(messages: Sequence[Message[Any]]) -> _Named:
    named = _Named()
    for message in messages:
        data = message.data
        number = data.account_number
        named.numbers.add(number)
        if isinstance(data, SubmitPayment | ChargeAnswered):
            named.payments.append((number, data.payment_id))
            continue
        if isinstance(data, Fact):
            named.heard_of.add(number)
        match data:
            case ChargePosted():
                named.postings.append((number, "charge", data.charge_id))
            case AdjustmentPosted():
                named.postings.append((number, "adjustment", data.adjustment_id))
            case StatementIssued():
                named.readable.add(number)
                named.statement_ids.append(data.statement_id)
            case GuarantorAccountOpened():
                named.readable.add(number)
    return named


async def _read(connection: Connection, named: _Named, read_accounts: str) -> dict[str, GuarantorAccount]:
    accounts = await connection.fetch(read_accounts, list(named.numbers))
    numbers = [row[0] for row in accounts]
    visits: dict[str, dict[str, Visit]] = defaultdict(dict)
    for row in await connection.fetch(_READ_VISITS, numbers):
        visit = _visit(row)
        visits[row[0]][visit.number] = visit
    payments, elsewhere = await _read_payments(connection, named, numbers)
    posted: dict[str, set[PostingKey]] = defaultdict(set)
    if named.postings:
        for number, kind, cause_id in await connection.fetch(_READ_POSTED, *_columns(named.postings)):
            posted[number].add((kind, cause_id))
    statements: dict[str, dict[str, Statement]] = defaultdict(dict)
    if named.readable:
        for row in await connection.fetch(_READ_STATEMENTS, list(named.readable), named.statement_ids):
            statements[row[0]][row[1]] = Statement(*row[1:])
    return {
        row[0]: GuarantorAccount(
            number=row[0],
            opened=_opened(row),
            version=row[1],
            visits=visits.get(row[0], {}),
            payments=payments.get(row[0], {}),
            payment_ids_elsewhere=frozenset(elsewhere.get(row[0], ())),
            statements=statements.get(row[0], {}),
            posted=frozenset(posted.get(row[0], ())),
        )
        for row in accounts
    }


async def _read_payments(
    connection: Connection, named: _Named, numbers: list[str]
) -> tuple[dict[str, dict[str, Payment]], dict[str, set[str]]]:
    """Return by account number its payments, and the ids that were named for it but are another account's."""
    owners: dict[str, str] = {}
    payments: dict[str, dict[str, Payment]] = defaultdict(dict)
    for row in await connection.fetch(_READ_PAYMENTS, numbers, [payment_id for _, payment_id in named.payments]):
        payment = _payment(row)
        owners[payment.payment_id] = row[0]
        payments[row[0]][payment.payment_id] = payment
    elsewhere: dict[str, set[str]] = defaultdict(set)
    for number, payment_id in named.payments:
        if owners.get(payment_id, number) != number:
            elsewhere[number].add(payment_id)
    return payments, elsewhere


async def save(connection: Connection, changes: Sequence[Change[GuarantorAccount]]) -> None:
    """Write what differs between the states before and after: rows are objects that were replaced."""
    accounts: list[Row] = []
    visits: list[Row] = []
    new_payments: list[Row] = []
    payments: list[Row] = []
    statements: list[Row] = []
    postings: list[Row] = []
    for change in changes:
        number, after = change.key, change.after
        before = change.before or GuarantorAccount(number)
        if after.version != before.version or after.opened is not before.opened:
            accounts.append(_account_row(after))
        if after.visits is not before.visits:
            visits += [
                _visit_row(number, visit)
                for visit in after.visits.values()
                if visit is not before.visits.get(visit.number)
            ]
        if after.payments is not before.payments:
            for payment in after.payments.values():
                known = before.payments.get(payment.payment_id)
                if known is None:
                    new_payments.append(_payment_row(number, payment))
                elif known is not payment:
                    payments.append(_progress(payment))
        statements += [
            _statement_row(number, statement)
            for statement in after.statements.values()
            if statement is not before.statements.get(statement.statement_id)
        ]
        postings += _posting_rows(after)
    await upsert(connection, GuarantorAccountRow, _ACCOUNT, accounts)
    await upsert(connection, VisitAccountRow, _VISIT, visits)
    # Never over another: an id that another account took meanwhile is an error.
    await insert(connection, PaymentRow, _PAYMENT, new_payments)
    if payments:
        await connection.execute(_MOVE_PAYMENTS, *_columns(payments))
    await upsert(connection, StatementRow, _STATEMENT, statements)
    await insert(connection, PostingRow, _POSTING, postings)


# Reads for the API


@dataclass(frozen=True, slots=True)
class Shown:
    """An account as its readers see it: with the payments that have not ended."""

    account: GuarantorAccount
    opened: Opened
    newest_statement: Statement | None


async def numbers_of_person(pool: Pool, person_id: str) -> list[str]:
    """Return the numbers of the accounts that a person may see, as guarantor or viewer."""
    return [row[0] for row in await pool.fetch(_READ_NUMBERS_OF_PERSON, person_id)]


async def show_accounts(pool: Pool, numbers: Sequence[str]) -> list[Shown]:
    """Return those of the accounts that are open, in the order of their numbers, as of one moment."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        accounts = await _read(connection, _Named(numbers=set(numbers)), _READ_ACCOUNTS)
        rows = await connection.fetch(_READ_NEWEST_STATEMENTS, list(accounts))
    newest = {row[0]: Statement(*row[1:]) for row in rows}
    return [
        Shown(account, account.opened, newest.get(number))
        for number, account in accounts.items()
        if account.opened
    ]


async def show_payment(pool: Pool, payment_id: str) -> tuple[GuarantorAccount, Payment] | None:
    """Return a payment and its account, if there is one."""
    async with pool.acquire() as connection:
        number = await connection.fetchval(_READ_NUMBER_OF_PAYMENT, payment_id)
        if number is None:
            return None
        named = _Named(numbers={number}, payments=[(number, payment_id)])
        account = (await _read(connection, named, _READ_ACCOUNTS))[number]
    return account, account.payments[payment_id]


# Rows, each way


def _opened(row: Sequence[Any]) -> Opened | None:
    _, _, person_id, first_name, last_name, viewers, affiliate, currency, told_at = row
    if told_at is None:
        return None
    return Opened(person_id, first_name, last_name, tuple(json.loads(viewers)), affiliate, currency, told_at)


def _account_row(account: GuarantorAccount) -> Row:
    key = (account.number, account.version)
    opened = account.opened
    if opened is None:
        return (*key, None, None, None, None, None, None, None)
    names = (opened.person_id, opened.first_name, opened.last_name, json.dumps(opened.viewers))
    return (*key, *names, opened.affiliate, opened.currency, opened.told_at)


def _visit(row: Sequence[Any]) -> Visit:
    _, number, patient_id, visit_date, description, told_at, closed, charges, insurance, adjustments, paid = row
    opened = VisitOpened(patient_id, visit_date, description, told_at) if told_at else None
    return Visit(number, opened, closed, charges, insurance, adjustments, paid)


def _visit_row(account_number: str, visit: Visit) -> Row:
    opened = visit.opened
    told = (
        (opened.patient_id, opened.visit_date, opened.description, opened.told_at)
        if opened
        else (None, None, None, None)
    )
    sums = (visit.charges_minor, visit.insurance_paid_minor, visit.adjustments_minor, visit.paid_minor)
    return (account_number, visit.number, *told, visit.closed, *sums)


def _payment(row: Sequence[Any]) -> Payment:
    _, payment_id, amount_minor, currency, kind, last4, brand, allocation, *others = row
    method = MethodShown(kind=kind, last4=last4, brand=brand)
    return Payment(payment_id, amount_minor, currency, method, _ALLOCATION.validate_json(allocation), *others)


def _payment_row(account_number: str, payment: Payment) -> Row:
    return (
        account_number,
        payment.payment_id,
        payment.amount_minor,
        payment.currency,
        payment.method.kind,
        payment.method.last4,
        payment.method.brand,
        _ALLOCATION.dump_json(payment.allocation).decode(),
        payment.fingerprint,
        payment.processor_key,
        payment.submitted_by,
        payment.created_at,
        payment.updated_at,
        payment.status,
        payment.reason,
        payment.charge_id,
        payment.queries,
    )


def _progress(payment: Payment) -> Row:
    """Return what may change of a payment; what was asked for never does."""
    reached = (payment.status, payment.reason, payment.charge_id)
    return (payment.payment_id, *reached, payment.queries, payment.updated_at)


def _statement_row(account_number: str, statement: Statement) -> Row:
    return (
        account_number,
        statement.statement_id,
        statement.issued_on,
        statement.due_on,
        statement.period_from,
        statement.period_to,
        statement.amount_due_minor,
        statement.currency,
        statement.told,
    )


def _posting_rows(account: GuarantorAccount) -> Iterator[Row]:
    for posting in account.postings:
        accounts, amounts = zip(*posting.lines, strict=True)
        said = (posting.service_date, posting.description)
        yield (account.number, *posting.key, posting.at, *said, accounts, amounts)


def _columns(rows: Sequence[Row]) -> Iterator[list[Any]]:
    return map(list, zip(*rows, strict=True))
