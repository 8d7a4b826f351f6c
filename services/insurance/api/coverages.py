"""Coverages as patients, those who act for them, and staff see them; and the payer directory."""

from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.insurance import reads
from services.insurance.domain.ordering import Because
from services.insurance.domain.patient import By, ChangeRequest, ChangeStatus, CoverageStatus, Entry, What
from services.insurance.handlers import DIRECTORY
from services.insurance.reads import KnownPatient, ShownCoverage
from shared.auth import Caller, anyone, person, person_or_staff
from shared.database import Pool
from shared.events.envelope import Id
from shared.events.insurance import Benefits
from shared.events.vocabulary import Relationship
from shared.problems import Problem
from shared.routes import ThePool

router = APIRouter(prefix="/v1", tags=["insurance"])

PAYERS_MAX = 50


OnePatient = Annotated[Id | None, Query(description="staff name one; without it, all whom the person acts for")]
Person = Annotated[Caller, Depends(person)]
PersonOrStaff = Annotated[Caller, Depends(person_or_staff("insurance", "supervisor"))]


class PatientView(BaseModel):
    """A patient that a person acts for."""

    patient_id: str
    name: str
    relationship: Literal["self", "proxy"]


class SubscriberView(BaseModel):
    """Who holds the plan."""

    first_name: str
    last_name: str


class PendingChange(BaseModel):
    """The newest change that waits for staff."""

    change_id: str
    changes: dict[str, Any] = Field(description="by field; a member id is whole for staff alone")
    requested_at: datetime


class CoverageView(BaseModel):
    """A coverage, and what the payer said of it last."""

    coverage_id: str
    patient_id: str
    patient_name: str | None
    payer_id: str | None
    payer_name: str
    plan_name: str | None = Field(description="as it is on file, or else as the payer calls it")
    member_id_masked: str
    member_id: str | None = Field(description="for staff alone")
    group_number: str | None
    subscriber: SubscriberView
    relationship: Relationship
    priority: int = Field(description="the lowest pays first; a removed coverage leaves a gap")
    suggested_priority: int | None = Field(
        description="where the rules of coordination of benefits would have it; staff set the order"
    )
    suggested_because: Because | None = Field(description="the rule that tells it from the others")
    effective_from: date | None
    effective_to: date | None
    status: CoverageStatus
    version: int = Field(description="grows with each change of what is on file, not with an answer")
    reason: str | None = Field(description="why it needs the patient or staff, or is undetermined")
    retry_at: datetime | None = Field(description="when the payer is asked again by itself")
    waits_for_session_end: bool
    verified_at: datetime | None = Field(description="when the payer last said that it is active or inactive")
    benefits: Benefits
    pending_change: PendingChange | None
    updated_at: datetime


class HistoryView(BaseModel):
    """A line of a coverage's history."""

    at: datetime
    what: What
    by: By
    version: int
    note: str | None
    actor: str | None = Field(description="who it was, for staff alone")


class ChangeView(BaseModel):
    """A change that was asked for."""

    change_id: str
    status: ChangeStatus
    requested_at: datetime
    changes: dict[str, Any] = Field(description="by field; a member id is whole for staff alone")
    note: str | None
    decided_at: datetime | None
    decision_note: str | None


class CoverageDetails(CoverageView):
    """A coverage with all that happened to it, newest first."""

    history: list[HistoryView]
    changes: list[ChangeView]
    verifications: list[str] | None = Field(description="for staff alone")


class PayerView(BaseModel):
    """A payer of the directory."""

    payer_id: str
    name: str
    aliases: tuple[str, ...]
    status: Literal["active", "retired"]
    replaced_by: str | None = None


@router.get("/patients")
async def patients(caller: Person, pool: ThePool) -> list[PatientView]:
    """Show the patients that the person acts for, themself first."""
    own = caller.on_behalf_of or ""
    return [
        PatientView(
            patient_id=one.patient_id,
            name=_name(one),
            relationship="self" if one.registered.person_id == own else "proxy",
        )
        for one in await reads.patients_of_person(pool, own)
    ]


@router.get("/coverages")
async def coverages(caller: PersonOrStaff, pool: ThePool, patient_id: OnePatient = None) -> list[CoverageView]:
    """Show the coverages of all patients that the person acts for, or of one; staff name the patient."""
    known, found = await seen_coverages(pool, caller, patient_id)
    return [_view(shown, known, caller) for shown in found]


@router.get("/coverages/{coverage_id}")
async def coverage(coverage_id: Id, caller: PersonOrStaff, pool: ThePool) -> CoverageDetails:
    """Show one coverage with its history."""
    known, shown = await seen_coverage(pool, caller, coverage_id)
    asked = await reads.verifications(pool, coverage_id) if caller.on_behalf_of is None else None
    return CoverageDetails(
        **dict(_view(shown, known, caller)),
        history=[_entry(one, caller) for one in await reads.history(pool, coverage_id)],
        changes=[_change(one, caller) for one in await reads.changes(pool, coverage_id)],
        verifications=[one.verification_id for one in asked] if asked is not None else None,
    )


async def seen_coverages(
    pool: Pool, caller: Caller, patient_id: str | None
) -> tuple[dict[str, KnownPatient], list[ShownCoverage]]:
    """Return the patients whom a caller may see, or the one that is named, and their coverages.

    Raises:
        Problem: as `seen_patients`.
    """
    known = {one.patient_id: one for one in await seen_patients(pool, caller, patient_id)}
    for one in known:
        await note_read(pool, caller, "coverages", one, one)
    return known, await reads.coverages(pool, list(known))


