"""Reads and writes what the inbox decides about: a whole batch in a few statements, whatever its size.

`load` locks patients, then items, each in the order of their ids, and reads beside them what the messages name.
`save` writes what the rules changed, and forgets some of that by which nobody may write any longer. A claim
touches its item and nothing else of the patient's.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from services.inbox.domain import Named, State, named_by
from services.inbox.domain.attachment import Attachment
from services.inbox.domain.item import Desk, Item, ItemChange, ThreadMessage
from services.inbox.domain.patient import (
    REQUESTED_FOR,
    SEEN_FOR,
    Appointment,
    DocumentRequest,
    Patient,
)
from services.inbox.domain.routing import PROVIDER, Provider, RuleSet
from services.inbox.domain.scanning import Upload
from services.inbox.domain.supervising import SUBJECT, Put, Supervision
from services.inbox.rows import (
    APPOINTMENT,
    ATTACHMENT,
    ITEM,
    MESSAGE,
    PATIENT,
    PROVIDER_COLUMNS,
    REQUEST,
    appointment_row,
    attachment_row,
    item_row,
    message_row,
    provider_row,
    registered_row,
    request_row,
    to_item,
    to_message,
    to_registered,
)
from services.inbox.tables import (
    AppointmentRow,
    AttachmentRow,
    DocumentRequestRow,
    ItemRow,
    MessageAttachmentRow,
    MessageRow,
    PatientRow,
    ProviderRow,
    RuleSetRow,
)
from services.inbox.telling import tell
from shared.database import Connection, Pool, arrays, insert, insert_statement, upsert
from shared.events.envelope import Message
from shared.messaging.handlers import Change

# Batches of different partitions hear of the same providers, and the later one to commit may have the older news.
_KEEP_NEWEST_PROVIDER: Final = insert_statement(
    ProviderRow,
    PROVIDER_COLUMNS,
    "(provider_id) do update set"
    " name = case when provider.told_at <= excluded.told_at then coalesce(excluded.name, provider.name)"
    " else coalesce(provider.name, excluded.name) end,"
    " affiliate = case when provider.told_at <= excluded.told_at then excluded.affiliate"
    " else provider.affiliate end,"
    " told_at = greatest(provider.told_at, excluded.told_at)",
)
_ADD_SHELLS: Final = "insert into patient (patient_id) select unnest($1::text[]) on conflict do nothing"
_READ_PATIENTS: Final = f"select {', '.join(PATIENT)} from patient where patient_id = any($1::text[])"
_LOCK_PATIENTS: Final = f"{_READ_PATIENTS} order by patient_id for update"
_READ_APPOINTMENTS: Final = f"select {', '.join(APPOINTMENT)} from appointment where patient_id = any($1::text[])"
_READ_REQUESTS: Final = f"select {', '.join(REQUEST)} from document_request where patient_id = any($1::text[])"
# Of what was told before, nothing lets a patient write by then either.
_FORGET_APPOINTMENTS: Final = """
    delete from appointment where ctid = any (array(
        select ctid from appointment where greatest(told_at, starts_at) < now() - $1::interval
        order by greatest(told_at, starts_at) limit 1000 for update skip locked
    ))
"""
_FORGET_REQUESTS: Final = """
    delete from document_request where ctid = any (array(
        select ctid from document_request where told_at < now() - $1::interval
        order by told_at limit 1000 for update skip locked
    ))
"""
_READ_PROVIDERS: Final = f"select {', '.join(PROVIDER_COLUMNS)} from provider where provider_id = any($1::text[])"
_LOCK_ITEMS: Final = (
    f"select {', '.join(ITEM)} from item where item_id = any($1::text[]) order by item_id for update"
)
_READ_MESSAGES: Final = f"""
    select {", ".join(MESSAGE)} from message
    where (patient_id, message_id) in (select * from unnest($1::text[], $2::text[]))
"""
_READ_ATTACHMENTS: Final = f"""
    select {", ".join(ATTACHMENT)} from attachment where attachment_id = any($1::text[]) order by attachment_id
