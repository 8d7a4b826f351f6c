"""What the API reads: the same states, without locking, and what deciding never needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from pydantic import TypeAdapter

from services.insurance.domain.ordering import Suggestion, suggest
from services.insurance.domain.patient import (
    ChangeRequest,
    Coverage,
    CoverageStatus,
    Entry,
    Registered,
    Verification,
    Work,
)
from services.insurance.store import (
    CHANGE,
    COVERAGE,
    HISTORY,
    PATIENT,
    VERIFICATION,
    WORK,
    change_of,
    coverage_of,
    registered_of,
    verification_of,
)
from shared.database import Pool
from shared.events.insurance import Benefits

_PATIENTS_OF_PERSON: Final = f"""
    select {", ".join(PATIENT)} from patient
    where person_id = $1 or proxies ? $1 order by (person_id = $1) is not true, patient_id
"""
_PATIENTS: Final = f"select {', '.join(PATIENT)} from patient where patient_id = any($1::text[])"
_COVERAGES: Final = f"""
    select {", ".join(f"c.{name}" for name in COVERAGE)}, a.benefits, a.plan, v.result
    from coverage c
    left join payer_answer a on a.verification_id = c.answer_id
    left join verification v on v.verification_id = c.answer_id
    where c.patient_id = any($1::text[])
    order by c.patient_id, c.status = 'removed', c.priority, c.added_at, c.coverage_id
"""
_PATIENT_OF_COVERAGE: Final = "select patient_id from coverage where coverage_id = $1"
_COVERAGE_OF_DIGEST: Final = "select coverage_id from coverage where md5(coverage_id) = $1"
_CHANGES_REQUESTED: Final = f"""
    select {", ".join(CHANGE)} from change_request
    where patient_id = any($1::text[]) and status = 'requested' order by requested_at, change_id
"""
_CHANGES: Final = f"""
    select {", ".join(CHANGE)} from change_request where coverage_id = $1
    order by requested_at desc, change_id limit 200
"""
_CHANGE: Final = f"select {', '.join(CHANGE)} from change_request where change_id = $1"
_HISTORY: Final = f"""
    select {", ".join(HISTORY)} from coverage_history
    where coverage_id = $1 order by seq desc limit 500
"""
_VERIFICATIONS: Final = f"""
    select {", ".join(VERIFICATION)} from verification where coverage_id = $1
    order by started_at desc, verification_id limit 200
"""
_VERIFICATION: Final = f"select {', '.join(VERIFICATION)} from verification where verification_id = $1"
_EXCHANGES: Final = """
    select attempt, at, result, codes, request, request_sha256, answer, answer_sha256
    from payer_exchange where verification_id = $1 order by seq limit 200
"""
_OPEN_WORK: Final = f"""
    select {", ".join(WORK)} from work where settled_at is null order by raised_at, work_id limit 500
"""
_SETTLED_WORK: Final = f"""
    select {", ".join(WORK)} from work where settled_at is not null order by settled_at desc, work_id limit 500
