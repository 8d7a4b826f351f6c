"""Reads and writes the state of guarantor accounts: a whole batch in a few statements, whatever its size.

`load` locks the accounts that a batch is about, in the order of their numbers, and `save` writes what the rules
changed. Plans, methods, refunds and work are read only where a message is about them. Only `posting` and
`plan_history` are never updated.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from services.payments import guest_tries, rows, settlements
from services.payments.domain import Named, State, name_plan, named_by
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.ledger import PostingKey
from services.payments.domain.records import Payment, Statement, Visit
from services.payments.domain.rules import Rules
from services.payments.domain.settlement import Settlement
from services.payments.rows import Row
from services.payments.tables import (
    GuarantorAccountRow,
    PaymentRow,
    PlanHistoryRow,
    PlanRow,
    PostingRow,
    RefundRow,
    SavedMethodRow,
    StatementRow,
    VisitAccountRow,
    WorkRow,
)
from shared.database import Connection, arrays, insert, insert_statement, upsert
from shared.events.envelope import Message
from shared.messaging.handlers import Change

_ADD_SHELLS: Final = "insert into guarantor_account (number) select unnest($1::text[]) on conflict do nothing"
READ_ACCOUNTS: Final = (
    f"select {', '.join(rows.ACCOUNT)} from guarantor_account where number = any($1::text[]) order by number"
)
_LOCK_ACCOUNTS: Final = f"{READ_ACCOUNTS} for update"
_READ_VISITS: Final = f"select {', '.join(rows.VISIT)} from visit_account where account_number = any($1::text[])"
_READ_PAYMENTS: Final = f"""
    select {", ".join(rows.PAYMENT)} from payment
    where account_number = any($1::text[]) and status in ('processing', 'unknown')
        or payment_id = any($2::text[]) or review_id = any($3::text[])
"""
_READ_POSTED: Final = """
    select account_number, kind, cause_id from posting
    where (account_number, kind, cause_id) in (select * from unnest($1::text[], $2::text[], $3::text[]))
"""
_READ_STATEMENTS: Final = f"""
    select {", ".join(rows.STATEMENT)} from statement
    where account_number = any($1::text[]) and (not told or statement_id = any($2::text[]))
"""
_READ_METHODS: Final = f"select {', '.join(rows.METHOD)} from saved_method where account_number = any($1::text[])"
_READ_PLANS: Final = f"""
    select {", ".join(rows.PLAN)} from plan
    where account_number = any($1::text[]) and (status in ('active', 'paused') or plan_id = any($2::text[]))
"""
_READ_REFUNDS: Final = f"select {', '.join(rows.REFUND)} from refund where account_number = any($1::text[])"
_READ_WORK: Final = f"select {', '.join(rows.WORK_ENDED)} from work where work_id = any($1::text[])"
_READ_WEBHOOKS: Final = "select account_number, event_id from webhook where event_id = any($1::text[])"
_MOVE_PAYMENTS: Final = """
    update payment p set status = u.status, reason = u.reason, charge_id = u.charge_id, queries = u.queries,
        updated_at = u.updated_at, refunded_minor = u.refunded_minor, dispute_status = u.dispute_status,
        settlement_id = u.settlement_id, settled_minor = u.settled_minor
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::timestamptz[], $7::bigint[],
        $8::text[], $9::text[], $10::bigint[])
        u(payment_id, status, reason, charge_id, queries, updated_at, refunded_minor, dispute_status,
            settlement_id, settled_minor)
    where p.payment_id = u.payment_id
"""
_RAISE_WORK: Final = (
    insert_statement(WorkRow, rows.WORK, "(work_id) do update")
    + """ set status = 'open', raised_at = excluded.raised_at, details = excluded.details, settled_by = null,
        settled_at = null, action = null, note = null
    where work.status = 'settled'"""
)
_SETTLE_WORK: Final = """
    update work w set status = 'settled', settled_by = u.settled_by, settled_at = u.settled_at, action = u.action,
        note = u.note
    from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[])
        u(work_id, settled_by, settled_at, action, note)
    where w.work_id = u.work_id and w.status = 'open'
"""

# The processor repeats what it tells for days; what is repeated later is only a reason to ask it once more.
_TAKE_WEBHOOKS: Final = """
    with old as (
        delete from webhook where event_id = any (array(
            select event_id from webhook where taken_at < now() - interval '90 days'
            order by taken_at limit 2 * cardinality($1::text[]) for update skip locked
        ))
    )
    insert into webhook (event_id, account_number) select * from unnest($1::text[], $2::text[])
