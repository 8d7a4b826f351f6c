"""Reads and writes the states of patients and sessions: a whole batch in a few statements, whatever its size.

`load` locks first the sessions and then the patients that a batch is about, each in the order of their ids, so
that two processes wait for each other and never both see the world before the other's change. `save` writes what
the rules changed. What only grows (answers, exchanges, history) is never updated. Sessions and appointments are
forgotten when nothing can come of them any longer, some with each batch that writes others.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

from pydantic import BaseModel, TypeAdapter

from services.insurance.domain import Named, State, named_by
from services.insurance.domain.patient import (
    Appointment,
    ChangeRequest,
    Content,
    Coverage,
    Inquiry,
    OnFile,
    Patient,
    Registered,
    Verification,
    Work,
)
from services.insurance.domain.session import Session
from services.insurance.tables import (
    AnswerRow,
    AppointmentRow,
    ChangeRow,
    CoverageRow,
    ExchangeRow,
    HistoryRow,
    PatientRow,
    SessionRow,
    VerificationRow,
    WorkRow,
)
from shared.database import Connection, insert, upsert
from shared.events.envelope import Message
from shared.events.insurance import Benefits, CoverageChanges
from shared.frozen import replace
from shared.messaging.handlers import Change

PATIENT: Final = (
    *("patient_id", "person_id", "first_name", "last_name"),
    *("birth_date", "time_zone", "proxies", "told_at"),
)
COVERAGE: Final = (
    *("patient_id", "coverage_id", "content", "status", "priority", "added_at", "updated_at", "version"),
    *("told_at", "fingerprint", "session_id", "waiting_session", "verification_id"),
    *("answer_id", "verified_at", "reason", "retry_at", "check_at", "correlationid", "on_file"),
)
CHANGE: Final = (
    *("patient_id", "change_id", "coverage_id", "changes", "note", "requested_at", "fingerprint", "session_id"),
    *("status", "waiting_session", "verification_id", "decided_at", "decision_note", "correlationid"),
)
VERIFICATION: Final = (
    *("patient_id", "verification_id", "coverage_id", "version", "cause", "inquiry", "started_at", "asked_at"),
    *("session_id", "change_id", "status", "attempt", "result", "reason", "retry_at", "ended_at"),
)
WORK: Final = (
    *("patient_id", "work_id", "kind", "summary", "raised_at", "coverage_id", "change_id"),
    *("verification_id", "action", "note", "settled_by", "settled_at", "fingerprint"),
)
_APPOINTMENT: Final = ("patient_id", "appointment_id", "starts_at", "cancelled", "told_at")
_SESSION: Final = ("session_id", "ended_at")
_ANSWER: Final = ("verification_id", "benefits", "plan")
_EXCHANGE: Final = (
    *("verification_id", "attempt", "at", "result", "codes"),
    *("request", "request_sha256", "answer", "answer_sha256"),
)
HISTORY: Final = ("coverage_id", "at", "what", "by", "version", "note", "actor")

_ADD_SESSIONS: Final = "insert into portal_session (session_id) select unnest($1::text[]) on conflict do nothing"
_LOCK_SESSIONS: Final = """
    select session_id, ended_at from portal_session
    where session_id = any($1::text[]) order by session_id for update
"""
# Longer than topics keep records. What is added in a session that was forgotten is submitted when it is given up.
_FORGET_SESSIONS: Final = """
    delete from portal_session where session_id = any (array(
        select session_id from portal_session where heard_at < now() - interval '45 days'
        order by heard_at limit 1000 for update skip locked
    ))
"""
_READ_WAITING: Final = """
    select waiting_session, patient_id from coverage where waiting_session = any($1::text[])
    union
    select waiting_session, patient_id from change_request where waiting_session = any($1::text[])
    order by 1, 2
"""
_ADD_PATIENTS: Final = "insert into patient (patient_id) select unnest($1::text[]) on conflict do nothing"
_LOCK_PATIENTS: Final = f"""
    select {", ".join(PATIENT)} from patient
    where patient_id = any($1::text[]) order by patient_id for update
"""
_READ_COVERAGES: Final = f"""
    select {", ".join(COVERAGE)} from coverage
    where patient_id = any($1::text[]) or coverage_id = any($2::text[])
"""
_READ_CHANGES: Final = f"""
    select {", ".join(CHANGE)} from change_request
    where patient_id = any($1::text[]) and status = 'requested' or change_id = any($2::text[])
"""
_READ_VERIFICATIONS: Final = f"""
    select {", ".join(VERIFICATION)} from verification
    where patient_id = any($1::text[]) and status in ('asking', 'retrying') or verification_id = any($2::text[])