"""
_WORK: Final = f"select {', '.join(WORK)} from work where work_id = $1"

_LOG_READ: Final = "insert into read_log (reader, what, what_id, patient_id) values ($1, $2, $3, $4)"

_BENEFITS: Final = TypeAdapter[Benefits](Benefits)


@dataclass(frozen=True, slots=True)
class KnownPatient:
    """A patient whom the host has registered."""

    patient_id: str
    registered: Registered


@dataclass(frozen=True, slots=True)
class ShownCoverage:
    """A coverage as its readers see it.

    Attributes:
        patient_id: whose it is.
        coverage: as it stands.
        said: `active` or `inactive`, as the last answer of the payer has it; nothing before there was one.
        benefits: of that answer.
        pending: the newest change that waits for a decision.
        suggested: the place among the patient's coverages that the rules suggest; a removed one has none.
        plan: what the payer calls the plan.
    """

    patient_id: str
    coverage: Coverage
    said: CoverageStatus | None
    benefits: Benefits
    pending: ChangeRequest | None
    suggested: Suggestion | None
    plan: str | None = None

    @property
    def plan_name(self) -> str | None:
        """The plan as it is on file, or else as the payer calls it."""
        return self.coverage.content.plan_name or self.plan


@dataclass(frozen=True, slots=True)
class ShownVerification:
    """A verification, and whose it is."""

    patient_id: str
    verification: Verification


@dataclass(frozen=True, slots=True)
class SealedExchange:
    """One call to a payer, still encrypted."""

    attempt: int
    at: datetime
    result: str
    codes: list[str]
    request: bytes
    request_sha256: bytes
    answer: bytes | None
    answer_sha256: bytes | None


@dataclass(frozen=True, slots=True)
class ShownWork:
    """A piece of work, and whom it is about."""

    patient_id: str
    work: Work


async def patients_of_person(pool: Pool, person_id: str) -> list[KnownPatient]:
    """Return the patients that a person acts for, themself first."""
    return _known(await pool.fetch(_PATIENTS_OF_PERSON, person_id))


async def patients(pool: Pool, patient_ids: Sequence[str]) -> list[KnownPatient]:
    """Return those of the patients whom the host has registered."""
    return _known(await pool.fetch(_PATIENTS, list(patient_ids)))


def _known(rows: Sequence[Any]) -> list[KnownPatient]:
    return [KnownPatient(row[0], registered) for row in rows if (registered := registered_of(row))]


async def coverages(pool: Pool, patient_ids: Sequence[str]) -> list[ShownCoverage]:
    """Return all coverages of patients, in the order in which they pay, removed ones last."""
    rows = await pool.fetch(_COVERAGES, list(patient_ids))
    pending: dict[str, ChangeRequest] = {}
    for row in await pool.fetch(_CHANGES_REQUESTED, list(patient_ids)):
        change = change_of(row)
        pending[change.coverage_id] = change
    found = [(row["patient_id"], coverage_of(row[: len(COVERAGE)])) for row in rows]
    suggested: dict[str, Suggestion] = {}
    for _, own in groupby(found, key=itemgetter(0)):
        suggested |= suggest(coverage for _, coverage in own if coverage.is_live)
    return [
        ShownCoverage(
            patient_id,
            coverage,
            row["result"],
            _BENEFITS.validate_json(row["benefits"]) if row["benefits"] else (),
            pending.get(coverage.coverage_id),
            suggested.get(coverage.coverage_id),
            row["plan"],
        )
        for row, (patient_id, coverage) in zip(rows, found, strict=True)
    ]


async def patient_of_coverage(pool: Pool, coverage_id: str) -> str | None:
    """Return whose a coverage is, if there is one."""
    found: str | None = await pool.fetchval(_PATIENT_OF_COVERAGE, coverage_id)
    return found


async def coverage_of_digest(pool: Pool, digest: str) -> str | None:
    """Return the coverage whose id has this MD5, if there is one."""
    found: str | None = await pool.fetchval(_COVERAGE_OF_DIGEST, digest)
    return found


async def history(pool: Pool, coverage_id: str) -> list[Entry]:
    """Return what happened to a coverage, newest first."""
    return [Entry(*row) for row in await pool.fetch(_HISTORY, coverage_id)]


async def changes(pool: Pool, coverage_id: str) -> list[ChangeRequest]:
    """Return the changes that were asked for, newest first."""
    return [change_of(row) for row in await pool.fetch(_CHANGES, coverage_id)]


async def change(pool: Pool, change_id: str) -> ChangeRequest | None:
    """Return a change that was asked for, if there is one."""
    row = await pool.fetchrow(_CHANGE, change_id)
    return change_of(row) if row else None


async def verifications(pool: Pool, coverage_id: str) -> list[Verification]:
    """Return the verifications of a coverage, newest first."""
    return [verification_of(row) for row in await pool.fetch(_VERIFICATIONS, coverage_id)]


async def verification(pool: Pool, verification_id: str) -> ShownVerification | None:
    """Return a verification, if there is one."""
    row = await pool.fetchrow(_VERIFICATION, verification_id)
    return ShownVerification(row[0], verification_of(row)) if row else None


async def exchanges(pool: Pool, verification_id: str) -> list[SealedExchange]:
    """Return the calls that were made for a verification, in their order."""
    return [SealedExchange(*row) for row in await pool.fetch(_EXCHANGES, verification_id)]


async def work_list(pool: Pool, *, settled: bool) -> list[ShownWork]:
    """Return work: what is open, oldest first, or what was settled last."""
    rows = await pool.fetch(_SETTLED_WORK if settled else _OPEN_WORK)
    return [ShownWork(row[0], Work(*row[1:])) for row in rows]


async def work_item(pool: Pool, work_id: str) -> ShownWork | None:
    """Return a piece of work, if there is one."""
    row = await pool.fetchrow(_WORK, work_id)
    return ShownWork(row[0], Work(*row[1:])) if row else None


async def log_read(pool: Pool, reader: str, what: str, what_id: str, patient_id: str) -> None:
    """Note for ever that somebody looks at a patient's coverages or a part of them, before they are shown it."""
    await pool.execute(_LOG_READ, reader, what, what_id, patient_id)
