"""What is read outside the rules: by those who perform tasks, and by the API. Nothing is locked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from services.notifications.domain.person import Contact, Enrolment
from services.notifications.rows import CONTACT, ENROLMENT, to_contact, to_enrolment
from shared.database import AWAY, Pool
from shared.events.notifications import Channel

log = structlog.get_logger(__name__)

_NEAREST_PATIENTS: Final = """
    (select time_zone, language from patient where person_id = $1 order by patient_id limit 20)
    union all
    (select time_zone, language from patient
        where proxies ? $1 and not exists (select from patient where person_id = $1)
        order by patient_id limit 20)
"""
_ALERT: Final = """
    select a.person_id, a.channel, a.attempt, a.created_at, c.address, c.status, d.stopped_at is not null,
        e.ended_reason, a.contact_version = c.version and a.contact_id in (e.email_contact_id, e.text_contact_id)
    from alert a
    join contact c on c.person_id = a.person_id and c.contact_id = a.contact_id
    join enrolment e on e.person_id = a.person_id and e.account_number = a.account_number
    left join destination d on d.destination_id = c.destination_id
    where a.alert_id = $1
"""
_BEGIN: Final = """
    insert into attempt (alert_id, attempt, began_at) values ($1, $2, $3) on conflict do nothing returning true
"""
_CODE: Final = """
    select channel, address from contact
    where person_id = $1 and contact_id = $2 and code_id = $3 and address is not null
"""
_NUMBER: Final = """
    select person_id, address from contact where destination_id = $1 and address is not null limit 1
"""
_ALERT_OF: Final = "select account_number, person_id, contact_id from alert where alert_id = $1"
_CODE_OF: Final = "select person_id, contact_id from code where code_id = $1"
_NOTE_TEXT: Final = """
    with old as (
        delete from carried_text where provider_id = any (array(
            select provider_id from carried_text where taken_at < $3::timestamptz - interval '30 days'
            order by taken_at limit 2 for update skip locked
        ))
    )
    insert into carried_text (provider_id, reference, taken_at) values ($1, $2, $3)
    on conflict (provider_id) do update set reference = excluded.reference, taken_at = excluded.taken_at
"""
_REFERENCE: Final = "select reference from carried_text where provider_id = $1"
_CONTACTS: Final = f"""
    select {", ".join(CONTACT)} from contact where person_id = $1 and status <> 'removed'
    order by code_sent_at, contact_id
"""
_ENROLMENTS: Final = f"select {', '.join(ENROLMENT)} from enrolment where person_id = $1"
_ACCOUNTS: Final = "select number from account where persons ? $1 order by number"


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What sending an alert takes; `forbidden` is why it may not be sent any more."""

    person_id: str
    channel: Channel
    attempt: int
    created_at: datetime
    address: str | None
    forbidden: str | None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a person may be, and what they read, as far as hosts have told."""

    zones: tuple[str, ...]
    language: str | None


async def whereabouts(pool: Pool, person_id: str) -> Whereabouts:
    """Return where a person may be: for want of their own, the places of those whom they act for."""
    rows = await pool.fetch(_NEAREST_PATIENTS, person_id)
    return Whereabouts(tuple(row[0] for row in rows), rows[0][1] if rows else None)


async def dispatch(pool: Pool, alert_id: str) -> Dispatch:
    """Return what sending an alert takes, as things are now."""
    row = await pool.fetchrow(_ALERT, alert_id)
    assert row is not None  # noqa: S101  # a task is written with its alert, and its contact stays
    person_id, channel, attempt, created_at, address, status, stopped, ended_reason, chosen = row
    forbidden = None
    if stopped:
        forbidden = "texts_stopped"
    elif ended_reason is not None:
        forbidden = ended_reason
    elif status == "removed":
        forbidden = "contact_removed"
    elif status != "verified":
        forbidden = "contact_refused"
    elif not chosen:
        forbidden = "no_longer_chosen"
    return Dispatch(person_id, channel, attempt, created_at, address, forbidden)


async def begin_attempt(pool: Pool, alert_id: str, attempt: int, now: datetime) -> bool:
    """Write that an attempt begins; it is false when it had begun before, and so may have been made."""
    return bool(await pool.fetchval(_BEGIN, alert_id, attempt, now))


async def address_of_code(pool: Pool, person_id: str, contact_id: str, code_id: str) -> tuple[Channel, str] | None:
    """Return where a code goes, unless there is a newer one."""
    row = await pool.fetchrow(_CODE, person_id, contact_id, code_id)
    return None if row is None else (row[0], row[1])


async def number_of(pool: Pool, destination_id: str) -> tuple[str, str] | None:
    """Return one of the persons whose number it is, and the number."""
    row = await pool.fetchrow(_NUMBER, destination_id)
    return None if row is None else (row[0], row[1])


async def alert_of(pool: Pool, reference: str) -> tuple[str, str, str] | None:
    """Return account, person and contact of the alert with a reference."""
    row = await pool.fetchrow(_ALERT_OF, reference)
    return None if row is None else (row[0], row[1], row[2])


async def code_of(pool: Pool, reference: str) -> tuple[str, str] | None:
    """Return person and contact of the code with a reference."""
    row = await pool.fetchrow(_CODE_OF, reference)
    return None if row is None else (row[0], row[1])


async def note_text(pool: Pool, provider_id: str, reference: str, now: datetime) -> None:
    """Note what the carrier calls the text with a reference, and forget some of those that are long over.

    The text is on its way: that its receipt will not be understood must not let it be taken for not sent.
    """
    try:
        await pool.execute(_NOTE_TEXT, provider_id, reference, now)
    except AWAY as error:
        log.warning("a text was taken, but its name was not noted", error_type=type(error).__name__)


async def reference_of(pool: Pool, provider_id: str) -> str | None:
    """Return the reference of the text that the carrier calls so."""
    reference: str | None = await pool.fetchval(_REFERENCE, provider_id)
    return reference


async def preferences(pool: Pool, person_id: str) -> tuple[list[Contact], dict[str, Enrolment], Sequence[str]]:
    """Return a person's contacts, their enrolments by account, and the accounts that they may see."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        contacts = [to_contact(row) for row in await connection.fetch(_CONTACTS, person_id)]
        enrolments = {row[1]: to_enrolment(row) for row in await connection.fetch(_ENROLMENTS, person_id)}
        accounts = [row[0] for row in await connection.fetch(_ACCOUNTS, person_id)]
    return contacts, enrolments, accounts
