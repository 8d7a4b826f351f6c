"""Changes that patients ask for: staff decide, and the coverage on file stays in force until then."""

from datetime import datetime
from typing import Any, Final, Literal

from services.insurance.domain.coverage import asked_by, objection, submission_timer, unanswered
from services.insurance.domain.patient import ChangeRequest, ChangeStatus, Content, Coverage, Patient, What
from services.insurance.domain.payers import Directory
from services.insurance.domain.questions import inquiry
from services.insurance.domain.refusal import Objection, refuse
from services.insurance.domain.repeats import fingerprint, is_repeat
from services.insurance.domain.verification import close, close_all, submit, take_over
from services.insurance.domain.work import raise_work, settle
from shared.events.envelope import Message, Outcome
from shared.events.insurance import (
    ChangeDecided,
    ChangeRequested,
    CoverageChanges,
    DecideChange,
    RequestChange,
)
from shared.frozen import replace
from shared.messaging.decision import Decision, Event

_CONTENT: Final = {"coverage_id", "base_version", "changes", "note"}
_DECIDED: Final[dict[str, tuple[ChangeStatus, What]]] = {
    "accept": ("accepted", "change-accepted"),
    "decline": ("declined", "change-declined"),
}


def request(
    directory: Directory, patient: Patient, message: Message[RequestChange], now: datetime
) -> Decision[Patient]:
    """Keep a change for staff to decide on; one that was asked for before is told again."""
    command, actor = message.data, message.actor
    if not patient.may_act(actor):
        return refuse(patient, command, "not_found")
    known = patient.changes.get(command.change_id)
    if known is not None and is_repeat(known.fingerprint, command, _CONTENT):
        return Decision(patient, (_requested(patient, known),))
    if known is not None or command.change_id in patient.ids_elsewhere:
        return refuse(patient, command, "idempotency_conflict")
    coverage = patient.coverages.get(command.coverage_id)
    if coverage is None or not coverage.is_live:
        return refuse(patient, command, "not_found")
    reason = _objection(directory, patient, coverage, command, now)
    if reason is not None:
        return refuse(patient, command, *reason)
    change = ChangeRequest(
        change_id=command.change_id,
        coverage_id=command.coverage_id,
        changes=command.changes,
        note=command.note,
        requested_at=now,
        fingerprint=fingerprint(command, _CONTENT),
        session_id=command.session_id,
        waiting_session=command.session_id,
        correlationid=message.correlation,
    )
    after = patient.with_change(change).noting(
        coverage, now, "change-requested", patient.who(actor) or "service", command.note
    )
    kept = Decision(after, (_requested(after, change),), (submission_timer(patient, command.session_id, now),))
    raised = raise_work(after, "change-request", now, coverage_id=change.coverage_id, change_id=change.change_id)
    return kept.then(raised)


def _objection(
    directory: Directory, patient: Patient, coverage: Coverage, command: RequestChange, now: datetime
) -> Objection | None:
    """Return why a change cannot be asked for, with words for it where the reason is not enough."""
    if command.base_version is not None and command.base_version != coverage.version:
        return Objection("stale_version")
    changed = apply(directory, coverage.content, command.changes)
    if changed == coverage.content:
        return Objection("nothing_to_change")
    return objection(directory, patient, changed, now, coverage)


def apply(directory: Directory, content: Content, changes: CoverageChanges) -> Content:
    """Return what a coverage says once it is changed; an empty text removes what was there."""
    given: dict[str, Any] = {
        name: value or None
        for name in CoverageChanges.model_fields
        if (value := getattr(changes, name)) is not None
    }
    payer_id, payer_name = given.get("payer_id"), given.get("payer_name")
    if payer_id not in (None, content.payer_id) or (payer_id and payer_name):
        # The name on file is the former payer's.
        given["payer_name"] = directory.name(payer_id, payer_name)
    elif payer_name not in (None, content.payer_name):
        # And so is the id.
        given["payer_id"] = None
    return content.model_copy(update=given)


def _requested(patient: Patient, change: ChangeRequest) -> Event:
    requested = ChangeRequested(
        change_id=change.change_id,
        coverage_id=change.coverage_id,
        patient_id=patient.patient_id,
        version=patient.coverages[change.coverage_id].version,
        session_id=change.session_id,
    )
    return Event(requested, "done", patient.patient_id)


