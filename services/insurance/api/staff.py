"""What staff of the insurance pool see and do: work that was raised, and verifications as sent and received."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.insurance import reads
from services.insurance.api.coverages import note_read
from services.insurance.domain.patient import (
    Cause,
    ChangeRequest,
    Coverage,
    VerificationStatus,
    WorkKind,
)
from services.insurance.domain.rejection import HINTS
from services.insurance.domain.settling_work import ACTIONS, Action, SettleWork
from services.insurance.reads import SealedExchange, ShownVerification, ShownWork
from services.insurance.sealing import Seal
from services.insurance.settings import Settings
from shared.auth import Caller, staff
from shared.database import Pool
from shared.events.envelope import Id
from shared.events.insurance import CommandRefused
from shared.events.vocabulary import Note, Word
from shared.problems import Problem
from shared.routes import TheAsk, ThePool, own_settings

router = APIRouter(prefix="/v1", tags=["staff"])

Status = Annotated[Literal["open", "settled"], Query(description="of the work to show")]
Staff = Annotated[Caller, Depends(staff("insurance", "supervisor"))]


async def _seal(own: Annotated[Settings, Depends(own_settings)]) -> Seal:
    return Seal(own.raw_key.get_secret_value())


TheSeal = Annotated[Seal, Depends(_seal)]

_STATUSES: Final = {
    "not_found": HTTPStatus.NOT_FOUND,
    "work_settled": HTTPStatus.CONFLICT,
    "idempotency_conflict": HTTPStatus.CONFLICT,
    "change_decided": HTTPStatus.CONFLICT,
}


class ActionView(BaseModel):
    """What can be done about a piece of work, and in words."""

    name: Action
    label: str


class WorkView(BaseModel):
    """Something that a person has to look at."""

    work_id: str
    kind: WorkKind
    pool: Literal["insurance"] = "insurance"
    summary: str
    about: dict[str, str] = Field(description="ids: patient, coverage, change, verification")
    raised_at: datetime
    status: Literal["open", "settled"]
    actions: list[ActionView] = Field(description="none once it is settled")


class Detail(BaseModel):
    """A line of the card beside a piece of work."""

    label: str
    value: str


class WorkDetails(WorkView):
    """A piece of work with what has to be known to settle it."""

    details: list[Detail]


class Settlement(BaseModel):
    """What an action needs: a payer for choose-payer, a status and a note for override."""

    note: Note | None = None
    payer_id: Word | None = None
    status: Literal["active", "inactive"] | None = None


class ExchangeView(BaseModel):
    """One call to a payer, as sent and received; the hashes are SHA-256 of the texts."""

    attempt: int
    at: datetime
    result: str
    codes: list[str] = Field(description="the payer's reject codes (AAA03)")
    quarantined: bool = Field(description="the answer is about something or somebody else")
    request: str
    request_sha256: str
    answer: str | None
    answer_sha256: str | None


class VerificationView(BaseModel):
    """A question to a payer, and all that was sent and received for it."""

    verification_id: str
    coverage_id: str
    patient_id: str
    cause: Cause
    session_id: str | None
    change_id: str | None = Field(description="the request that it is about, while that is not accepted")
    version: int
    status: VerificationStatus
    reason: str | None
    retry_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    exchanges: list[ExchangeView]


@router.get("/work")
async def work_list(_: Staff, pool: ThePool, status: Status = "open") -> list[WorkView]:
    """Show what is open, oldest first, or what was settled last; at most 500."""
    return [_view(one) for one in await reads.work_list(pool, settled=status == "settled")]


@router.get("/work/{work_id}")
async def work_item(work_id: Id, caller: Staff, pool: ThePool) -> WorkDetails:
    """Show one piece of work with what has to be known to settle it. That it was read is noted for ever."""
    return await _details(pool, caller, work_id)


@router.post("/work/{work_id}/{action}")
async def settle(
    work_id: Id, action: Action, settlement: Settlement, caller: Staff, ask: TheAsk, pool: ThePool
) -> WorkDetails:
    """Do something about a piece of work, which settles it; the same again changes nothing.

    Something else, once it is settled, is refused: 409.
    """
    shown = await reads.work_item(pool, work_id)
    if shown is None:
        raise _not_found()
    command = SettleWork(
        work_id=work_id,
        patient_id=shown.patient_id,
        action=action,
        note=settlement.note,
        payer_id=settlement.payer_id,
        status=settlement.status,
    )
    told = await ask(command, shown.patient_id, caller.staff_actor)
    if isinstance(told, CommandRefused):
        status = _STATUSES.get(told.reason, HTTPStatus.UNPROCESSABLE_ENTITY)
        raise Problem(status, told.detail, reason=told.reason)
    return await _details(pool, caller, work_id)


@router.get("/verifications/{verification_id}")
async def verification(verification_id: Id, caller: Staff, pool: ThePool, seal: TheSeal) -> VerificationView:
    """Show a verification, with the X12 texts that were sent and received. That it was read is noted for ever."""
    shown = await reads.verification(pool, verification_id)
    if shown is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such verification.", reason="not_found")
    await note_read(pool, caller, "verification", verification_id, shown.patient_id)
    one = shown.verification
    return VerificationView(
        verification_id=one.verification_id,
        coverage_id=one.coverage_id,
        patient_id=shown.patient_id,
        cause=one.cause,
        session_id=one.session_id,
        change_id=one.change_id,
        version=one.version,
        status=one.status,
        reason=one.reason,
        retry_at=one.retry_at,
        started_at=one.started_at,
        ended_at=one.ended_at,
        exchanges=[_exchange(sealed, seal) for sealed in await reads.exchanges(pool, verification_id)],
    )


def _not_found() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "There is no such work.", reason="not_found")


def _view(shown: ShownWork) -> WorkView:
    work = shown.work
    about = {
        "patient_id": shown.patient_id,
        "coverage_id": work.coverage_id,
        "change_id": work.change_id,
        "verification_id": work.verification_id,
    }
    return WorkView(
        work_id=work.work_id,
        kind=work.kind,
        summary=work.summary,
        about={name: value for name, value in about.items() if value},
        raised_at=work.raised_at,
        status="open" if work.is_open else "settled",
        actions=[ActionView(name=name, label=label) for name, label in ACTIONS[work.kind].items() if work.is_open],
    )


async def _details(pool: Pool, caller: Caller, work_id: str) -> WorkDetails:
    shown = await reads.work_item(pool, work_id)
    if shown is None:
        raise _not_found()
    await note_read(pool, caller, "work", work_id, shown.patient_id)
    lines = [line async for line in _lines(pool, shown)]
    return WorkDetails(**dict(_view(shown)), details=[Detail(label=label, value=value) for label, value in lines])


async def _lines(pool: Pool, shown: ShownWork) -> AsyncIterator[tuple[str, str]]:
    """Give what has to be known to settle a piece of work: whose it is, what is on file, what went wrong."""
    work = shown.work
    async for line in _patient_lines(pool, shown):
        yield line
    for one in await reads.coverages(pool, [shown.patient_id]):
        if one.coverage.coverage_id == work.coverage_id:
            for line in _coverage_lines(one.coverage):
                yield line
    if work.change_id and (change := await reads.change(pool, work.change_id)):
        asked = await reads.verification(pool, change.verification_id or "")
        for line in _change_lines(change, asked):
            yield line
    for label, value in (("Settled by", work.settled_by), ("Note", work.note)):
        if value:
            yield label, value


async def _patient_lines(pool: Pool, shown: ShownWork) -> AsyncIterator[tuple[str, str]]:
    whose = {"Patient": shown.patient_id}
    if shown.work.kind == "coverage-of-another":
        whose["Coverage of"] = await reads.patient_of_coverage(pool, shown.work.coverage_id or "") or ""
    for label, patient_id in whose.items():
        for patient in await reads.patients(pool, [patient_id]):
            known = patient.registered
            yield label, f"{known.first_name} {known.last_name}, born {known.birth_date}"


def _coverage_lines(coverage: Coverage) -> Iterator[tuple[str, str]]:
    content = coverage.content
    yield "Payer", content.payer_name
    yield "Member id", content.member_id
    yield "Subscriber", f"{content.subscriber.first_name} {content.subscriber.last_name}"
    yield "Coverage", coverage.status
    if coverage.reason:
        yield "Reason", f"{coverage.reason}. {HINTS.get(coverage.reason, '')}".strip()


def _change_lines(change: ChangeRequest, asked: ShownVerification | None) -> Iterator[tuple[str, str]]:
    for name, value in change.changes.model_dump(mode="json", exclude_none=True).items():
        yield f"Change of {name}", str(value)
    if change.note:
        yield "The patient's note", change.note
    if asked is not None:
        yield "What the payer says of the change", asked.verification.result or asked.verification.status


def _exchange(sealed: SealedExchange, seal: Seal) -> ExchangeView:
    return ExchangeView(
        attempt=sealed.attempt,
        at=sealed.at,
        result=sealed.result,
        codes=sealed.codes,
        quarantined=sealed.result == "mismatched",
        request=seal.open(sealed.request),
        request_sha256=sealed.request_sha256.hex(),
        answer=seal.open(sealed.answer) if sealed.answer is not None else None,
        answer_sha256=sealed.answer_sha256.hex() if sealed.answer_sha256 is not None else None,
    )