async def seen_patients(pool: Pool, caller: Caller, patient_id: str | None) -> list[KnownPatient]:
    """Return the patients whom a caller may see, or the one that is named.

    Raises:
        Problem: 404, there is no such patient for this caller; 422, staff named none.
    """
    if caller.on_behalf_of is not None:
        seen = await reads.patients_of_person(pool, caller.on_behalf_of)
        if patient_id is not None:
            seen = [one for one in seen if one.patient_id == patient_id]
    elif patient_id is not None:
        seen = await reads.patients(pool, [patient_id])
    else:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Name the patient.", reason="invalid_data")
    if patient_id is not None and not seen:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such patient.", reason="not_found")
    return seen


async def seen_coverage(
    pool: Pool, caller: Caller, coverage_id: str, asked_for: str = "coverage"
) -> tuple[dict[str, KnownPatient], ShownCoverage]:
    """Return a coverage and its patient.

    Raises:
        Problem: 404, there is none for this caller of what they asked for.
    """
    patient_id = await reads.patient_of_coverage(pool, coverage_id)
    for patient in await reads.patients(pool, [patient_id or ""]):
        if caller.on_behalf_of is None or patient.registered.acts(caller.on_behalf_of):
            for shown in await reads.coverages(pool, [patient.patient_id]):
                if shown.coverage.coverage_id == coverage_id:
                    await note_read(pool, caller, "coverage", coverage_id, patient.patient_id)
                    return {patient.patient_id: patient}, shown
    raise Problem(HTTPStatus.NOT_FOUND, f"There is no such {asked_for}.", reason="not_found")


async def note_read(pool: Pool, caller: Caller, what: str, what_id: str, patient_id: str) -> None:
    """Note for ever that somebody of the staff is shown something of a patient's; persons look at their own."""
    if caller.on_behalf_of is None:
        await reads.log_read(pool, caller.staff_actor, what, what_id, patient_id)


@router.get("/payers", response_model_exclude_none=True, dependencies=[Depends(anyone)])
async def payers(
    q: Annotated[str, Query(max_length=100, description="a part of it; all without")] = "",
) -> list[PayerView]:
    """Search the payer directory by name, alias or id."""
    return [PayerView(**dict(payer)) for payer in DIRECTORY.search(q)[:PAYERS_MAX]]


def masked(member_id: str) -> str:
    """Return a member id as it is shown to people: its last four letters, at most half of it."""
    shown = min(4, len(member_id) // 2)
    return "•••• " + member_id[len(member_id) - shown :]


def _name(patient: KnownPatient) -> str:
    return f"{patient.registered.first_name} {patient.registered.last_name}".strip()


def _view(shown: ShownCoverage, known: dict[str, KnownPatient], caller: Caller) -> CoverageView:
    one, content, pending = shown.coverage, shown.coverage.content, shown.pending
    patient = known.get(shown.patient_id)
    return CoverageView(
        coverage_id=one.coverage_id,
        patient_id=shown.patient_id,
        patient_name=_name(patient) if patient else None,
        payer_id=content.payer_id,
        payer_name=content.payer_name,
        plan_name=shown.plan_name,
        member_id_masked=masked(content.member_id),
        member_id=content.member_id if caller.on_behalf_of is None else None,
        group_number=content.group_number,
        subscriber=SubscriberView(
            first_name=content.subscriber.first_name, last_name=content.subscriber.last_name
        ),
        relationship=content.relationship,
        priority=one.priority,
        suggested_priority=shown.suggested.priority if shown.suggested else None,
        suggested_because=shown.suggested.because if shown.suggested else None,
        effective_from=content.effective_from,
        effective_to=content.effective_to,
        status=one.status,
        version=one.version,
        reason=one.reason,
        retry_at=one.retry_at,
        waits_for_session_end=one.waiting_session is not None,
        verified_at=one.verified_at,
        benefits=shown.benefits,
        pending_change=PendingChange(
            change_id=pending.change_id, changes=_said(pending, caller), requested_at=pending.requested_at
        )
        if pending
        else None,
        updated_at=one.updated_at,
    )


def shown_member_id(member_id: str, caller: Caller) -> str:
    """Return a member id whole for staff, and masked for a gateway."""
    return member_id if caller.on_behalf_of is None else masked(member_id)


def _said(change: ChangeRequest, caller: Caller) -> dict[str, Any]:
    said = change.changes.model_dump(mode="json", exclude_none=True)
    if change.changes.member_id is not None:
        said["member_id"] = shown_member_id(change.changes.member_id, caller)
    return said


def _entry(entry: Entry, caller: Caller) -> HistoryView:
    return HistoryView(
        at=entry.at,
        what=entry.what,
        by=entry.by,
        version=entry.version,
        note=entry.note,
        actor=entry.actor if caller.on_behalf_of is None else None,
    )


def _change(change: ChangeRequest, caller: Caller) -> ChangeView:
    return ChangeView(
        change_id=change.change_id,
        status=change.status,
        requested_at=change.requested_at,
        changes=_said(change, caller),
        note=change.note,
        decided_at=change.decided_at,
        decision_note=change.decision_note,
    )
