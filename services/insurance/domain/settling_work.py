"""What staff do about work that was raised: over HTTP alone, by the same rules as everything else."""

from datetime import datetime
from typing import ClassVar, Final, Literal

from services.insurance.domain.change import settle_change
from services.insurance.domain.checking import next_check, next_night
from services.insurance.domain.coverage import ask_anew, duplicate, unanswered
from services.insurance.domain.patient import Coverage, Patient, Work, WorkKind
from services.insurance.domain.payers import Directory
from services.insurance.domain.questions import inquiry
from services.insurance.domain.refusal import Objection, refuse
from services.insurance.domain.repeats import fingerprint, is_repeat
from services.insurance.domain.verification import close_all, submit
from shared.events.envelope import Command, Id
from shared.events.insurance import WorkSettled
from shared.events.vocabulary import Note, Word
from shared.frozen import replace
from shared.messaging.decision import Decision, Event

Action = Literal["accept", "decline", "verify-again", "choose-payer", "override", "close"]

ACTIONS: Final[dict[WorkKind, dict[Action, str]]] = {
    "change-request": {"accept": "Accept the change", "decline": "Decline the change"},
    "unknown-payer": {"choose-payer": "Choose the payer", "close": "Close"},
    "verification-failed": {
        "verify-again": "Ask the payer again",
        "override": "Set what the payer said on the phone",
        "close": "Close",
    },
    "two-primaries": {"close": "Close"},
    "coverage-of-another": {"close": "Close"},
}
"""What can be done about each kind of work, in words."""

_CONTENT: Final = {"action", "note", "payer_id", "status"}


class SettleWork(Command):
    """Staff do something about a piece of work.

    `payer_id` belongs to choose-payer; `status`, and a note, to override.
    """

    TYPE: ClassVar[str] = "insurance.settle-work.v1"
    work_id: Id
    patient_id: Id
    action: Action
    note: Note | None = None
    payer_id: Word | None = None
    status: Literal["active", "inactive"] | None = None


def settle_work(
    directory: Directory, patient: Patient, command: SettleWork, actor: str, cause_id: str, now: datetime
) -> Decision[Patient]:
    """Do what is asked and settle the work; what was settled with the same before is told again."""
    work = patient.work.get(command.work_id)
    if work is None:
        return refuse(patient, command, "not_found")
    if command.action not in ACTIONS[work.kind]:
        return refuse(patient, command, "action_not_offered")
    if not work.is_open and work.action != command.action:
        return refuse(patient, command, "work_settled")
    if not work.is_open:
        # A decision about a change that was given as a command settles its work without a fingerprint.
        same = work.fingerprint is None or is_repeat(work.fingerprint, command, _CONTENT)
        return (
            Decision(patient, (_told(command, work.note),))
            if same
            else refuse(patient, command, "idempotency_conflict")
        )
    done = replace(
        work,
        action=command.action,
        note=command.note,
        settled_by=actor,
        settled_at=now,
        fingerprint=fingerprint(command, _CONTENT),
    )
    did = _do(directory, patient.with_work(done), work, command, actor, cause_id, now)
    if isinstance(did, Objection):
        return refuse(patient, command, *did)
    return Decision(did.state, (_told(command, done.note), *did.events), did.tasks)


def _told(command: SettleWork, note: str | None) -> Event:
    told = WorkSettled(work_id=command.work_id, patient_id=command.patient_id, action=command.action, note=note)
    return Event(told, "done", command.patient_id)


def _do(
    directory: Directory,
    patient: Patient,
    work: Work,
    command: SettleWork,
    actor: str,
    cause_id: str,
    now: datetime,
) -> Decision[Patient] | Objection:
    if command.action == "close":
        return Decision(patient)
    coverage = patient.coverages[work.coverage_id or ""]
    match command.action:
        case "accept" | "decline":
            # Work about a change is settled with it, so while it is open the change waits too.
            change = patient.changes[work.change_id or ""]
            return settle_change(
                directory, patient, change, command.action, command.note, actor, now, outcome=None
            )
        case "verify-again":
            return ask_anew(directory, patient, coverage, cause_id, now)
        case "choose-payer":
            return _choose_payer(directory, patient, coverage, command, cause_id, now)
        case "override":
            return _override(patient, coverage, command, now)


def _choose_payer(
    directory: Directory,
    patient: Patient,
    coverage: Coverage,
    command: SettleWork,
    cause_id: str,
    now: datetime,
) -> Decision[Patient] | Objection:
    payer = directory.payer(command.payer_id, "") if command.payer_id else None
    if payer is None:
        return Objection("unknown_payer")
    content = coverage.content.model_copy(update={"payer_id": payer.payer_id, "payer_name": payer.name})
    same = duplicate(directory, patient, content, coverage)
    if same is not None:
        return same
    chosen = unanswered(replace(coverage, content=content, version=coverage.version + 1, updated_at=now))
    after = patient.with_coverage(chosen).noting(chosen, now, "payer-chosen", "staff", command.note)
    asked = inquiry(directory, after, content, now)
    if asked is None:
        # The host has not told of the patient yet, who is not the subscriber.
        due_at, timers = next_night(patient.patient_id, coverage.coverage_id, now)
        return Decision(after.with_coverage(replace(chosen, check_at=due_at)), tasks=timers)
    return submit(after, chosen, asked, "staff", now, key=(cause_id,))


def _override(
    patient: Patient, coverage: Coverage, command: SettleWork, now: datetime
) -> Decision[Patient] | Objection:
    """Take what staff learnt elsewhere as the answer; its benefits are not known that way."""
    if command.status is None or command.note is None:
        missing = [name for name in ("status", "note") if getattr(command, name) is None]
        return Objection("invalid_data", f"Missing: {', '.join(missing)}.")
    after = close_all(patient, coverage.coverage_id, now)
    due_at, timers = next_check(patient.patient_id, coverage, now)
    said = replace(
        coverage,
        status=command.status,
        answer_id=None,
        reason=None,
        retry_at=None,
        verified_at=now,
        check_at=due_at,
        updated_at=now,
    )
    noted = after.with_coverage(said).noting(said, now, "overridden", "staff", command.note)
    return Decision(noted, tasks=timers)
