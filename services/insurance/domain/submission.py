"""What the end of a session submits: each coverage that was added or changed in it, once."""

from datetime import datetime

from services.insurance.domain.change import apply
from services.insurance.domain.patient import ChangeRequest, Coverage, Patient
from services.insurance.domain.payers import Directory
from services.insurance.domain.questions import inquiry
from services.insurance.domain.session import SubmitSession
from services.insurance.domain.verification import submit
from services.insurance.domain.work import raise_work
from shared.frozen import replace
from shared.messaging.decision import Decision


def submit_session(
    directory: Directory, patient: Patient, timer: SubmitSession, now: datetime
) -> Decision[Patient]:
    """Submit what waits for a session that has ended or was given up, all about one coverage together."""
    session_id = timer.session_id
    decided = Decision(patient)
    for coverage in patient.live():
        changes = [
            change
            for change in patient.requested_changes(coverage.coverage_id)
            if change.waiting_session == session_id
        ]
        came_at = [change.requested_at for change in changes]
        if coverage.waiting_session == session_id:
            came_at.append(coverage.added_at)
        if came_at and (timer.came_by is None or min(came_at) <= timer.came_by):
            submitted = _submit(directory, decided.state, coverage, changes, session_id, now)
            decided = decided.then(submitted)
    return decided


def _submit(
    directory: Directory,
    patient: Patient,
    coverage: Coverage,
    changes: list[ChangeRequest],
    session_id: str,
    now: datetime,
) -> Decision[Patient]:
    """Submit a coverage as it was added; or else as it would be with all changes of the session."""
    newest: ChangeRequest | None = None
    content = coverage.content
    for change in changes:
        patient = patient.with_change(replace(change, waiting_session=None))
        content = apply(directory, content, change.changes)
        newest = change
    if coverage.waiting_session == session_id:
        content, newest = coverage.content, None
        coverage = replace(coverage, waiting_session=None)
        patient = patient.with_coverage(coverage)
    asked = inquiry(directory, patient, content, now)
    if asked is None and newest is None:
        # The payer was in the directory when the coverage was added, and is not any more.
        unknown = replace(coverage, status="needs-staff", reason="unknown_payer")
        after = patient.with_coverage(unknown)
        return raise_work(after, "unknown-payer", now, coverage_id=coverage.coverage_id)
    if asked is None:
        return Decision(patient)
    submitted = submit(
        patient,
        coverage,
        asked,
        "session",
        now,
        key=(session_id,),
        session_id=session_id,
        change=newest,
        chain=(newest or coverage).correlationid,
    )
    if newest is None:
        return submitted
    after = submitted.state
    verification = next(
        one for one in after.verifications.values() if one.change_id == newest.change_id and one.is_open
    )
    for change in changes:
        linked = replace(after.changes[change.change_id], verification_id=verification.verification_id)
        after = after.with_change(linked)
    return Decision(after, submitted.events, submitted.tasks)