"""


async def load(connection: Connection, messages: Sequence[Message[Any]], rules: Rules) -> dict[str, State]:
    """Lock the states that messages are about and return them by key; an account that is not known is missing.

    An account that a fact is about gets its row here, before any lock is taken, so that two processes that
    hear of it at the same time come one after the other.
    """
    named = named_by(messages, rules.proofs)
    if named.told_of:
        await connection.execute(_ADD_SHELLS, sorted(named.told_of))
    states: dict[str, State] = {}
    if named.accounts:
        accounts = await read(connection, named, _LOCK_ACCOUNTS)
        if named.guests:
            # Once the accounts are locked: what others tried of them meanwhile counts.
            accounts = await guest_tries.add(connection, named, accounts, rules.guest_failures_in_all_max)
        states.update(accounts)
    if named.settlements:
        states.update(await settlements.load(connection, named.settlements, _READ_WORK))
    return states


async def read(connection: Connection, named: Named, read_accounts: str) -> dict[str, GuarantorAccount]:
    """Return by number the accounts that are named, each with all that is named of it."""
    accounts = await connection.fetch(read_accounts, list(named.accounts))
    numbers = [row[0] for row in accounts]
    visits: dict[str, dict[str, Visit]] = defaultdict(dict)
    for row in await connection.fetch(_READ_VISITS, numbers):
        visit = rows.visit(row)
        visits[row[0]][visit.number] = visit
        if visit.plan_id and row[0] in named.told_of:
            # What is heard of an account may be about who pays the plan, or leave it nothing to pay.
            named.with_plans.add(row[0])
    more = await _read_work_and_refunds(connection, named)
    payments, elsewhere = await _read_payments(connection, named, numbers)
    posted: dict[str, set[PostingKey]] = defaultdict(set)
    if named.postings:
        for number, kind, cause_id in await connection.fetch(_READ_POSTED, *arrays(named.postings)):
            posted[number].add((kind, cause_id))
    statements: dict[str, dict[str, Statement]] = defaultdict(dict)
    if named.with_statements:
        for row in await connection.fetch(_READ_STATEMENTS, list(named.with_statements), named.statement_ids):
            statements[row[0]][row[1]] = rows.statement(row)
    more |= await _read_plans_and_methods(connection, named)
    return {
        row[0]: GuarantorAccount(
            number=row[0],
            opened=rows.opened(row),
            version=row[1],
            paperless=rows.paperless(row),
            visits=visits.get(row[0], {}),
            payments=payments.get(row[0], {}),
            payment_ids_elsewhere=frozenset(elsewhere.get(row[0], ())),
            statements=statements.get(row[0], {}),
            posted=frozenset(posted.get(row[0], ())),
            **{part: found[row[0]] for part, found in more.items() if row[0] in found},
        )
        for row in accounts
    }


async def _read_work_and_refunds(connection: Connection, named: Named) -> dict[str, dict[str, Any]]:
    """Return work, refunds and webhooks by account, and name the payments that they are about."""
    found: dict[str, dict[str, Any]] = {}
    if named.work_ids:
        work: dict[str, dict[str, Any]] = defaultdict(dict)
        for row in await connection.fetch(_READ_WORK, named.work_ids):
            one = rows.work(row)
            work[row[1]][one.work_id] = one
            if one.about.payment_id:
                named.payments.append((row[1], one.about.payment_id))
            if one.about.refund_id:
                named.with_refunds.add(row[1])
        found["work"] = work
    if named.with_refunds:
        refunds: dict[str, dict[str, Any]] = defaultdict(dict)
        for row in await connection.fetch(_READ_REFUNDS, list(named.with_refunds)):
            refunds[row[0]][row[1]] = rows.refund(row)
            named.payments.append((row[0], row[2]))
        found["refunds"] = refunds
    if named.event_ids:
        webhooks: dict[str, set[str]] = defaultdict(set)
        for number, event_id in await connection.fetch(_READ_WEBHOOKS, named.event_ids):
            webhooks[number].add(event_id)
        found["webhooks"] = {number: frozenset(ids) for number, ids in webhooks.items()}
    return found


async def _read_plans_and_methods(connection: Connection, named: Named) -> dict[str, dict[str, Any]]:
    """Return plans and saved methods by account."""
    found: dict[str, dict[str, Any]] = {}
    if named.with_plans:
        found["plans"] = defaultdict(dict)
        for row in await connection.fetch(_READ_PLANS, list(named.with_plans), named.plan_ids):
            found["plans"][row[0]][row[1]] = rows.plan(row)
    if named.with_methods:
        found["methods"] = defaultdict(dict)
        for row in await connection.fetch(_READ_METHODS, list(named.with_methods)):
            found["methods"][row[0]][row[1]] = rows.method(row)
    return found


async def _read_payments(
    connection: Connection, named: Named, numbers: list[str]
) -> tuple[dict[str, dict[str, Payment]], dict[str, set[str]]]:
    """Return by account number its payments, and the ids that were named for it but are another account's."""
    owners: dict[str, str] = {}
    payments: dict[str, dict[str, Payment]] = defaultdict(dict)
    wanted = {payment_id for _, payment_id in named.payments}
    for row in await connection.fetch(_READ_PAYMENTS, numbers, list(wanted), named.review_ids):
        payment = rows.payment(row)
        owners[payment.payment_id] = row[0]
        payments[row[0]][payment.payment_id] = payment
        if payment.payment_id in wanted:
            # What the payment pays of a plan, and the method that is kept once it is made.
            named.with_methods.add(row[0])
            if payment.plan_id:
                name_plan(named, row[0], payment.plan_id)
    elsewhere: dict[str, set[str]] = defaultdict(set)
    for number, payment_id in named.payments:
        if owners.get(payment_id, number) != number:
            elsewhere[number].add(payment_id)
    return payments, elsewhere


