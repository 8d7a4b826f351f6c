"""Coverages as patients add and remove them, as the host has them on file, and in what order they pay."""

from datetime import datetime, timedelta
from typing import Final

from services.insurance.domain.asking import CheckCoverage
from services.insurance.domain.checking import first_check, next_check, next_night
from services.insurance.domain.patient import Content, Coverage, OnFile, Patient, WorkKind
from services.insurance.domain.payers import Directory
from services.insurance.domain.questions import inquiry
from services.insurance.domain.refusal import Objection, refuse
from services.insurance.domain.repeats import fingerprint, is_repeat
from services.insurance.domain.session import SubmitSession
from services.insurance.domain.verification import NOT_AGAIN_BEFORE, close_all, submit
from services.insurance.domain.work import raise_work, settle
from shared.events.envelope import Message
from shared.events.insurance import (
    AddCoverage,
    CoverageAdded,
    CoverageRemoved,
    PrioritySet,
    RemoveCoverage,
    SetPriority,
    VerificationSubmitted,
    VerifyAgain,
)
from shared.events.registration import CoverageOnFile
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

SESSION_GIVEN_UP_AFTER: Final = timedelta(minutes=30)
"""A closed tab ends no session: what waits for its end is submitted after this."""

_EASTERNMOST: Final = timedelta(hours=14)
"""Where a day begins first, and a child may be born on a date that is still to come in UTC."""


def submission_timer(patient: Patient, session_id: str, now: datetime) -> Task:
    """Return the timer that submits what waits for a session: at once if it has ended, or when it is given up."""
    ended = session_id in patient.ended_sessions
    timer = SubmitSession(session_id=session_id, patient_id=patient.patient_id, came_by=None if ended else now)
    return Task(timer, now if ended else now + SESSION_GIVEN_UP_AFTER)


def objection(
    directory: Directory, patient: Patient, content: Content, now: datetime, was: Coverage | None = None
) -> Objection | None:
    """Return why a coverage cannot say this; what it `was` before is nobody's fault now."""
    born = content.subscriber.birth_date
    if born > (now + _EASTERNMOST).date() and (was is None or was.content.subscriber.birth_date != born):
        return Objection("birth_date_in_future")
    written_before = _written(was.content) if was else {}
    for name, text in _written(content).items():
        if not any(map(str.isalnum, text)) and written_before.get(name) != text:
            return Objection("invalid_data", f"{name}: it has no letter or digit.")
    first, last = content.effective_from, content.effective_to
    dates_before = (was.content.effective_from, was.content.effective_to) if was else None
    if first and last and last < first and dates_before != (first, last):
        return Objection("invalid_data", "effective_to: it is before effective_from.")
    return duplicate(directory, patient, content, was)


def _written(content: Content) -> dict[str, str]:
    """Return the texts that a payer is asked by, which cannot be blank."""
    name = content.subscriber.first_name + content.subscriber.last_name
    return {"payer_name": content.payer_name, "member_id": content.member_id, "subscriber": name}


def duplicate(
    directory: Directory, patient: Patient, content: Content, was: Coverage | None = None
) -> Objection | None:
    """Return which other coverage this one would be the same as, if it was not before."""
    key = _member(directory, content)
    if was is not None and _member(directory, was.content) == key:
        return None
    for there in patient.live():
        if _member(directory, there.content) == key:
            detail = f"This payer and member id are on file as coverage {there.coverage_id}."
            return Objection("duplicate_coverage", detail)
    return None


def _member(directory: Directory, content: Content) -> tuple[str, str]:
    letters = "".join(c for c in content.member_id if c.isalnum())
    return directory.key(content.payer_id, content.payer_name), letters.casefold()


def content_of(told: AddCoverage | CoverageOnFile) -> Content:
    """Return what a coverage says, as it was told."""
    return Content(**{name: getattr(told, name, None) for name in Content.model_fields})


