"""FHIR R4 reads: the same coverages, to the same callers, in the words of that standard."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from services.insurance import fhir, reads
from services.insurance.api.coverages import PersonOrStaff, seen_coverage, seen_coverages, shown_member_id
from services.insurance.reads import ShownCoverage
from shared.auth import Caller, public
from shared.events.envelope import Id
from shared.problems import Problem
from shared.routes import ThePool


class _Answer(JSONResponse):
    media_type = fhir.MEDIA_TYPE


router = APIRouter(prefix="/fhir", tags=["FHIR"], default_response_class=_Answer)

Patient = Annotated[
    str | None,
    Query(pattern=r"^(Patient/)?[^\x00-\x1f\x7f]{1,128}$", description="a patient id, with or without `Patient/`"),
]


@router.get("/metadata", dependencies=[Depends(public)])
async def metadata() -> _Answer:
    """Tell what can be read."""
    return _Answer(fhir.capabilities())


@router.get("/Coverage")
async def search_coverages(caller: PersonOrStaff, pool: ThePool, patient: Patient = None) -> _Answer:
    """Search the coverages of a patient, or of all patients that the person acts for."""
    _, found = await seen_coverages(pool, caller, _patient_id(patient))
    return _Answer(fhir.bundle(_coverage(one, caller) for one in found))


@router.get("/Coverage/{coverage_id}")
async def read_coverage(coverage_id: Id, caller: PersonOrStaff, pool: ThePool) -> _Answer:
    """Read one coverage, by our id or by the one that FHIR has instead."""
    own = coverage_id
    if await reads.patient_of_coverage(pool, coverage_id) is None:
        own = await reads.coverage_of_digest(pool, coverage_id) or coverage_id
    _, shown = await seen_coverage(pool, caller, own)
    return _Answer(_coverage(shown, caller))


@router.get("/CoverageEligibilityResponse")
async def search_responses(caller: PersonOrStaff, pool: ThePool, patient: Patient = None) -> _Answer:
    """Search what payers said last of the coverages of a patient, or of all that the person acts for."""
    _, found = await seen_coverages(pool, caller, _patient_id(patient))
    return _Answer(fhir.bundle(one for shown in found if (one := fhir.eligibility(shown))))


@router.get("/CoverageEligibilityResponse/{response_id}")
async def read_response(response_id: Id, caller: PersonOrStaff, pool: ThePool) -> _Answer:
    """Read what the payer said last of a coverage; an answer that a newer one replaced is not found."""
    asked = await reads.verification(pool, response_id)
    if asked is not None:
        _, shown = await seen_coverage(pool, caller, asked.verification.coverage_id, "response")
        response = fhir.eligibility(shown)
        if response is not None and response["id"] == response_id:
            return _Answer(response)
    raise Problem(HTTPStatus.NOT_FOUND, "There is no such response.", reason="not_found")


def _coverage(shown: ShownCoverage, caller: Caller) -> fhir.Resource:
    return fhir.coverage(shown, shown_member_id(shown.coverage.content.member_id, caller))


def _patient_id(reference: str | None) -> str | None:
    return reference.removeprefix("Patient/") if reference is not None else None
