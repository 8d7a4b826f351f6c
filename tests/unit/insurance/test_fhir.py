"""Coverages as FHIR resources, read back by a library that knows the standard."""

from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.R4B.coverage import Coverage as CoverageResource
from fhir.resources.R4B.coverageeligibilityresponse import CoverageEligibilityResponse

from services.insurance import fhir
from services.insurance.domain.patient import CoverageStatus
from services.insurance.reads import ShownCoverage
from shared.events.insurance import Benefit
from tests.unit.insurance.story import NOW, PATIENT, add, hospital, session_ended

DEDUCTIBLE: dict[str, Any] = {
    "kind": "deductible",
    "level": "individual",
    "network": "in",
    "service_type": "30",
    "currency": "USD",
    "reported": True,
}
BENEFITS = (
    Benefit(kind="active", level="individual", network="any", period="year", service_type="30", reported=True),
    Benefit(**DEDUCTIBLE, period="year", amount_minor=150_000),
    Benefit(**DEDUCTIBLE, period="remaining", amount_minor=90_050),
    Benefit(
        kind="coinsurance",
        level="individual",
        network="out",
        period="visit",
        percent=12.5,
        service_type="98",
        reported=True,
    ),
    Benefit(kind="out_of_pocket", level="family", network="in", period="year", service_type="30", reported=False),
)


def shown(coverage_id: str = "COV-1", **changes: Any) -> ShownCoverage:
    world = hospital(add(coverage_id, effective_from=NOW.date(), group_number="G"), session_ended())
    world.settle()
    return ShownCoverage(PATIENT, replace(world.coverage(coverage_id), **changes), "active", BENEFITS, None, None)


@pytest.mark.parametrize(
    ("status", "told"),
    [("active", "active"), ("inactive", "cancelled"), ("removed", "cancelled"), ("undetermined", "draft")],
)
def test_a_coverage_can_be_read(status: CoverageStatus, told: str) -> None:
    resource = fhir.coverage(shown(status=status), "•••• OV-1")
    read = CoverageResource.model_validate(resource)
    assert (read.id, read.status, read.order) == ("COV-1", told, 1)
    assert read.subscriberId == "•••• OV-1"


def test_an_id_that_fhir_does_not_allow_is_replaced_and_the_identifier_is_not() -> None:
    resource = fhir.coverage(shown("COV 1/é"), "M-1")
    CoverageResource.model_validate(resource)
    assert resource["identifier"] == [{"value": "COV 1/é"}]


def test_a_plan_that_the_payer_calls_inactive_is_not_in_force_though_a_part_of_it_is_active() -> None:
    resource = fhir.eligibility(replace(shown(status="inactive"), said="inactive"))
    assert resource is not None
    assert resource["insurance"][0]["inforce"] is False


def test_what_the_payer_said_can_be_read_with_what_is_used_and_without_what_was_not_reported() -> None:
    resource = fhir.eligibility(shown())
    assert resource is not None
    CoverageEligibilityResponse.model_validate(resource)
    (insurance,) = resource["insurance"]
    assert insurance["inforce"] is True
    deductible, coinsurance = insurance["item"]
    (benefit,) = deductible["benefit"]
    assert (benefit["allowedMoney"]["value"], benefit["usedMoney"]["value"]) == (1_500.0, 599.5)
    assert coinsurance["benefit"][0]["allowedString"] == "12.5 %"
    assert fhir.eligibility(shown(verified_at=None)) is None
    assert fhir.bundle([resource])["total"] == 1
    assert "entry" not in fhir.bundle([])