def add(directory: Directory, patient: Patient, message: Message[AddCoverage], now: datetime) -> Decision[Patient]:
    """Take a coverage on, to be verified when the session ends; one that was added before is told again."""
    command = message.data
    if not patient.may_act(message.actor):
        return refuse(patient, command, "not_found")
    content = said = content_of(command)
    known = patient.coverages.get(command.coverage_id)
    if known is not None and is_repeat(known.fingerprint, content):
        return Decision(patient, (_added(patient, known),))
    if known is not None or command.coverage_id in patient.ids_elsewhere:
        return refuse(patient, command, "idempotency_conflict")
    if content.payer_id is not None:
        called = directory.name(content.payer_id, content.payer_name)
        content = content.model_copy(update={"payer_name": called})
    reason = objection(directory, patient, content, now)
    if reason is not None:
        return refuse(patient, command, *reason)
    return _take_on(directory, patient, content, fingerprint(said), message, now)


def _take_on(
    directory: Directory,
    patient: Patient,
    content: Content,
    kept: bytes,
    message: Message[AddCoverage],
    now: datetime,
) -> Decision[Patient]:
    command = message.data
    payer = directory.payer(content.payer_id, content.payer_name)
    coverage = Coverage(
        coverage_id=command.coverage_id,
        content=content,
        status="pending" if payer else "needs-staff",
        reason=None if payer else "unknown_payer",
        priority=1 + max((one.priority for one in patient.live()), default=0),
        added_at=now,
        updated_at=now,
        fingerprint=kept,
        session_id=command.session_id,
        correlationid=message.correlation,
    )
    added = Decision(
        patient.with_coverage(coverage).noting(coverage, now, "added", patient.who(message.actor) or "service"),
        (_added(patient, coverage),),
    )
    if payer is None:
        return added.then(raise_work(added.state, "unknown-payer", now, coverage_id=coverage.coverage_id))
    waiting = replace(coverage, waiting_session=command.session_id)
    timer = submission_timer(patient, command.session_id, now)
    return Decision(added.state.with_coverage(waiting), added.events, (timer,))


def _added(patient: Patient, coverage: Coverage) -> Event:
    added = CoverageAdded(
        coverage_id=coverage.coverage_id,
        patient_id=patient.patient_id,
        version=coverage.version,
        session_id=coverage.session_id,
    )
    return Event(added, "done", patient.patient_id)


def remove(patient: Patient, command: RemoveCoverage, actor: str, now: datetime) -> Decision[Patient]:
    """Count on a coverage no longer; removing it twice is once, and an answer in flight does not revive it."""
    coverage = patient.coverages.get(command.coverage_id)
    if coverage is None or not patient.may_act(actor):
        return refuse(patient, command, "not_found")
    removed = CoverageRemoved(
        coverage_id=coverage.coverage_id, patient_id=patient.patient_id, reason=command.reason
    )
    told = (Event(removed, "done", patient.patient_id),)
    if not coverage.is_live:
        return Decision(patient, told)
    after = close_all(patient, coverage.coverage_id, now)
    for change in after.requested_changes(coverage.coverage_id):
        after = after.with_change(replace(change, status="dropped", waiting_session=None, decided_at=now))
    after = settle(
        after,
        now,
        ("unknown-payer", "change-request", "verification-failed"),
        action="removed",
        by=actor,
        coverage_id=coverage.coverage_id,
    )
    gone = replace(
        coverage,
        status="removed",
        waiting_session=None,
        reason=None,
        retry_at=None,
        check_at=None,
        updated_at=now,
    )
    after = after.with_coverage(gone).noting(gone, now, "removed", patient.who(actor) or "service", command.reason)
    return Decision(_settle_primaries(after, now, action="removed", by=actor), told)


