"""What several parts of the portal ask the services for: whom a person acts for, and where to reach them."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from portal.calls import Answered, aside
from portal.guarding import not_found
from portal.visitors import PersonAtPage
from shared.paths import segment


class Patient(Answered):
    """Somebody whom the person acts for: `self`, or `proxy`."""

    patient_id: str
    name: str
    relationship: str

    @property
    def own(self) -> bool:
        """Whether it is the person's own record."""
        return self.relationship == "self"


_PATIENTS = TypeAdapter(list[Patient])


async def patients_of(person: PersonAtPage, service: str) -> list[Patient]:
    """Return whom the person acts for, themself first."""
    found = _PATIENTS.validate_python(await person.get(service, "/v1/patients"))
    return sorted(found, key=lambda patient: not patient.own)


def patient_of(patients: Sequence[Patient], patient_id: str) -> Patient:
    """Return the patient of this id; whom the person does not act for is not found."""
    for patient in patients:
        if patient.patient_id == patient_id:
            return patient
    raise not_found()


async def check_about(
    person: PersonAtPage, account_number: str, statement_id: str = "", coverage_id: str = ""
) -> None:
    """Let a message be about what the person may see; else it is not found.

    The inbox takes what a gateway says. A statement is one of an account.
    """
    if account_number:
        path = f"/v1/accounts/{segment(account_number)}"
        told = await person.get("payments", f"{path}/statements" if statement_id else path)
    if statement_id and (not account_number or all(one["statement_id"] != statement_id for one in told)):
        raise not_found()
    if coverage_id:
        await person.get("insurance", f"/v1/coverages/{segment(coverage_id)}")


async def names_to_tell_apart(person: PersonAtPage) -> dict[str, str]:
    """Return the names of those the person acts for; none where there is but one, or while nobody can say."""
    found = await aside(patients_of(person, "insurance")) or []
    return {one.patient_id: one.name for one in found} if len(found) > 1 else {}


async def preferences_of(person: PersonAtPage) -> dict[str, Any]:
    """Return the person's contacts, and how each account's statements come."""
    told: dict[str, Any] = await person.get("notifications", "/v1/preferences")
    return told
