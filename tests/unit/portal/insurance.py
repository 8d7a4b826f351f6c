"""Insurance as the service shows it to the portal: two patients, two payers, and a coverage."""

from typing import Any

from tests.unit.portal.world import World

PATIENTS = [
    {"patient_id": "p-1", "name": "Maria Sandoval", "relationship": "self"},
    {"patient_id": "p-2", "name": "Leo Sandoval", "relationship": "proxy"},
]
PAYERS = [
    {"payer_id": "OLD", "name": "Old Mutual", "aliases": [], "status": "retired", "replaced_by": "NEW"},
    {"payer_id": "NEW", "name": "New Mutual", "aliases": ["NM"], "status": "active"},
]


def coverage(**fields: Any) -> dict[str, Any]:
    return {
        "coverage_id": "c-1",
        "patient_id": "p-1",
        "payer_id": "NEW",
        "payer_name": "New Mutual",
        "plan_name": "Gold",
        "member_id_masked": "•••• 0001",
        "group_number": None,
        "subscriber": {"first_name": "Maria", "last_name": "Sandoval"},
        "relationship": "self",
        "priority": 1,
        "status": "active",
        "version": 3,
        "verified_at": None,
        "benefits": [],
    } | fields


def given(world: World, *coverages: dict[str, Any]) -> None:
    world.services.answer("GET", "/v1/patients", PATIENTS)
    world.services.answer("GET", "/v1/payers", PAYERS)
    world.services.answer("GET", "/v1/coverages", list(coverages))
    for one in coverages:
        world.services.answer("GET", f"/v1/coverages/{one['coverage_id']}", one)