"""
# Who carries a file while it is being scanned comes before or after, and is told either way.
_CARRY_ATTACHMENTS: Final = f"{_READ_ATTACHMENTS} for share"
_LOCK_ATTACHMENTS: Final = f"{_READ_ATTACHMENTS} for update"
_READ_SHOWING: Final = f"""
    select m.attachment_id, {", ".join(f"i.{name}" for name in ITEM)}
    from message_attachment m join item i using (item_id) where m.attachment_id = any($1::text[])
    order by i.item_id
"""
_LOCK_ADDED: Final = """
    select pg_advisory_xact_lock(hashtextextended(id, 0)) from unnest($1::text[]) u(id) order by id
"""
# The newest may be waiting for its day; then the one before is in force, or, where a clock is behind the one that
# it was put by, the one before that.
_READ_RULE_SETS: Final = """
    select version, document from rule_set where not withdrawn order by version desc limit 3
"""
_WITHDRAW: Final = "update rule_set set withdrawn = true where version > $1 and version < $2"
_LOCK_RULE_SETS: Final = "select pg_advisory_xact_lock(hashtext('rule_set'))"
_COUNT: Final = """
    insert into pool_count (pool, state, writer, items)
    select pool, state, pg_backend_pid() % 32, items from unnest($1::text[], $2::text[], $3::bigint[])
        u(pool, state, items) order by pool, state
    on conflict (pool, state, writer) do update set items = pool_count.items + excluded.items