def put_on_file(
    directory: Directory, patient: Patient, fact: CoverageOnFile, told_at: datetime, now: datetime
) -> Decision[Patient]:
    """Take over what the registration host has on file; only what it told before the last is ignored.

    Hosts send all they have each night: the same again undoes nothing that was decided here since. An id stays
    with the patient who had it first: who is right, a person has to find out.
    """
    if fact.coverage_id in patient.ids_elsewhere:
        return raise_work(patient, "coverage-of-another", now, coverage_id=fact.coverage_id)
    known = patient.coverages.get(fact.coverage_id)
    if known is not None and (not known.is_live or (known.told_at is not None and known.told_at > told_at)):
        return Decision(patient)
    said = OnFile(content=content_of(fact), priority=fact.priority, told_at=told_at)
    content, priority = _corrected(known, said) if known is not None else (said.content, said.priority)
    payer = directory.payer(content.payer_id, content.payer_name)
    asks_anew = False
    if known is not None:
        coverage = replace(known, told_at=told_at, on_file=said)
        payer_found = known.reason == "unknown_payer" and payer is not None
        asks_anew = payer_found or asked_by(directory, content) != asked_by(directory, known.content)
        if (content, priority) == (known.content, known.priority) and not asks_anew:
            return Decision(patient.with_coverage(coverage))
        coverage = replace(coverage, priority=priority, updated_at=now)
        if content != known.content:
            coverage = replace(coverage, content=content, version=known.version + 1)
        elif not asks_anew:
            return _look_for_doubts(patient.with_coverage(coverage), coverage, now)
    else:
        coverage = Coverage(
            coverage_id=fact.coverage_id,
            content=content,
            status="pending",
            priority=priority,
            added_at=now,
            updated_at=now,
            told_at=told_at,
            on_file=said,
        )
    if asks_anew:
        coverage = unanswered(coverage)
        moot: tuple[WorkKind, ...] = (
            ("verification-failed", "unknown-payer") if payer else ("verification-failed",)
        )
        patient = settle(patient, now, moot, action="corrected", by="host", coverage_id=coverage.coverage_id)
    if payer is None:
        coverage = replace(coverage, status="needs-staff", reason="unknown_payer", check_at=None)
    after = patient.with_coverage(coverage).noting(coverage, now, "on-file", "host")
    asked = _ask_in_time(directory, after, coverage, now, asks_anew=asks_anew)
    return asked.then(_look_for_doubts(asked.state, asked.state.coverages[coverage.coverage_id], now))


def _corrected(known: Coverage, said: OnFile) -> tuple[Content, int]:
    """Return what a coverage says, and its place, with what the host now says otherwise than it did.

    Where what it said last is not known, it is compared with the coverage as it stands.
    """
    before = known.on_file
    if before is None or before.told_at != known.told_at:  # a process of the release before has heard it last
        before = OnFile(content=known.content, priority=known.priority, told_at=said.told_at)
    told = said.content
    corrected = {
        name: value
        for name, value in told
        if name != "card_attachment_ids" and value != getattr(before.content, name)
    }
    if "payer_id" in corrected:
        corrected["payer_name"] = told.payer_name
    elif told.payer_id != known.content.payer_id:
        # The name of a payer that it is not, as was decided here.
        corrected.pop("payer_name", None)
    priority = known.priority if said.priority == before.priority else said.priority
    return known.content.model_copy(update=corrected), priority


def asked_by(directory: Directory, content: Content) -> tuple[object, ...]:
    """Return what a payer is asked by: where it changes, what was answered is about another policy."""
    payer = directory.key(content.payer_id, content.payer_name)
    return payer, content.member_id, content.subscriber, content.relationship


def unanswered(coverage: Coverage) -> Coverage:
    """Return a coverage of whose policy the payer has said nothing yet."""
    return replace(
        coverage, status="pending", reason=None, retry_at=None, answer_id=None, verified_at=None, check_at=None
    )


def _ask_in_time(
    directory: Directory, patient: Patient, coverage: Coverage, now: datetime, *, asks_anew: bool
) -> Decision[Patient]:
    """Verify what the host put on file, within a month; or the next night what it corrected since.

    While the payer is being asked what is outdated, it is asked anew at once.
    """
    under_way = patient.verifications.get(coverage.verification_id or "")
    being_asked = under_way is not None and under_way.is_open
    if not asks_anew and (being_asked or coverage.check_at is not None):
        return Decision(patient)
    if being_asked:
        asked = inquiry(directory, patient, coverage.content, now)
        if asked is not None:
            return submit(patient, coverage, asked, "monthly", now, key=(now.isoformat(),))
        patient = close_all(patient, coverage.coverage_id, now)
    if coverage.reason == "unknown_payer":
        return Decision(patient)
    when = next_night if asks_anew else first_check
    due_at, timers = when(patient.patient_id, coverage.coverage_id, now)
    return Decision(patient.with_coverage(replace(coverage, check_at=due_at)), tasks=timers)


