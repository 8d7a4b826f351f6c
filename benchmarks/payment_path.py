"""The real payment path with its ledger, and what it costs with ten thousand and with ten million accounts.

Payments' own handlers: a payment is accepted, charged (by a processor that says yes at once, so that only our
share is measured), posted to the ledger, and told: three events, and one posting for each.
"""

import statistics
import time

from benchmarks.cases import Case, prepare
from benchmarks.figures import Figure
from benchmarks.world import Child, Records, Tail, child, environment, produce, record, size
from local.infrastructure import Endpoints
from shared.database import Pool
from shared.events.payments import SubmitPayment
from shared.events.topics import PAYMENTS_COMMANDS, SERVICES

RUN = size("BENCH_ROUND", 10_000)
ROUNDS = 3
WARM_UP_ROUNDS = 3
EVENTS_EACH = 3
FEW, MANY = 10_000, size("BENCH_ACCOUNTS", 10_000_000)

_ACCOUNTS = """
    insert into guarantor_account (number, version, person_id, first_name, last_name, viewers, affiliate, currency,
        told_at)
    select 'A-' || n, 1, 'person-' || n, 'First', 'Last', '[]', 'affiliate', 'USD', now()
    from generate_series($1::bigint, $2::bigint) n
"""
_VISITS = """
    insert into visit_account (account_number, number, patient_id, visit_date, description, told_at, closed,
        charges_minor, insurance_paid_minor, adjustments_minor, paid_minor)
    select 'A-' || n, 'V-' || n, 'patient-' || n, '2026-01-01', 'Visit', now(), false, 1000000000, 0, 0, 0
    from generate_series($1::bigint, $2::bigint) n
"""


def payments(first: int, count: int, accounts: int = FEW) -> Records:
    """Return payments numbered from `first`, spread over all accounts, in no order that an index would like."""
    found = []
    for number in range(first, first + count):
        account = number * 7919 % accounts + 1
        data = {
            "payment_id": f"payment-{number}",
            "account_number": f"A-{account}",
            "amount_minor": 100,
            "currency": "USD",
            "method": {"kind": "card", "token": "tok_ok", "last4": "4242"},
        }
        actor = f"patient:person-{account}"
        found.append(record(f"command-{number}", SubmitPayment.TYPE, f"A-{account}", actor, data))
    return found


async def open_accounts(pool: Pool, first: int, last: int) -> None:
    """Put accounts with one visit each into the tables, each with a guarantor of its own."""
    for statement in (_ACCOUNTS, _VISITS):
        await pool.execute(statement, first, last, timeout=1800)
    await pool.execute("vacuum analyze guarantor_account, visit_account", timeout=600)


async def lay_out(pool: Pool) -> None:
    """Open the accounts of the first rounds."""
    await open_accounts(pool, 1, FEW)


CASE = Case(SERVICES["payments"], PAYMENTS_COMMANDS, payments, lay_out)


async def _round(service: Child, endpoints: Endpoints, first: int, accounts: int) -> float:
    """Return payments a second, from the first command to the last event."""
    async with Tail(endpoints.kafka, CASE.service.events.name) as tail:
        since = await tail.ends()
        service.hold()
        await produce(endpoints.kafka, CASE.heard.name, payments(first, RUN, accounts))
        started = service.release()
        await tail.grown(since, RUN * EVENTS_EACH, 300)
        return RUN / (time.time() - started)


async def _rates(service: Child, endpoints: Endpoints, pool: Pool, first: int, accounts: int) -> list[float]:
    for number in range(WARM_UP_ROUNDS):
        await _round(service, endpoints, first + number * RUN, accounts)
    first += WARM_UP_ROUNDS * RUN
    rates = [await _round(service, endpoints, first + number * RUN, accounts) for number in range(ROUNDS)]
    lines = await pool.fetchval("select sum(sum_minor(amounts)) from posting")
    posted = await pool.fetchval("select count(*) from posting where kind = 'payment'")
    if lines != 0 or posted != first + ROUNDS * RUN:
        raise AssertionError(f"{posted} postings, which sum to {lines}")
    return rates


async def run(endpoints: Endpoints) -> Figure:
    """Measure with few accounts, then add accounts and measure again."""
    pool = await prepare(CASE, endpoints)
    with child("payments", env=environment(endpoints, "payments")) as service:
        few = await _rates(service, endpoints, pool, 0, FEW)
        await open_accounts(pool, FEW + 1, MANY)
        many = await _rates(service, endpoints, pool, (WARM_UP_ROUNDS + ROUNDS) * RUN, MANY)
    await pool.close()
    value, with_many = statistics.median(few), statistics.median(many)
    return Figure(
        name="payment_path",
        value=value,
        unit="payments/s",
        beside={f"with {MANY:,} accounts": with_many, "accounts": FEW},
        ratio={f"with {MANY:,} accounts": value / with_many},
    )