def decide(
    directory: Directory, patient: Patient, command: DecideChange, actor: str, now: datetime
) -> Decision[Patient]:
    """Make a change or drop it, as staff say."""
    change = patient.changes.get(command.change_id)
    if change is None or change.status == "dropped":
        return refuse(patient, command, "not_found")
    if change.status not in ("requested", _DECIDED[command.decision][0]):
        return refuse(patient, command, "change_decided")
    decided = settle_change(directory, patient, change, command.decision, command.note, actor, now, outcome="done")
    return refuse(patient, command, *decided) if isinstance(decided, Objection) else decided


def settle_change(  # a decision has as many parts
    directory: Directory,
    patient: Patient,
    change: ChangeRequest,
    decision: Literal["accept", "decline"],
    note: str | None,
    actor: str,
    now: datetime,
    *,
    outcome: Outcome | None,
) -> Decision[Patient] | Objection:
    """Return what a decision about a change leads to; once it was made, it is only told again.

    Since it was asked for, another coverage may have come to say the same, or the days to fit no longer.
    """
    coverage = patient.coverages[change.coverage_id]
    decided: Decision[Patient] = Decision(patient)
    if change.status == "requested":
        changed = apply(directory, coverage.content, change.changes)
        reason = objection(directory, patient, changed, now, coverage) if decision == "accept" else None
        if reason is not None:
            return reason
        status, what = _DECIDED[decision]
        made = replace(change, status=status, waiting_session=None, decided_at=now, decision_note=note)
        after = settle(
            patient.with_change(made),
            now,
            ("change-request",),
            action=decision,
            by=actor,
            coverage_id=change.coverage_id,
            change_id=change.change_id,
        )
        accepted = decision == "accept"
        decided = _accept(directory, after, coverage, change, now) if accepted else Decision(after)
        coverage = decided.state.coverages[change.coverage_id]
        noted = _asked_no_more(decided.state, change, now).noting(coverage, now, what, "staff", note)
        decided = Decision(noted, decided.events, decided.tasks)
    told = ChangeDecided(
        change_id=change.change_id,
        coverage_id=change.coverage_id,
        patient_id=patient.patient_id,
        decision=decision,
        version=coverage.version,
        note=note,
    )
    return Decision(decided.state, (Event(told, outcome, patient.patient_id), *decided.events), decided.tasks)


def _asked_no_more(patient: Patient, change: ChangeRequest, now: datetime) -> Patient:
    """Return the patient with the payer asked about a decided change no longer, or else only about the others."""
    asked = patient.verifications.get(change.verification_id or "")
    if asked is None or asked.change_id is None:
        return patient
    waiting = patient.requested_changes(change.coverage_id)
    others = [one.change_id for one in waiting if one.verification_id == asked.verification_id]
    if others:
        return patient.with_verification(replace(asked, change_id=others[-1]))
    return close(patient, asked.verification_id, now)


def _accept(
    directory: Directory, patient: Patient, coverage: Coverage, change: ChangeRequest, now: datetime
) -> Decision[Patient]:
    """Change a coverage; what the payer said of the change already holds for it, else the payer is asked."""
    content = apply(directory, coverage.content, change.changes)
    changed = replace(coverage, content=content, version=coverage.version + 1, updated_at=now)
    if asked_by(directory, content) != asked_by(directory, coverage.content):
        changed = unanswered(changed)
        patient = settle(
            patient,
            now,
            ("verification-failed",),
            action="changed",
            by="service",
            coverage_id=coverage.coverage_id,
        )
    asked = inquiry(directory, patient, content, now)
    if asked is None:
        changed = replace(
            changed, status="needs-staff", reason="unknown_payer", waiting_session=None, check_at=None
        )
        after = close_all(patient, coverage.coverage_id, now).with_coverage(changed)
        return raise_work(after, "unknown-payer", now, coverage_id=coverage.coverage_id)
    found = patient.verifications.get(change.verification_id or "")
    same_day = {"service_date": asked.service_date, "dated_today": False}
    if found is not None and found.status != "closed" and found.inquiry.model_copy(update=same_day) == asked:
        now_its_own = replace(found, change_id=None, version=changed.version)
        after = close(patient, coverage.verification_id, now)
        after = after.with_coverage(replace(changed, waiting_session=None)).with_verification(now_its_own)
        return take_over(after, coverage.coverage_id, now_its_own, now)
    changed = replace(changed, waiting_session=None)
    return submit(
        patient.with_coverage(changed),
        changed,
        asked,
        "session",
        now,
        key=(change.session_id,),
        session_id=change.session_id,
        chain=change.correlationid,
    )
