"""Reads and writes what the rules decide about: a whole batch in a few statements, whatever its size.

`load` locks accounts, then persons, then destinations, each in the order of their keys; what is only read beside
them is not locked. A key that may be new gets its row before any lock is taken, so that two processes that hear
of it at the same time come one after the other.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, assert_never

from services.notifications.domain import Named, State, named_by
from services.notifications.domain.account import Account, Alert, Patient, Statement, Subscriber
from services.notifications.domain.address import AddressError, normalise
from services.notifications.domain.contacts import CODES_COUNTED, CODES_OF_ADDRESS_MAX, CODES_OF_PREFIX_MAX
from services.notifications.domain.person import Contact, Crowd, Enrolment, Identity, Person, identity
from services.notifications.domain.rules import Rules
from services.notifications.domain.texting import Destination
from services.notifications.rows import (
    ACCOUNT,
    ALERT,
    CODE,
    CONSENT,
    CONTACT,
    ENROLMENT,
    PATIENT,
    STATEMENT,
    Rows,
    neighbourhood,
    to_contact,
    to_enrolment,
)
from services.notifications.tables import (
    AccountRow,
    AlertRow,
    CodeRow,
    ConsentRow,
    ContactRow,
    DestinationRow,
    EnrolmentRow,
    PatientRow,
    StatementRow,
)
from shared.database import Connection, arrays, insert, insert_statement, upsert
from shared.events.envelope import Message
from shared.events.notifications import AddContact, Channel, ResendCode
from shared.messaging.handlers import Change

_ADD_ACCOUNTS: Final = "insert into account (number) select unnest($1::text[]) on conflict do nothing"
_ADD_PERSONS: Final = "insert into person (person_id) select unnest($1::text[]) on conflict do nothing"
_ADD_DESTINATIONS: Final = (
    "insert into destination (destination_id) select unnest($1::text[]) on conflict do nothing"
)
_LOCK_ACCOUNTS: Final = f"""
    select {", ".join(ACCOUNT)} from account where number = any($1::text[]) order by number for update
"""
_LOCK_PERSONS: Final = """
    select person_id from person where person_id = any($1::text[]) order by person_id for update
"""
_LOCK_DESTINATIONS: Final = """
    select destination_id, stopped_at from destination
    where destination_id = any($1::text[]) order by destination_id for update
"""
_READ_CONTACTS: Final = f"select {', '.join(CONTACT)} from contact where person_id = any($1::text[])"
_READ_ENROLMENTS: Final = f"select {', '.join(ENROLMENT)} from enrolment where person_id = any($1::text[])"
_READ_CODES: Final = """
    select person_id, contact_id, sent_at from code where person_id = any($1::text[]) and sent_at > $2
"""
_READ_CROWDS: Final = """
    select asked.destination_id, asked.prefix_id,
        (select count(*) from (select from code
            where destination_id = asked.destination_id and sent_at > $3 limit $4) one),
        (select count(*) from (select from code
            where prefix_id = asked.prefix_id and sent_at > $3 limit $5) one)
    from unnest($1::text[], $2::text[]) asked(destination_id, prefix_id)
"""
_READ_ADDRESSES: Final = """
    select c.person_id, c.contact_id, c.channel, c.address
    from unnest($1::text[], $2::text[]) asked(person_id, contact_id)
    join contact c using (person_id, contact_id) where c.address is not null
"""
_READ_MAY_SEE: Final = """
    select asked.person_id, account.number
    from unnest($1::text[], $2::text[]) asked(person_id, account_number)
    join account on account.number = asked.account_number and account.persons ? asked.person_id
"""
_READ_STATEMENTS: Final = f"""
    select {", ".join(STATEMENT)} from statement
    where (account_number, statement_id) in (select * from unnest($1::text[], $2::text[]))
"""
_READ_ALERTS: Final = f"""
    select {", ".join(ALERT)} from alert where (account_number, statement_id) in (
        select account_number, statement_id from alert where alert_id = any($1::text[]))