async def save(connection: Connection, changes: Sequence[Change[State]]) -> None:
    """Write what differs between the states before and after: rows are objects that were replaced."""
    accounts = [(change.before or GuarantorAccount(change.key), change.after) for change in changes]
    ours = [
        (before, after)
        for before, after in accounts
        if isinstance(before, GuarantorAccount) and isinstance(after, GuarantorAccount)
    ]
    await _save_accounts(connection, ours)
    for change in changes:
        if isinstance(change.after, Settlement):
            await settlements.save(connection, change.before, change.after)
    raised = [rows.work_row(after.number, one) for _, after in ours for one in after.raised]
    settled = [one for change in changes for one in change.after.settled]
    raised += [
        rows.work_row(change.key, one)
        for change in changes
        if isinstance(change.after, Settlement)
        for one in change.after.raised
    ]
    if raised:
        # Raised twice in a batch, it is the same work.
        await connection.execute(_RAISE_WORK, *arrays(list({row[0]: row for row in raised}.values())))
    if settled:
        await connection.execute(_SETTLE_WORK, *arrays([rows.settled_row(one) for one in settled]))


async def _save_accounts(
    connection: Connection, changes: Sequence[tuple[GuarantorAccount, GuarantorAccount]]
) -> None:
    accounts: list[Row] = []
    new_payments: list[Row] = []
    payments: list[Row] = []
    postings: list[Row] = []
    plan_history: list[Row] = []
    for before, after in changes:
        told = (after.version, after.opened, after.paperless)
        if told != (before.version, before.opened, before.paperless):
            accounts.append(rows.account_row(after))
        if after.payments is not before.payments:
            for payment in after.payments.values():
                known = before.payments.get(payment.payment_id)
                if known is None:
                    new_payments.append(rows.payment_row(after.number, payment))
                elif known is not payment:
                    payments.append(rows.progress(payment))
        postings += rows.posting_rows(after)
        plan_history += rows.plan_history_rows(after)
    await upsert(connection, GuarantorAccountRow, rows.ACCOUNT, accounts)
    # Never over another: an id that another account took meanwhile is an error.
    await insert(connection, PaymentRow, rows.PAYMENT, new_payments)
    if payments:
        await connection.execute(_MOVE_PAYMENTS, *arrays(payments))
    await insert(connection, PostingRow, rows.POSTING, postings)
    for part, model, names, row_of in _PARTS:
        await upsert(connection, model, names, list(chain.from_iterable(_changed(changes, part, row_of))))
    await insert(connection, PlanHistoryRow, rows.PLAN_HISTORY, plan_history)
    taken = [(event_id, after.number) for _, after in changes for event_id in after.taken]
    if taken:
        await connection.execute(_TAKE_WEBHOOKS, *arrays(taken))


_PARTS: Final[tuple[tuple[str, Any, tuple[str, ...], Callable[[str, Any], Row]], ...]] = (
    ("visits", VisitAccountRow, rows.VISIT, rows.visit_row),
    ("statements", StatementRow, rows.STATEMENT, rows.statement_row),
    ("methods", SavedMethodRow, rows.METHOD, rows.method_row),
    ("plans", PlanRow, rows.PLAN, rows.plan_row),
    ("refunds", RefundRow, rows.REFUND, rows.refund_row),
)
"""The parts of an account that are rows of their own, inserted or updated alike."""


def _changed(
    changes: Sequence[tuple[GuarantorAccount, GuarantorAccount]], part: str, row_of: Callable[[str, Any], Row]
) -> Iterator[list[Row]]:
    """Return the rows of what was replaced in one part of each account."""
    for before, after in changes:
        there, now = getattr(before, part), getattr(after, part)
        if now is not there:
            yield [row_of(after.number, one) for key, one in now.items() if one is not there.get(key)]
