"""What really came of it all: what was said on topics, kept in databases, and heard by neighbours."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiokafka import ConsumerRecord

from shared.events.topics import Service
from tests.faults.group import Group, Place
from tests.faults.intents.making import Json
from tests.faults.system import System

Rows = Mapping[str, Sequence[Json]]

_TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "payments": {
        "accounts": "select number, version from guarantor_account where told_at is not null",
        "visits": """
            select account_number, number, closed, told_at is not null as opened,
                charges_minor - insurance_paid_minor + adjustments_minor - paid_minor as balance_minor
            from visit_account
        """,
        "payments": "select payment_id, account_number, amount_minor, status, reason from payment",
        "postings": "select account_number, kind, cause_id, accounts, amounts from posting",
        "statements": "select statement_id from statement where told",
    },
    "insurance": {
        "patients": "select patient_id from patient where told_at is not null",
        "appointments": "select appointment_id from appointment",
        "sessions": "select session_id from portal_session where ended_at is not null",
        "coverages": """
            select coverage_id, content ->> 'member_id' as member_id, status, waiting_session from coverage
        """,
        "changes": "select change_id, coverage_id, waiting_session from change_request",
        "verifications": """
            select verification_id, coverage_id, session_id, change_id, status, result,
                inquiry ->> 'member_id' as member_id
            from verification
        """,
        "exchanges": "select verification_id, result from payer_exchange",
    },
    "inbox": {
        "patients": "select patient_id from patient where told_at is not null",
        "appointments": "select appointment_id from appointment",
        "items": "select item_id, pool, version, thread_id, work_id from item",
        "messages": "select message_id, item_id, author, body from message",
        "history": "select item_id, what, by from item_history",
    },
    "notifications": {
        "patients": "select patient_id from patient",
        "accounts": "select number from account where told_at is not null",
        "contacts": "select contact_id from contact",
        "statements": "select statement_id, account_number, paper_reason from statement",
        "alerts": "select alert_id, statement_id, contact_id, channel, status from alert",
    },
}
_OUTSIDE: Final = {
    "payments": {"charges": "/processor/charges"},
    "insurance": {"inquiries": "/clearinghouse/requests"},
    "notifications": {"mails": "/mail/messages", "texts": "/sms/messages"},
}
_COUNTS: Final = """
    select (select count(*) from handled_message) as handled,
        (select count(*) from outbox) as unsent,
        (select count(*) from parked_record) as parked,
        (select count(*) from task) as tasks,
        (select count(*) from task where due_at <= $1::text::timestamptz) as due
"""
_UNHEARD: Final = "select count(*) as unheard from alert where status = 'sent'"


@dataclass(frozen=True, slots=True)
class Said:
    """A record that a service published."""

    raw: bytes
    told: Json


@dataclass(frozen=True, slots=True)
class ServiceTruth:
    """What came of it in one service.

    Attributes:
        events: on its topic of events, in their order for each key; as often as they were sent.
        letters: on its topic of dead letters, likewise.
        rows: of its database, by name.
        outside: what its neighbours were told, or staff did, by name.
        counts: what is left in the kit's tables: `handled`, `unsent`, `parked`, `tasks`, `due`; of alerts whose
            receipt is still to come: `unheard`.
        offsets: by partition, how far the service is.
        faults: processes that do not say that they are ready, or that ended by themselves.
    """

    service: Service
    events: Sequence[Said]
    letters: Sequence[Said]
    rows: Rows
    outside: Rows
    counts: Mapping[str, int]
    offsets: Mapping[Place, int]
    faults: Sequence[str]


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that the checks look at: services by name, and by partition the end of what they read."""

    parts: Mapping[str, ServiceTruth]
    ends: Mapping[Place, int]


async def counts(system: System, group: Group) -> dict[str, int]:
    """Return what a service has left to do."""
    now = (await system.sandbox_says("/clock"))["now"]
    left = dict((await group.rows(_COUNTS, now))[0])
    return left | (dict((await group.rows(_UNHEARD))[0]) if group.name == "notifications" else {})


async def truth(system: System, calls: Sequence[Json]) -> Truth:
    """Look at everything, once nothing is under way; `calls` are what staff did over HTTP."""
    parts = {group.name: await _part(system, group) for group in system.groups.values()}
    if "inbox" in parts:
        parts["inbox"] = replace(parts["inbox"], outside={"calls": calls})
    return Truth(parts, await system.ends())


async def _part(system: System, group: Group) -> ServiceTruth:
    rows, outside = _TABLES[group.name], _OUTSIDE.get(group.name, {})
    return ServiceTruth(
        service=group.service,
        events=[_said(record) for record in await system.records(group.service.events)],
        letters=[_said(record) for record in await system.records(group.service.dead_letters)],
        rows={name: [dict(row) for row in await group.rows(select)] for name, select in rows.items()},
        outside={name: await system.sandbox_says(path) for name, path in outside.items()},
        counts=await counts(system, group),
        offsets=await group.offsets(),
        faults=[f"{name} is not ready" for name in await group.not_ready()] + group.ended,
    )


def _said(record: ConsumerRecord[bytes, bytes]) -> Said:
    assert record.value is not None
    return Said(record.value, json.loads(record.value))