"""
_READ_SUBSCRIPTIONS: Final = f"""
    select {", ".join(ENROLMENT)} from enrolment where account_number = any($1::text[]) order by account_number
"""
_READ_ZONES: Final = """
    select person_id, 1, time_zone from patient where person_id = any($1::text[])
    union
    select asked.person_id, 2, time_zone from unnest($1::text[]) asked(person_id)
    join patient on patient.proxies ? asked.person_id
    order by 1, 2, 3
"""
_READ_CONTACTS_OF_DESTINATIONS: Final = """
    select destination_id, person_id, contact_id from contact
    where destination_id = any($1::text[]) and status <> 'removed' order by person_id, contact_id
"""
_FORGET_CODES: Final = """
    delete from code where code_id in (
        select code_id from code where sent_at < $1 order by sent_at limit 1000 for update skip locked)
"""
_MOVE_ALERTS: Final = """
    update alert a set status = u.status, reason = u.reason, attempt = u.attempt, failures = u.failures,
        queries = u.queries, provider_id = u.provider_id, updated_at = u.updated_at
    from unnest($1::text[], $2::text[], $3::text[], $4::smallint[], $5::smallint[], $6::smallint[], $7::text[],
        $8::timestamptz[]) u(alert_id, status, reason, attempt, failures, queries, provider_id, updated_at)
    where a.alert_id = u.alert_id