"""
_READ_WORK: Final = f"""
    select {", ".join(WORK)} from work
    where patient_id = any($1::text[]) and settled_at is null or work_id = any($2::text[])
"""
_READ_APPOINTMENTS: Final = f"""
    select {", ".join(_APPOINTMENT)} from appointment where appointment_id = any($1::text[])
"""
# Longer than appointments are made ahead: of one that was cancelled, nothing told before still makes one to come.
_FORGET_APPOINTMENTS: Final = """
    delete from appointment where ctid = any (array(
        select ctid from appointment where greatest(told_at, starts_at) < now() - interval '1 year'
        order by greatest(told_at, starts_at) limit 1000 for update skip locked
    ))
"""

Row: TypeAlias = tuple[Any, ...]
"""A row's values in the order of its columns above."""

Part = TypeVar("Part")

_BENEFITS: Final = TypeAdapter[Benefits](Benefits)


async def load(connection: Connection, messages: Sequence[Message[Any]]) -> dict[str, State]:
    """Lock the sessions and patients that messages are about and return them by key; unknown ones are missing.

    A session that a command names, and a patient that a fact is about, gets its row here before any lock is taken:
    a row that is not there cannot be locked.
    """
    named = named_by(messages)
    sessions: dict[str, Session] = {}
    if named.sessions:
        await connection.execute(_ADD_SESSIONS, sorted(named.sessions))
        rows = await connection.fetch(_LOCK_SESSIONS, list(named.sessions))
        sessions = {row[0]: Session(*row) for row in rows}
    if named.gathered:
        waiting: dict[str, list[str]] = defaultdict(list)
        for session_id, patient_id in await connection.fetch(_READ_WAITING, list(named.gathered)):
            waiting[session_id].append(patient_id)
        for name, patients_waiting in waiting.items():
            # One that was forgotten a moment ago has no row.
            known = sessions.get(name, Session(name))
            sessions[name] = replace(known, waiting=tuple(patients_waiting))
    if named.heard_of:
        await connection.execute(_ADD_PATIENTS, sorted(named.heard_of))
    patients = await _read_patients(connection, named) if named.patients else {}
    ended = frozenset(session.session_id for session in sessions.values() if session.ended_at)
    found: dict[str, State] = {f"session:{name}": session for name, session in sessions.items()}
    for patient_id, patient in patients.items():
        found[f"patient:{patient_id}"] = replace(patient, ended_sessions=ended) if ended else patient
    return found


async def _read_patients(connection: Connection, named: Named) -> dict[str, Patient]:
    rows = await connection.fetch(_LOCK_PATIENTS, list(named.patients))
    ids = [row[0] for row in rows]
    coverages = await connection.fetch(_READ_COVERAGES, ids, [one for _, one in named.coverages])
    changes = await connection.fetch(_READ_CHANGES, ids, [one for _, one in named.changes])
    about = named.verifications | {row["verification_id"] for row in changes if row["verification_id"]}
    verifications = await connection.fetch(_READ_VERIFICATIONS, ids, list(about))
    work = await connection.fetch(_READ_WORK, ids, list(named.work))
    appointments: list[Any] = []
    if named.appointments:
        appointments = await connection.fetch(_READ_APPOINTMENTS, list(named.appointments))
    elsewhere: dict[str, set[str]] = defaultdict(set)
    for wanted, found, name in (
        (named.coverages, coverages, "coverage_id"),
        (named.changes, changes, "change_id"),
    ):
        owners = {row[name]: row["patient_id"] for row in found}
        for patient_id, one in wanted:
            if owners.get(one, patient_id) != patient_id:
                elsewhere[patient_id].add(one)
    coverages_of = _by_patient(coverages, "coverage_id", coverage_of)
    changes_of = _by_patient(changes, "change_id", change_of)
    verifications_of = _by_patient(verifications, "verification_id", verification_of)
    appointments_of = _by_patient(appointments, "appointment_id", lambda row: Appointment(*row[1:]))
    work_of = _by_patient(work, "work_id", lambda row: Work(*row[1:]))
    return {
        row[0]: Patient(
            row[0],
            registered_of(row),
            coverages_of.get(row[0], {}),
            changes_of.get(row[0], {}),
            verifications_of.get(row[0], {}),
            appointments_of.get(row[0], {}),
            work_of.get(row[0], {}),
            ids_elsewhere=frozenset(elsewhere.get(row[0], ())),
        )
        for row in rows
    }


def _by_patient(rows: Iterable[Any], name: str, made: Callable[[Any], Part]) -> dict[str, dict[str, Part]]:
    """Return what rows are made to, by patient and by the id in the column `name`."""
    found: dict[str, dict[str, Part]] = defaultdict(dict)
    for row in rows:
        found[row["patient_id"]][row[name]] = made(row)
    return found