"""
_SHOW: Final = insert_statement(MessageAttachmentRow, ("attachment_id", "item_id"), "do nothing")


async def load(connection: Connection, messages: Sequence[Message[Any]]) -> dict[str, State]:
    """Lock what the messages are about and return it by key; what is not known is missing.

    A patient whom a fact is about gets their row here, before any lock is taken, so that two processes that hear
    of them at the same time come one after the other; and so do two that add the same file.
    """
    named = named_by(messages)
    states: dict[str, State] = {}
    if named.added:
        await connection.execute(_LOCK_ADDED, sorted(named.added))
    if named.supervision:
        await connection.execute(_LOCK_RULE_SETS)
    if named.heard_of:
        await connection.execute(_ADD_SHELLS, sorted(named.heard_of))
    patients = await _patients(connection, _LOCK_PATIENTS, sorted(named.patients)) if named.patients else {}
    items: dict[str, Item] = {}
    if named.items:
        rows = await connection.fetch(_LOCK_ITEMS, sorted(named.items))
        items = {row[0]: to_item(row) for row in rows}
    attachments = await _attachments(connection, _CARRY_ATTACHMENTS, named.attachments)
    states |= {f"attachment:{file}": upload for file, upload in (await _uploads(connection, named.files)).items()}
    rule_sets = await read_rule_sets(connection) if named.rules else ()
    providers = await _providers(connection, named, patients.values(), items.values(), rule_sets)
    if patients:
        told = await _told_before(connection, named)
        for patient in patients.values():
            threads = {
                item.thread_id: item
                for item in items.values()
                if item.patient_id == patient.patient_id and item.thread_id
            }
            states[f"patient:{patient.patient_id}"] = Patient(
                patient.patient_id,
                patient.registered,
                patient.appointments,
                patient.requests,
                providers,
                threads,
                told.get(patient.patient_id, {}),
                attachments,
                rule_sets,
            )
    if named.items:
        for item_id in named.items:
            states[f"item:{item_id}"] = Desk(items.get(item_id), providers, rule_sets, attachments)
    if named.supervision:
        states[SUBJECT] = Supervision(rule_sets, tuple(providers.values()))
    return states


async def _patients(connection: Connection, read: str, ids: Sequence[str]) -> dict[str, Patient]:
    """Return patients with all appointments and requests that they have, few for one person."""
    registered = {row[0]: to_registered(row) for row in await connection.fetch(read, ids)}
    known = list(registered)
    appointments: dict[str, dict[str, Appointment]] = defaultdict(dict)
    for row in await connection.fetch(_READ_APPOINTMENTS, known):
        appointments[row[0]][row[1]] = Appointment(*row[1:])
    requests: dict[str, dict[str, DocumentRequest]] = defaultdict(dict)
    for row in await connection.fetch(_READ_REQUESTS, known):
        requests[row[0]][row[1]] = DocumentRequest(*row[1:])
    return {
        patient_id: Patient(
            patient_id, registered[patient_id], appointments.get(patient_id, {}), requests.get(patient_id, {})
        )
        for patient_id in known
    }


async def read_patient(pool: Pool, patient_id: str) -> Patient | None:
    """Return a patient with whom they see and have seen, without locking; nothing if nobody has told of them."""
    async with pool.acquire() as connection:
        patient = (await _patients(connection, _READ_PATIENTS, [patient_id])).get(patient_id)
    return patient if patient is not None and patient.registered is not None else None


async def _attachments(connection: Connection, read: str, ids: set[str]) -> dict[str, Attachment]:
    if not ids:
        return {}
    return {row[0]: Attachment(*row) for row in await connection.fetch(read, sorted(ids))}


async def _uploads(connection: Connection, ids: set[str]) -> dict[str, Upload]:
    """Lock files, and read the items that show them."""
    files = await _attachments(connection, _LOCK_ATTACHMENTS, ids)
    showing: dict[str, list[Item]] = defaultdict(list)
    for row in await connection.fetch(_READ_SHOWING, list(files)) if files else ():
        showing[row[0]].append(to_item(row[1:]))
    return {file: Upload(attachment, tuple(showing[file])) for file, attachment in files.items()}


async def read_rule_sets(connection: "Connection | Pool") -> tuple[RuleSet, ...]:
    """Return the newest rule sets, one of which is in force; none where nobody has put any."""
    rows = await connection.fetch(_READ_RULE_SETS)
    return tuple(_rule_set(row["document"]) for row in rows)


@lru_cache(maxsize=16)
def _rule_set(document: str) -> RuleSet:
    return RuleSet.model_validate_json(document)


async def _providers(
    connection: Connection,
    named: Named,
    patients: Iterable[Patient],
    items: Iterable[Item],
    rule_sets: Sequence[RuleSet],
) -> dict[str, Provider]:
    """Return the known providers that messages, their threads, patients' appointments and rules name."""
    ids = set(named.providers)
    if named.messages:
        for patient in patients:
            ids.update(one.provider_id for one in patient.appointments.values() if one.provider_id)
            ids.update(request.provider_id for request in patient.requests.values())
    joined = {item.pool for item in items} if named.messages else set()
    ruled = {rule.pool for rules in rule_sets for rule in rules.rules}
    every = named.pools | joined | ruled
    ids.update(pool.removeprefix(PROVIDER) for pool in every if pool.startswith(PROVIDER))
    if not ids:
        return {}
    rows = await connection.fetch(_READ_PROVIDERS, list(ids))
    return {row[0]: Provider(*row) for row in rows}


async def _told_before(connection: Connection, named: Named) -> dict[str, dict[str, ThreadMessage]]:
    told: dict[str, dict[str, ThreadMessage]] = defaultdict(dict)
    if named.messages:
        for row in await connection.fetch(_READ_MESSAGES, *arrays(named.messages)):
            message = to_message(row)
            told[message.patient_id][message.message_id] = message
    return told


# What a batch changed