"""
_KEEP_NEWEST_PATIENT: Final = insert_statement(
    PatientRow,
    PATIENT,
    "(patient_id) do update set person_id = excluded.person_id, proxies = excluded.proxies,"
    " time_zone = excluded.time_zone, language = excluded.language, told_at = excluded.told_at"
    " where patient.told_at <= excluded.told_at",
)


async def load(
    rules: Rules, now: Callable[[], datetime], connection: Connection, messages: Sequence[Message[Any]]
) -> dict[str, State]:
    """Lock what messages are about and return it by key; what is not known is missing, or empty."""
    named = named_by(messages)
    found: dict[str, State] = {}
    if named.accounts:
        found |= {f"account:{one.number}": one for one in await _accounts(connection, named)}
    if named.persons:
        found |= {f"person:{one.person_id}": one for one in await _persons(rules, now(), connection, named)}
    if named.destinations:
        found |= {f"destination:{one.destination_id}": one for one in await _destinations(connection, named)}
    return found


# Accounts


async def _accounts(connection: Connection, named: Named) -> list[Account]:
    numbers = sorted(named.accounts)
    await connection.execute(_ADD_ACCOUNTS, numbers)
    rows = await connection.fetch(_LOCK_ACCOUNTS, numbers)
    alerts: dict[str, dict[str, Alert]] = defaultdict(dict)
    if named.alert_ids:
        for row in await connection.fetch(_READ_ALERTS, named.alert_ids):
            alerts[row[0]][row[1]] = Alert(*row[1:])
            named.statements.append((row[0], row[2]))
    statements: dict[str, dict[str, Statement]] = defaultdict(dict)
    subscribers: dict[str, dict[str, Subscriber]] = {}
    if named.statements:
        for row in await connection.fetch(_READ_STATEMENTS, *arrays(named.statements)):
            statements[row[0]][row[1]] = Statement(*row[1:])
        subscribers = await _subscribers(connection, {number for number, _ in named.statements})
    return [
        Account(
            number=row[0],
            persons=tuple(json.loads(row[1])),
            told_at=row[2],
            statements=statements.get(row[0], {}),
            alerts=alerts.get(row[0], {}),
            subscribers=subscribers.get(row[0], {}),
        )
        for row in rows
    ]


async def _subscribers(connection: Connection, numbers: set[str]) -> dict[str, dict[str, Subscriber]]:
    """Return by account number who is, or was, enrolled for it."""
    rows = await connection.fetch(_READ_SUBSCRIPTIONS, list(numbers))
    if not rows:
        return {}
    persons = list({row[0] for row in rows})
    contacts = await _contacts(connection, persons)
    zones = await _zones(connection, persons)
    found: dict[str, dict[str, Subscriber]] = defaultdict(dict)
    for row in rows:
        person_id = row[0]
        whose = (contacts.get(person_id, {}), zones.get(person_id, ()))
        found[row[1]][person_id] = Subscriber(person_id, to_enrolment(row), *whose)
    return found


async def _zones(connection: Connection, persons: list[str]) -> dict[str, tuple[str, ...]]:
    """Return by person where they are as far as is known: for want of their own, the zones of their patients."""
    nearest: dict[str, tuple[int, tuple[str, ...]]] = {}
    for person_id, rank, zone in await connection.fetch(_READ_ZONES, persons):
        best, zones = nearest.get(person_id, (rank, ()))
        if rank == best:
            nearest[person_id] = (rank, (*zones, zone))
    return {person_id: zones for person_id, (_, zones) in nearest.items()}


# Persons


async def _persons(rules: Rules, now: datetime, connection: Connection, named: Named) -> list[Person]:
    adding = sorted({message.data.person_id for message in named.codes})
    if adding:
        await connection.execute(_ADD_PERSONS, adding)
    rows = await connection.fetch(_LOCK_PERSONS, sorted(named.persons))
    # Who never added a contact has no row yet: there is nothing to lock, for nothing of theirs can change.
    ids = sorted({row[0] for row in rows} | {person_id for person_id, _ in named.enrolling})
    contacts = await _contacts(connection, ids)
    enrolments: dict[str, dict[str, Enrolment]] = defaultdict(dict)
    for row in await connection.fetch(_READ_ENROLMENTS, ids):
        enrolments[row[0]][row[1]] = to_enrolment(row)
    accounts: dict[str, set[str]] = defaultdict(set)
    if named.enrolling:
        for person_id, number in await connection.fetch(_READ_MAY_SEE, *arrays(named.enrolling)):
            accounts[person_id].add(number)
    codes, crowds = await _codes(rules, now - CODES_COUNTED, connection, named.codes)
    return [
        Person(
            person_id=person_id,
            contacts=contacts.get(person_id, {}),
            enrolments=enrolments.get(person_id, {}),
            codes=tuple(codes.get(person_id, ())),
            accounts=frozenset(accounts.get(person_id, ())),
            crowds=crowds,
        )
        for person_id in ids
    ]


async def _contacts(connection: Connection, persons: list[str]) -> dict[str, dict[str, Contact]]:
    found: dict[str, dict[str, Contact]] = defaultdict(dict)
    for row in await connection.fetch(_READ_CONTACTS, persons):
        found[row[0]][row[1]] = to_contact(row)
    return found


async def _codes(
    rules: Rules, since: datetime, connection: Connection, asking: Sequence[Message[Any]]
) -> tuple[dict[str, list[tuple[str, datetime]]], dict[Identity, Crowd]]:
    """Return by person the codes of the last day, and by message how crowded the address is that it means.

    Addresses are locked, and a message counts for those behind it in the batch: so many persons who ask for the
    same address at once cannot have more codes sent to it than one.
    """
    codes: dict[str, list[tuple[str, datetime]]] = defaultdict(list)
    if not asking:
        return codes, {}
    for person_id, contact_id, sent_at in await connection.fetch(
        _READ_CODES, list({message.data.person_id for message in asking}), since
    ):
        codes[person_id].append((contact_id, sent_at))
    meant = await _addresses(connection, asking)
    places = {
        which: (rules.destination(channel, address), neighbourhood(rules, channel, address))
        for which, (channel, address) in meant.items()
    }
    if not places:
        return codes, {}
    ids = sorted({destination_id for destination_id, _ in places.values()})
    await connection.execute(_ADD_DESTINATIONS, ids)
    stopped = {row[0]: row[1] is not None for row in await connection.fetch(_LOCK_DESTINATIONS, ids)}
    limits = (since, CODES_OF_ADDRESS_MAX, CODES_OF_PREFIX_MAX)
    rows = await connection.fetch(_READ_CROWDS, *arrays(list(set(places.values()))), *limits)
    of_address = Counter({row[0]: row[2] for row in rows})
    of_prefix = Counter({row[1]: row[3] for row in rows})
    crowds = {}
    for message in asking:
        place = places.get(identity(message))
        if place is None:
            continue
        destination_id, prefix_id = place
        crowd = Crowd(of_address[destination_id], of_prefix[prefix_id], stopped[destination_id])
        crowds[identity(message)] = crowd
        of_address[destination_id] += 1
        of_prefix[prefix_id] += 1
    return codes, crowds


async def _addresses(
    connection: Connection, asking: Sequence[Message[Any]]
) -> dict[Identity, tuple[Channel, str]]:
    """Return by message the address that it asks to send a code to; what is no address is missing."""
    again = [message for message in asking if isinstance(message.data, ResendCode)]
    pairs = [(message.data.person_id, message.data.contact_id) for message in again]
    known: dict[tuple[str, str], tuple[Channel, str]] = {}
    if pairs:
        rows = await connection.fetch(_READ_ADDRESSES, *arrays(pairs))
        known = {(row[0], row[1]): (row[2], row[3]) for row in rows}
    found = {identity(message): known[pair] for message, pair in zip(again, pairs, strict=True) if pair in known}
    for message in asking:
        if isinstance(asked := message.data, AddContact):
            with suppress(AddressError):
                found[identity(message)] = (asked.channel, normalise(asked.channel, asked.address))
    return found


# Destinations


async def _destinations(connection: Connection, named: Named) -> list[Destination]:
    ids = sorted(named.destinations)
    await connection.execute(_ADD_DESTINATIONS, ids)
    rows = await connection.fetch(_LOCK_DESTINATIONS, ids)
    contacts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for destination_id, *whose in await connection.fetch(_READ_CONTACTS_OF_DESTINATIONS, ids):
        contacts[destination_id].append((whose[0], whose[1]))
    return [Destination(row[0], row[1], tuple(contacts.get(row[0], ()))) for row in rows]


# Writing


async def save(rules: Rules, connection: Connection, changes: Sequence[Change[State]]) -> None:
    """Write what differs between the states before and after: rows are objects that were replaced."""
    rows = Rows(rules)
    for _, before, after in changes:
        match after:
            case Person():
                rows.person(before if isinstance(before, Person) else Person(after.person_id), after)
            case Account():
                rows.account(before if isinstance(before, Account) else Account(after.number), after)
            case Destination():
                rows.destinations.append((after.destination_id, after.stopped_at))
            case Patient():
                rows.patient(after)
            case _:
                assert_never(after)
    await upsert(connection, ContactRow, CONTACT, rows.contacts)
    await upsert(connection, EnrolmentRow, ENROLMENT, rows.enrolments)
    await insert(connection, ConsentRow, CONSENT, rows.consents)
    if rows.codes:
        newest = max(sent_at for *_, sent_at in rows.codes)
        await connection.execute(_FORGET_CODES, newest - CODES_COUNTED)
    await insert(connection, CodeRow, CODE, rows.codes)
    await upsert(connection, AccountRow, ACCOUNT, rows.accounts)
    await upsert(connection, StatementRow, STATEMENT, rows.statements)
    await insert(connection, AlertRow, ALERT, rows.new_alerts)
    if rows.alerts:
        await connection.execute(_MOVE_ALERTS, *arrays(rows.alerts))
    await upsert(connection, DestinationRow, ("destination_id", "stopped_at"), rows.destinations)
    if rows.patients:
        await connection.execute(_KEEP_NEWEST_PATIENT, *arrays(rows.patients))
