"""Statements and the alerts that follow, by notifications' own handlers, beside the naive way.

Everybody is enrolled, with a verified email address. The mail server takes a mail at once, so that only our share
is measured: one statement heard of, one alert decided, sent and told of.
"""

from benchmarks.cases import RUN, Case, beside_naive
from benchmarks.figures import Figure
from benchmarks.world import Records, record
from local.infrastructure import Endpoints
from shared.database import Pool
from shared.events.payments import StatementAvailable
from shared.events.topics import PAYMENTS_EVENTS, SERVICES

# Alerts of one person are sent side by side, in no order: each account has one statement in a round.
ACCOUNTS = RUN

_LAY_OUT = (
    "insert into person (person_id) select 'person-' || n from generate_series(1, $1::int) n",
    """
    insert into contact (person_id, contact_id, channel, address, destination_id, code_id, code_sent_at,
        code_tries, status, version, verified_at)
    select 'person-' || n, 'contact-' || n, 'email', 'person' || n || '@mail.example', 'destination-' || n,
        'code-' || n, now(), 0, 'verified', 1, now()
    from generate_series(1, $1::int) n
    """,
    """
    insert into account (number, persons, told_at)
    select 'A-' || n, jsonb_build_array('person-' || n), now() from generate_series(1, $1::int) n
    """,
    """
    insert into enrolment (person_id, account_number, email_contact_id, text_version, text_sha256, consented_at,
        consented_by)
    select 'person-' || n, 'A-' || n, 'contact-' || n, '1', '', now(), 'patient:person-' || n
    from generate_series(1, $1::int) n
    """,
)


def statements(first: int, count: int) -> Records:
    """Return statements numbered from `first`, of one account after the other."""
    found = []
    for number in range(first, first + count):
        account = number % ACCOUNTS + 1
        data = {
            "account_number": f"A-{account}",
            "statement_id": f"statement-{number}",
            "person_ids": [f"person-{account}"],
            "issued_on": "2026-01-01",
            "due_on": "2026-01-26",
        }
        key = f"A-{account}"
        found.append(record(f"event-{number}", StatementAvailable.TYPE, key, "service:payments", data))
    return found


async def lay_out(pool: Pool) -> None:
    """Put persons who are enrolled for an account each into the tables."""
    for statement in _LAY_OUT:
        await pool.execute(statement, ACCOUNTS)
    await pool.execute("vacuum analyze person, contact, account, enrolment")


CASE = Case(SERVICES["notifications"], PAYMENTS_EVENTS, statements, lay_out, by="correlationid")


async def _check(pool: Pool, done: int) -> None:
    heard = await pool.fetchval("select count(*) from statement where paper_reason is null")
    alerts = await pool.fetchval("select count(*) from alert where status = 'sent'")
    if not heard == alerts == done:
        raise AssertionError(f"{heard} statements, {alerts} alerts")


async def run(endpoints: Endpoints) -> Figure:
    """Measure both ways; a statement, its alert and its event count as one."""
    return await beside_naive("statements_alerted", "statements/s", CASE, endpoints, _check)
