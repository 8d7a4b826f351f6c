"""Patients' messages brought to their pools by the inbox's own handlers, beside the naive way.

Half are medical and go to the provider whom the patient sees next, half are questions about bills and go to a pool
of the patient's affiliate, by rules that a supervisor put.
"""

from benchmarks.cases import Case, beside_naive
from benchmarks.figures import Figure
from benchmarks.world import Records, record, size
from local.infrastructure import Endpoints
from services.inbox.domain.routing import DEFAULT_RULES, PoolEntry, Rule, RuleSet, When
from shared.database import Pool
from shared.events.inbox import SendMessage
from shared.events.topics import INBOX_COMMANDS, SERVICES

PATIENTS = size("BENCH_PATIENTS", 10_000)
PROVIDERS = 500
AFFILIATES = 20

_PATIENTS = """
    insert into patient (patient_id, person_id, proxies, first_name, last_name, birth_date, affiliate, language,
        told_at)
    select 'patient-' || n, 'person-' || n, '[]', 'First', 'Last', '1980-01-01', 'affiliate-' || n % $2::int, 'en',
        now()
    from generate_series(1, $1::int) n
"""
_PROVIDERS = """
    insert into provider (provider_id, name, affiliate, told_at)
    select 'provider-' || n, 'Provider ' || n, 'affiliate-' || n % $2::int, now()
    from generate_series(0, $1::int - 1) n
"""
_APPOINTMENTS = """
    insert into appointment (patient_id, appointment_id, told_at, cancelled, provider_id, starts_at)
    select 'patient-' || n, 'appointment-' || n, now(), false, 'provider-' || n % $2::int,
        now() + interval '7 days'
    from generate_series(1, $1::int) n
"""
_RULES = "insert into rule_set (version, document, withdrawn) values ($1, $2, false)"


def messages(first: int, count: int) -> Records:
    """Return messages numbered from `first`, each of a thread of its own; every other one is medical."""
    found = []
    for number in range(first, first + count):
        patient = number * 7919 % PATIENTS + 1
        data: dict[str, object] = {
            "message_id": f"message-{number}",
            "patient_id": f"patient-{patient}",
            "subject": f"Message {number}",
            "body": "I have a question about the letter that came last week. " * 4,
        }
        if number % 2:
            medical = {"kind": "medical", "category": "non-urgent-question"}
            data |= {**medical, "provider_id": f"provider-{patient % PROVIDERS}"}
        else:
            data |= {"kind": "non-medical", "category": "billing-question"}
        key, actor = f"patient-{patient}", f"patient:person-{patient}"
        found.append(record(f"command-{number}", SendMessage.TYPE, key, actor, data))
    return found


def rules() -> RuleSet:
    """Return rules with a billing pool for each affiliate, before those that hold by default."""
    affiliates = [f"affiliate-{n}" for n in range(AFFILIATES)]
    pools = [PoolEntry(pool=f"billing-{one}", name=f"Billing {one}", roles=("billing",)) for one in affiliates]
    own = [
        Rule(when=When(category="billing-question", affiliate=one), pool=f"billing-{one}", why="Each has its own")
        for one in affiliates
    ]
    return RuleSet(version=2, pools=tuple(pools), rules=(*own, *DEFAULT_RULES.rules))


async def lay_out(pool: Pool) -> None:
    """Put patients with an appointment each, providers and rules into the tables."""
    await pool.execute(_PATIENTS, PATIENTS, AFFILIATES)
    await pool.execute(_PROVIDERS, PROVIDERS, AFFILIATES)
    await pool.execute(_APPOINTMENTS, PATIENTS, PROVIDERS)
    put = rules()
    await pool.execute(_RULES, put.version, put.model_dump_json(exclude_none=True))
    await pool.execute("vacuum analyze patient, provider, appointment, rule_set")


CASE = Case(SERVICES["inbox"], INBOX_COMMANDS, messages, lay_out)


async def _check(pool: Pool, done: int) -> None:
    kept = await pool.fetchval("select count(*) from message")
    items = await pool.fetchval("select count(*) from item where state = 'open'")
    of_providers = await pool.fetchval("select count(*) from item where pool like 'provider:%'")
    of_billing = await pool.fetchval("select count(*) from item where pool like 'billing-affiliate-%'")
    counted = await pool.fetchval("select sum(items) from pool_count where state = 'open'")
    if not kept == items == counted == done or not of_providers == of_billing == done // 2:
        raise AssertionError(f"{kept} messages, {items} items, {of_providers} medical, {of_billing} about bills")


async def run(endpoints: Endpoints) -> Figure:
    """Measure both ways; a message, its item and its event count as one."""
    return await beside_naive("messages_routed", "messages/s", CASE, endpoints, _check)
