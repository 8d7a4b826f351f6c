"""What really came of it all: everything that was said on topics, kept in the database, and charged."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import ConsumerRecord

from shared.events.topics import PAYMENTS_EVENTS, SERVICES
from tests.faults.system import Place, System

Json = dict[str, Any]

_TABLES: Final = {
    "accounts": "select number, version from guarantor_account where told_at is not null",
    "visits": """
        select account_number, number, closed, told_at is not null as opened,
            charges_minor - insurance_paid_minor + adjustments_minor - paid_minor as balance_minor
        from visit_account
    """,
    "payments": "select payment_id, account_number, amount_minor, status, reason from payment",
    "postings": "select account_number, kind, cause_id, accounts, amounts from posting",
}
_COUNTS: Final = """
    select (select count(*) from handled_message) as handled,
        (select count(*) from outbox) as unsent,
        (select count(*) from parked_record) as parked,
        (select count(*) from task) as tasks,
        (select count(*) from task where due_at <= $1::text::timestamptz) as due
"""


@dataclass(frozen=True, slots=True)
class Said:
    """A record that payments published."""

    raw: bytes
    told: Json


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that the checks look at.

    Attributes:
        events: on the topic of events, in their order for each key; as often as they were sent.
        letters: on the topic of dead letters, likewise.
        charges: what the processor charged.
        accounts, visits, payments, postings: rows of the database.
        counts: what is left in the kit's tables: `handled`, `unsent`, `parked`, `tasks`, `due`.
        offsets: by partition, how far payments is.
        ends: by partition, the end of what it has to read.
        not_ready: processes that do not say that they are ready.
        ended: processes that ended by themselves.
    """

    events: Sequence[Said]
    letters: Sequence[Said]
    charges: Sequence[Json]
    accounts: Sequence[Json]
    visits: Sequence[Json]
    payments: Sequence[Json]
    postings: Sequence[Json]
    counts: Json
    offsets: dict[Place, int]
    ends: dict[Place, int]
    not_ready: Sequence[str]
    ended: Sequence[str]


async def counts(system: System) -> Json:
    """Return what is left in the kit's tables."""
    now = (await system.sandbox_says("/clock"))["now"]
    return dict((await system.rows(_COUNTS, now))[0])


async def truth(system: System) -> Truth:
    """Look at everything, once nothing is under way."""
    tables = {name: [dict(row) for row in await system.rows(select)] for name, select in _TABLES.items()}
    return Truth(
        events=[_said(record) for record in await system.records(PAYMENTS_EVENTS)],
        letters=[_said(record) for record in await system.records(SERVICES["payments"].dead_letters)],
        charges=await system.sandbox_says("/processor/charges"),
        counts=await counts(system),
        offsets=await system.offsets(),
        ends=await system.ends(),
        not_ready=await system.not_ready(),
        ended=system.ended,
        **tables,
    )


def _said(record: ConsumerRecord[bytes, bytes]) -> Said:
    assert record.value is not None
    return Said(record.value, json.loads(record.value))