def _look_for_doubts(patient: Patient, coverage: Coverage, now: datetime) -> Decision[Patient]:
    """Have a person look at what the host has on file, while it cannot be right or cannot be asked about."""
    patient = _settle_primaries(patient, now, action="corrected", by="host")
    decided = Decision(patient)
    if coverage.coverage_id in _primaries(patient):
        decided = raise_work(patient, "two-primaries", now, coverage_id=coverage.coverage_id)
    if coverage.reason == "unknown_payer":
        raised = raise_work(decided.state, "unknown-payer", now, coverage_id=coverage.coverage_id)
        return decided.then(raised)
    return decided


def _primaries(patient: Patient) -> list[str]:
    """Return the coverages that are all to pay first, where more than one is."""
    first = [one.coverage_id for one in patient.live() if one.priority == 1]
    return first if len(first) > 1 else []


def _settle_primaries(patient: Patient, now: datetime, *, action: str, by: str) -> Patient:
    """Return the patient without work about a coverage that now pays first alone, or no longer first."""
    for coverage_id in patient.coverages.keys() - _primaries(patient):
        patient = settle(patient, now, ("two-primaries",), action=action, by=by, coverage_id=coverage_id)
    return patient


def set_priority(patient: Patient, command: SetPriority, actor: str, now: datetime) -> Decision[Patient]:
    """Say in which order a patient's coverages pay; the list names each of them once."""
    if patient.registered is None and not patient.coverages:
        return refuse(patient, command, "not_found")
    if sorted(command.coverage_ids) != sorted(one.coverage_id for one in patient.live()):
        return refuse(patient, command, "priority_mismatch")
    after = patient
    for priority, coverage_id in enumerate(command.coverage_ids, 1):
        coverage = after.coverages[coverage_id]
        if coverage.priority != priority:
            moved = replace(coverage, priority=priority, updated_at=now)
            after = after.with_coverage(moved).noting(moved, now, "priority-set", "staff")
    after = _settle_primaries(after, now, action="priority-set", by=actor)
    told = PrioritySet(patient_id=patient.patient_id, coverage_ids=command.coverage_ids)
    return Decision(after, (Event(told, "done", patient.patient_id),))


def verify_again(
    directory: Directory, patient: Patient, command: VerifyAgain, cause_id: str, now: datetime
) -> Decision[Patient]:
    """Ask the payer anew, unless it was asked just now."""
    coverage = patient.coverages.get(command.coverage_id)
    if coverage is None or not coverage.is_live:
        return refuse(patient, command, "not_found")
    decided = ask_anew(directory, patient, coverage, cause_id, now)
    if isinstance(decided, Objection):
        return refuse(patient, command, *decided)
    last = decided.state.coverages[coverage.coverage_id].verification_id or ""
    told = VerificationSubmitted(coverage_id=coverage.coverage_id, verification_id=last)
    return Decision(decided.state, (Event(told, "done", patient.patient_id),), decided.tasks)


def ask_anew(
    directory: Directory, patient: Patient, coverage: Coverage, cause_id: str, now: datetime
) -> Decision[Patient] | Objection:
    """Return what it takes to ask anew, which is nothing if the payer was asked just now; or why nobody can be.

    A question that has just timed out was asked just now too: it is asked again by itself.
    """
    under_way = patient.verifications.get(coverage.verification_id or "")
    if under_way and under_way.is_open and now - under_way.asked_at < NOT_AGAIN_BEFORE:
        return Decision(patient)
    asked = inquiry(directory, patient, coverage.content, now)
    if asked is None:
        if directory.payer(coverage.content.payer_id, coverage.content.payer_name) is None:
            return Objection("unknown_payer")
        return Objection("not_found", "The host has not told of the patient yet, who is not the subscriber.")
    coverage = replace(coverage, waiting_session=None)
    return submit(patient, coverage, asked, "staff", now, key=(cause_id,))


def check(directory: Directory, patient: Patient, timer: CheckCoverage, now: datetime) -> Decision[Patient]:
    """Verify a coverage whose month is over, unless it was put off or removed since."""
    coverage = patient.coverages.get(timer.coverage_id)
    if coverage is None or not coverage.is_live or coverage.check_at != timer.due_at:
        return Decision(patient)
    asked = inquiry(directory, patient, coverage.content, now)
    if asked is None:
        due_at, timers = next_check(patient.patient_id, coverage, now)
        return Decision(patient.with_coverage(replace(coverage, check_at=due_at)), tasks=timers)
    return submit(patient, coverage, asked, "monthly", now, key=(timer.due_at.isoformat(),))
