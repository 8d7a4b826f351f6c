"""Work for the insurance pool: raised once, settled once."""

from datetime import datetime
from typing import Final

from services.insurance.domain.patient import Patient, Work, WorkKind
from shared.digests import digest
from shared.events.insurance import WorkRaised, WorkSettled
from shared.events.vocabulary import About
from shared.frozen import replace
from shared.messaging.decision import Decision, Event

SUMMARIES: Final[dict[WorkKind, str]] = {
    "unknown-payer": "A coverage names a payer that is not in the directory.",
    "change-request": "A patient asks for a change of a coverage.",
    "verification-failed": "A coverage could not be verified.",
    "two-primaries": "Two coverages of a patient are both to pay first.",
    "coverage-of-another": "A coverage on file has the id of another patient's coverage.",
}


def raise_work(
    patient: Patient,
    kind: WorkKind,
    now: datetime,
    *,
    coverage_id: str,
    change_id: str | None = None,
    verification_id: str | None = None,
) -> Decision[Patient]:
    """Have a person look at something, unless the same of this coverage is open already."""
    of_coverage = (one for one in patient.work.values() if one.coverage_id == coverage_id and one.is_open)
    if any(one.kind == kind and one.change_id == change_id for one in of_coverage):
        return Decision(patient)
    work = Work(
        work_id=digest("work", kind, coverage_id, change_id, verification_id, now.isoformat()).hex(),
        kind=kind,
        summary=SUMMARIES[kind],
        raised_at=now,
        coverage_id=coverage_id,
        change_id=change_id,
        verification_id=verification_id,
    )
    raised = WorkRaised(
        work_id=work.work_id,
        pool="insurance",
        summary=work.summary,
        about=About(
            patient_id=patient.patient_id,
            coverage_id=coverage_id,
            change_id=change_id,
            verification_id=verification_id,
        ),
    )
    return Decision(patient.with_work(work), (Event(raised, key=patient.patient_id),))


def settle(  # what is settled, and by whom
    patient: Patient,
    now: datetime,
    kinds: tuple[WorkKind, ...],
    *,
    action: str,
    by: str,
    coverage_id: str,
    change_id: str | None = None,
) -> Patient:
    """Return the patient without open work of these kinds about a coverage (and a change, if one is named)."""
    for one in list(patient.work.values()):
        about = one.coverage_id == coverage_id and change_id in (None, one.change_id)
        if about and one.is_open and one.kind in kinds:
            patient = patient.with_work(replace(one, action=action, settled_by=by, settled_at=now))
    return patient


def tell_settled(before: Patient, decided: Decision[Patient]) -> Decision[Patient]:
    """Return a decision that also tells what work ended by the way: no basket shows it any longer."""
    patient, events, tasks = decided
    if patient.work is before.work:
        return decided
    told = {event.data.work_id for event in events if isinstance(event.data, WorkSettled)}
    more = (
        WorkSettled(work_id=one.work_id, patient_id=patient.patient_id, action=one.action, note=one.note)
        for one in patient.work.values()
        if one.action is not None and one.work_id not in told and before.work.get(one.work_id) != one
    )
    return Decision(patient, (*events, *(Event(data, key=patient.patient_id) for data in more)), tasks)
