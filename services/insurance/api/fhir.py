"""FHIR R4 reads: the same coverages, to the same callers, in the words of that standard."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from services.insurance import fhir
from services.insurance.api.coverages import Id, PersonOrStaff, seen_coverage, seen_coverages, shown_member_id
from services.insurance.reads import ShownCoverage
from shared.auth import Caller, public
from shared.routes import ThePool

router = APIRouter(prefix="/fhir", tags=["FHIR"])

Patient = Annotated[str | None, Query(max_length=140, description="a patient id, with or without `Patient/`")]


@router.get("/metadata", dependencies=[Depends(public)])
async def metadata() -> JSONResponse:
    """Tell what can be read."""
    return _answer(fhir.capabilities())


@router.get("/Coverage")
async def search_coverages(caller: PersonOrStaff, pool: ThePool, patient: Patient = None) -> JSONResponse:
    """Search the coverages of a patient, or of all patients that the person acts for."""
    _, found = await seen_coverages(pool, caller, _patient_id(patient))
    return _answer(fhir.bundle(_coverage(one, caller) for one in found))


@router.get("/Coverage/{coverage_id}")
async def read_coverage(coverage_id: Id, caller: PersonOrStaff, pool: ThePool) -> JSONResponse:
    """Read one coverage."""
    _, shown = await seen_coverage(pool, caller, coverage_id)
    return _answer(_coverage(shown, caller))


@router.get("/CoverageEligibilityResponse")
async def search_responses(caller: PersonOrStaff, pool: ThePool, patient: Patient = None) -> JSONResponse:
    """Search what payers said last of the coverages of a patient, or of all that the person acts for."""
    _, found = await seen_coverages(pool, caller, _patient_id(patient))
    return _answer(fhir.bundle(one for shown in found if (one := fhir.eligibility(shown))))


def _coverage(shown: ShownCoverage, caller: Caller) -> fhir.Resource:
    return fhir.coverage(shown, shown_member_id(shown.coverage.content.member_id, caller))


def _patient_id(reference: str | None) -> str | None:
    return reference.removeprefix("Patient/") if reference is not None else None


def _answer(resource: fhir.Resource) -> JSONResponse:
    return JSONResponse(resource, media_type=fhir.MEDIA_TYPE)