@dataclass(slots=True)
class _Rows:
    """The rows that a batch writes, by table."""

    patients: list[tuple[Any, ...]] = field(default_factory=list)
    appointments: list[tuple[Any, ...]] = field(default_factory=list)
    requests: list[tuple[Any, ...]] = field(default_factory=list)
    providers: dict[str, Provider] = field(default_factory=dict)
    new_items: list[Item] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    messages: list[ThreadMessage] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    changes: list[ItemChange] = field(default_factory=list)
    put: list[tuple[int, Put]] = field(default_factory=list)

    def item(self, before: Item | None, after: Item) -> None:
        """Write an item, and count it where it is now."""
        (self.new_items if before is None else self.items).append(after)
        if before is None or (before.pool, before.state) != (after.pool, after.state):
            self.counts[after.pool, after.state] += 1
            if before is not None:
                self.counts[before.pool, before.state] -= 1

    def patient(self, before: Patient, after: Patient) -> None:
        """Write what is new about a patient: rows are objects that were replaced."""
        if after.registered is not None and after.registered is not before.registered:
            self.patients.append((after.patient_id, *registered_row(after.registered)))
        self.appointments += [
            (after.patient_id, *appointment_row(one))
            for one in after.appointments.values()
            if one is not before.appointments.get(one.appointment_id)
        ]
        self.requests += [
            (after.patient_id, *request_row(one))
            for one in after.requests.values()
            if one is not before.requests.get(one.request_id)
        ]
        # All patients of a batch share the providers, until one of them brings something new.
        for provider in after.providers.values() if after.providers is not before.providers else ():
            if provider is not before.providers.get(provider.provider_id):
                others = self.providers.get(provider.provider_id)
                self.providers[provider.provider_id] = others.after(provider) if others else provider
        for thread_id, item in after.items.items():
            if item is not before.items.get(thread_id):
                self.item(before.items.get(thread_id), item)
        self.messages += after.written
        self.changes += after.changes

    def desk(self, before: Desk, after: Desk) -> None:
        """Write what is new about an item."""
        if after.item is not None and after.item is not before.item:
            self.item(before.item, after.item)
        self.messages += after.written
        self.changes += after.changes


async def save(connection: Connection, changes: Sequence[Change[State]]) -> None:
    """Write what differs between the states before and after."""
    rows = _Rows()
    for change in changes:
        match change.after:
            case Patient() as patient:
                before = change.before if isinstance(change.before, Patient) else Patient(patient.patient_id)
                rows.patient(before, patient)
            case Desk() as desk:
                rows.desk(change.before if isinstance(change.before, Desk) else Desk(), desk)
            case Upload(attachment=Attachment() as attachment) as upload:
                rows.attachments.append(attachment)
                rows.changes += upload.changes
            case Supervision() as supervision:
                rows.put += [(supervision.rule_sets[0].version, one) for one in supervision.put]
    await _save_known(connection, rows)
    await _save_items(connection, rows)
    if rows.appointments:
        await connection.execute(_FORGET_APPOINTMENTS, SEEN_FOR)
    if rows.requests:
        await connection.execute(_FORGET_REQUESTS, REQUESTED_FOR)


async def _save_known(connection: Connection, rows: _Rows) -> None:
    await upsert(connection, PatientRow, PATIENT, rows.patients)
    await upsert(connection, AppointmentRow, APPOINTMENT, rows.appointments)
    await upsert(connection, DocumentRequestRow, REQUEST, rows.requests)
    if rows.providers:
        # In one order for everybody, so that no two batches wait for each other.
        providers = sorted(map(provider_row, rows.providers.values()))
        await connection.execute(_KEEP_NEWEST_PROVIDER, *arrays(providers))
    await upsert(connection, AttachmentRow, ATTACHMENT, [attachment_row(one) for one in rows.attachments])
    for in_force, put in rows.put:
        await connection.execute(_WITHDRAW, in_force, put.rules.version)
        document = put.rules.model_dump_json(exclude_none=True)
        columns = ("version", "document", "withdrawn", "put_by", "put_at")
        await insert(connection, RuleSetRow, columns, [(put.rules.version, document, False, put.by, put.at)])


async def _save_items(connection: Connection, rows: _Rows) -> None:
    # Never over another: work that was raised twice at once is an error, and decided again.
    await insert(connection, ItemRow, ITEM, [item_row(item) for item in rows.new_items])
    await upsert(connection, ItemRow, ITEM, [item_row(item) for item in rows.items])
    await insert(connection, MessageRow, MESSAGE, [message_row(one) for one in rows.messages])
    shown = {(of, one.item_id) for one in rows.messages for of in one.attachment_ids}
    if shown:
        await connection.execute(_SHOW, *arrays(sorted(shown)))
    await tell(connection, rows.changes)
    counts = [(pool, state, count) for (pool, state), count in rows.counts.items() if count]
    if counts:
        await connection.execute(_COUNT, *arrays(counts))