async def save(connection: Connection, changes: Sequence[Change[State]]) -> None:
    """Write what differs between the states before and after: rows are objects that were replaced."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for change in changes:
        if isinstance(change.after, Session):
            if change.after.ended_at is not None:
                rows["sessions"].append((change.after.session_id, change.after.ended_at))
            continue
        after = change.after
        before = change.before if isinstance(change.before, Patient) else Patient(after.patient_id)
        if after.registered is not before.registered and after.registered is not None:
            rows["patients"].append(_patient_row(after.patient_id, after.registered))
        for name, now, then, columns in (
            ("coverages", after.coverages, before.coverages, COVERAGE),
            ("changes", after.changes, before.changes, CHANGE),
            ("verifications", after.verifications, before.verifications, VERIFICATION),
            ("appointments", after.appointments, before.appointments, _APPOINTMENT),
            ("work", after.work, before.work, WORK),
        ):
            for key, one in now.items() if now is not then else ():
                known = then.get(key)
                if known is not one:
                    row = row_of(after.patient_id, one, columns)
                    rows[name if known else f"new {name}"].append(row)
        rows["answers"] += [
            (one.verification_id, _BENEFITS.dump_json(one.benefits, exclude_none=True).decode(), one.plan)
            for one in after.answers
        ]
        rows["exchanges"] += [tuple(getattr(one, name) for name in _EXCHANGE) for one in after.exchanges]
        rows["history"] += [tuple(getattr(one, name) for name in HISTORY) for one in after.history]
    await upsert(connection, SessionRow, _SESSION, rows["sessions"])
    await upsert(connection, PatientRow, PATIENT, rows["patients"])
    for name, model, columns in (
        ("coverages", CoverageRow, COVERAGE),
        ("changes", ChangeRow, CHANGE),
        ("verifications", VerificationRow, VERIFICATION),
        ("appointments", AppointmentRow, _APPOINTMENT),
        ("work", WorkRow, WORK),
    ):
        # Never over another: an id that another patient took meanwhile is an error.
        await insert(connection, model, columns, rows[f"new {name}"])
        await upsert(connection, model, columns, rows[name])
    await insert(connection, AnswerRow, _ANSWER, rows["answers"])
    await insert(connection, ExchangeRow, _EXCHANGE, rows["exchanges"])
    await insert(connection, HistoryRow, HISTORY, rows["history"])
    await _forget(connection, rows)


async def _forget(connection: Connection, rows: dict[str, list[Row]]) -> None:
    if rows["sessions"]:
        await connection.execute(_FORGET_SESSIONS)
    if rows["new appointments"]:
        await connection.execute(_FORGET_APPOINTMENTS)


# Rows, each way


def registered_of(row: Sequence[Any]) -> Registered | None:
    """Return what the host told of a patient, from the columns of `PATIENT`."""
    _, person_id, first_name, last_name, birth_date, time_zone, proxies, told_at = row
    if told_at is None:
        return None
    return Registered(person_id, first_name, last_name, birth_date, time_zone, tuple(json.loads(proxies)), told_at)


def _patient_row(patient_id: str, one: Registered) -> Row:
    proxies = json.dumps(one.proxies)
    names = (one.first_name, one.last_name, one.birth_date, one.time_zone)
    return (patient_id, one.person_id, *names, proxies, one.told_at)


def coverage_of(row: Sequence[Any]) -> Coverage:
    """Return a coverage from the columns of `COVERAGE`."""
    _, coverage_id, content, *rest, told = row
    rest.append(OnFile.model_validate_json(told) if told is not None else None)
    return Coverage(coverage_id, Content.model_validate_json(content), *rest)


def change_of(row: Sequence[Any]) -> ChangeRequest:
    """Return a requested change from the columns of `CHANGE`."""
    _, change_id, coverage_id, changes, *rest = row
    return ChangeRequest(change_id, coverage_id, CoverageChanges.model_validate_json(changes), *rest)


def verification_of(row: Sequence[Any]) -> Verification:
    """Return a verification from the columns of `VERIFICATION`."""
    _, verification_id, coverage_id, version, cause, asked, *rest = row
    inquiry = Inquiry.model_validate_json(asked)
    return Verification(verification_id, coverage_id, version, cause, inquiry, *rest)


def row_of(patient_id: str, one: object, columns: Sequence[str]) -> Row:
    """Return a row whose first column is the patient, and whose other columns are the object's fields."""
    values = (getattr(one, name) for name in columns[1:])
    return (
        patient_id,
        *(value.model_dump_json(exclude_none=True) if isinstance(value, BaseModel) else value for value in values),
    )
