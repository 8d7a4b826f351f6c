"""A verification from the question to the payer's answer, which alone says whether a coverage is in force.

No answer is not "not covered": while there is none, the coverage is `undetermined` and the payer is asked again,
for a day; then a person is. What was asked about a requested change leaves the coverage on file as it is.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from services.insurance.domain.asking import (
    PATIENCE,
    POSTPONED_BY,
    RETRY_FOR,
    AskAgain,
    AskPayer,
    PayerAnswered,
    wait_after,
)
from services.insurance.domain.checking import next_check
from services.insurance.domain.patient import (
    Answer,
    Cause,
    ChangeRequest,
    Coverage,
    CoverageStatus,
    Exchange,
    Inquiry,
    Patient,
    Verification,
    What,
)
from services.insurance.domain.questions import day_of, payers_day
from services.insurance.domain.rejection import Rejection, judge
from services.insurance.domain.work import raise_work, settle
from shared.digests import digest
from shared.events.insurance import CoverageNotVerified, CoverageVerified, VerificationSubmitted
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

NOT_AGAIN_BEFORE: Final = timedelta(seconds=90)
"""A payer that was just asked may still be about to answer."""

NotVerified = Literal["needs-patient", "needs-staff", "undetermined"]


def submit(  # a verification has as many attributes
    patient: Patient,
    coverage: Coverage,
    asked: Inquiry,
    cause: Cause,
    now: datetime,
    *,
    key: tuple[str, ...],
    session_id: str | None = None,
    change: ChangeRequest | None = None,
    chain: str | None = None,
) -> Decision[Patient]:
    """Ask the payer about a coverage, or about what a requested change would make of it.

    Args:
        patient: whose it is.
        coverage: the one to ask about, as it is on file.
        asked: the question.
        cause: why.
        now: the business's time.
        key: what makes this question one of a kind, beside cause, coverage and version.
        session_id: the session that it belongs to.
        change: the request, when it is about one.
        chain: of the command that waited for it, where another message brings it about.
    """
    change_id = change.change_id if change else None
    verification = Verification(
        verification_id=digest(cause, *key, coverage.coverage_id, coverage.version, change_id).hex(),
        coverage_id=coverage.coverage_id,
        version=coverage.version,
        cause=cause,
        inquiry=asked,
        started_at=now,
        asked_at=now,
        session_id=session_id,
        change_id=change_id,
    )
    if change is None:
        patient = close(patient, coverage.verification_id, now)
        coverage = replace(
            coverage,
            status="verifying",
            verification_id=verification.verification_id,
            reason=None,
            retry_at=None,
            check_at=None,
            updated_at=now,
        )
        patient = settle(
            patient.with_coverage(coverage),
            now,
            ("unknown-payer",),
            action="payer-known",
            by="service",
            coverage_id=coverage.coverage_id,
        )
    after = patient.with_verification(verification).noting(coverage, now, "verification-submitted", "service")
    ask = _ask(patient, verification)._replace(correlationid=chain)
    return Decision(after, (_submitted(patient, verification, chain),), (ask,))


def close(patient: Patient, verification_id: str | None, now: datetime) -> Patient:
    """Return the patient without a question that a newer one replaces, or that nobody needs answered."""
    there = patient.verifications.get(verification_id or "")
    if there is None or not there.is_open:
        return patient
    return patient.with_verification(replace(there, status="closed", retry_at=None, ended_at=now))


def close_all(patient: Patient, coverage_id: str, now: datetime) -> Patient:
    """Return the patient with nothing asked about a coverage any more; what is in flight changes nothing."""
    for one in patient.verifications.values():
        if one.coverage_id == coverage_id:
            patient = close(patient, one.verification_id, now)
    return patient


def _submitted(patient: Patient, verification: Verification, correlationid: str | None) -> Event:
    told = VerificationSubmitted(
        coverage_id=verification.coverage_id,
        verification_id=verification.verification_id,
        session_id=verification.session_id,
    )
    return Event(told, key=patient.patient_id, correlationid=correlationid)


def _ask(patient: Patient, verification: Verification) -> Task:
    ask = AskPayer(
        patient_id=patient.patient_id,
        coverage_id=verification.coverage_id,
        verification_id=verification.verification_id,
        attempt=verification.attempt,
        inquiry=verification.inquiry,
    )
    return Task(ask, name=verification.verification_id)


def _ask_later(patient: Patient, verification: Verification, due_at: datetime) -> Task:
    """Return the timer after which a payer is asked, if it is then still to be."""
    timer = AskAgain(
        patient_id=patient.patient_id,
        verification_id=verification.verification_id,
        attempt=verification.attempt,
    )
    return Task(timer, due_at, verification.verification_id)


def ask_again(patient: Patient, timer: AskAgain, now: datetime) -> Decision[Patient]:
    """Ask a payer whose time has come, unless the question was dropped or asked since; of no day gone by.

    One that answers for no day to come is asked as of its own.
    """
    asked = patient.verifications.get(timer.verification_id)
    if asked is None or not asked.is_open or asked.attempt != timer.attempt:
        return Decision(patient)
    question = asked.inquiry
    as_ever = max(question.service_date, day_of(patient, now))
    day = payers_day(patient, now) if question.dated_today else as_ever
    again = replace(asked, inquiry=question.model_copy(update={"service_date": day}), asked_at=now)
    return Decision(patient.with_verification(again), tasks=(_ask(patient, again),))


def hear_answer(patient: Patient, answer: PayerAnswered, now: datetime) -> Decision[Patient]:
    """Bring a verification as far as the answer does; what comes twice or late is kept, and changes nothing."""
    patient = _keep(patient, answer, now)
    asked = patient.verifications.get(answer.verification_id)
    if asked is None or not asked.is_open or asked.attempt != answer.attempt:
        return Decision(patient)
    match answer.result:
        case "active" | "inactive":
            return _verified(patient, asked, answer, answer.result, now)
        case "rejected":
            return _rejected(patient, asked, answer, now)
        case "unanswered":
            return _ask_again(patient, asked, answer.reason or "unreadable_answer", (), now)
        case "mismatched" | "unclear":
            # The payer would say the same again.
            return _not_verified(patient, asked, "needs-staff", answer.reason or "answer_mismatched", (), now)
        case "postponed":
            return _postpone(patient, asked, now)
        case _:
            assert_never(answer.result)


def _keep(patient: Patient, answer: PayerAnswered, now: datetime) -> Patient:
    """Return the patient with what was sent and received."""
    sent, received = answer.request, answer.answer
    if sent is None:
        return patient
    exchange = Exchange(
        verification_id=answer.verification_id,
        attempt=answer.attempt,
        at=now,
        result=answer.result,
        codes=answer.codes,
        request=sent.content,
        request_sha256=sent.sha256,
        answer=received.content if received else None,
        answer_sha256=received.sha256 if received else None,
    )
    return replace(patient, exchanges=(*patient.exchanges, exchange))


def _verified(
    patient: Patient,
    asked: Verification,
    answer: PayerAnswered,
    status: Literal["active", "inactive"],
    now: datetime,
) -> Decision[Patient]:
    ended = replace(asked, status="verified", result=status, reason=None, retry_at=None, ended_at=now)
    brought = Answer(asked.verification_id, answer.benefits, answer.plan)
    after = replace(patient.with_verification(ended), answers=(*patient.answers, brought))
    told = CoverageVerified(
        coverage_id=asked.coverage_id,
        verification_id=asked.verification_id,
        status=status,
        benefits=answer.benefits,
        change_id=asked.change_id,
    )
    events = (Event(told, key=patient.patient_id),)
    if asked.change_id is not None:
        return Decision(after, events)
    taken = take_over(after, asked.coverage_id, ended, now)
    coverage = taken.state.coverages[asked.coverage_id]
    what: What = "verified-active" if status == "active" else "verified-inactive"
    return Decision(taken.state.noting(coverage, now, what, "payer"), events, taken.tasks)


def take_over(patient: Patient, coverage_id: str, verification: Verification, now: datetime) -> Decision[Patient]:
    """Have a coverage as a verification found it: with the timer for the next time, or a person to look at it."""
    coverage = patient.coverages[coverage_id]
    status: CoverageStatus = verification.result or "verifying"
    answered = status in ("active", "inactive")
    due_at, timers = next_check(patient.patient_id, coverage, now) if answered else (None, ())
    after = replace(
        coverage,
        status="undetermined" if verification.status == "retrying" else status,
        verification_id=verification.verification_id,
        answer_id=verification.verification_id if answered else coverage.answer_id,
        verified_at=verification.ended_at if answered else coverage.verified_at,
        reason=verification.reason,
        retry_at=verification.retry_at,
        check_at=due_at,
        updated_at=now,
    )
    patient = patient.with_coverage(after)
    if answered:
        patient = settle(
            patient,
            now,
            ("verification-failed", "unknown-payer"),
            action="verified",
            by="service",
            coverage_id=coverage_id,
        )
    if verification.status == "not-verified" and status != "needs-patient":
        return raise_work(
            patient,
            "verification-failed",
            now,
            coverage_id=coverage_id,
            verification_id=verification.verification_id,
        )
    return Decision(patient, tasks=timers)


def _rejected(patient: Patient, asked: Verification, answer: PayerAnswered, now: datetime) -> Decision[Patient]:
    question = asked.inquiry
    to_come = question.service_date > payers_day(patient, asked.asked_at)
    found = judge(answer.codes, dependent=question.dependent is not None, to_come=to_come)
    if found.verdict == "needs-patient" and question.alone:
        # Found neither under the subscriber nor alone: nothing that the patient could mend.
        found = Rejection("needs-staff", found.reason)
    match found.verdict:
        case "undetermined":
            return _ask_again(patient, asked, found.reason, answer.codes, now)
        case "as-subscriber":
            # Some payers know no dependents: each member is a subscriber to them.
            alone = {"subscriber": question.person, "dependent": None, "alone": True}
            return _ask_otherwise(patient, asked, alone, now)
        case "as-of-today":
            return _ask_otherwise(patient, asked, {"dated_today": True}, now)
        case "needs-patient" | "needs-staff":
            return _not_verified(patient, asked, found.verdict, found.reason, answer.codes, now)
        case _:
            assert_never(found.verdict)


def _ask_otherwise(
    patient: Patient, asked: Verification, changes: Mapping[str, object], now: datetime
) -> Decision[Patient]:
    """Ask the same in another way, as soon as a payer that was just asked may be."""
    due_at = now + NOT_AGAIN_BEFORE
    inquiry = asked.inquiry.model_copy(update=changes)
    again = replace(asked, inquiry=inquiry, attempt=asked.attempt + 1, asked_at=due_at)
    return Decision(patient.with_verification(again), tasks=(_ask_later(patient, again, due_at),))


def _ask_again(
    patient: Patient, asked: Verification, reason: str, codes: tuple[str, ...], now: datetime
) -> Decision[Patient]:
    """Ask once more later, or have a person look once a day has passed; told when it begins and when it ends."""
    wait = wait_after(asked.attempt, asked.started_at, now)
    if wait is None:
        return _not_verified(patient, asked, "undetermined", reason, codes, now)
    return _retry(patient, replace(asked, attempt=asked.attempt + 1), reason, codes, now + wait, now)


def _retry(
    patient: Patient, asked: Verification, reason: str, codes: tuple[str, ...], retry_at: datetime, now: datetime
) -> Decision[Patient]:
    again = replace(
        asked,
        status="retrying",
        result="undetermined",
        reason=reason,
        retry_at=retry_at,
    )
    after = patient.with_verification(again)
    events = () if asked.status == "retrying" else (_told(patient, again, "undetermined", codes),)
    if asked.change_id is None:
        after = take_over(after, asked.coverage_id, again, now).state
        if events:
            coverage = after.coverages[asked.coverage_id]
            after = after.noting(coverage, now, "undetermined", "service", reason)
    return Decision(after, events, (_ask_later(patient, again, retry_at),))


def _postpone(patient: Patient, asked: Verification, now: datetime) -> Decision[Patient]:
    """Ask a little later, which costs no attempt; told as undetermined when that goes on for long."""
    waited = now - asked.started_at
    if waited >= RETRY_FOR:
        return _not_verified(patient, asked, "undetermined", "payer_down", (), now)
    if asked.status == "asking" and waited >= PATIENCE:
        return _retry(patient, asked, "payer_down", (), now + POSTPONED_BY, now)
    return Decision(patient, tasks=(_ask_later(patient, asked, now + POSTPONED_BY),))


def _not_verified(  # who has to act, and why
    patient: Patient,
    asked: Verification,
    status: NotVerified,
    reason: str,
    codes: tuple[str, ...],
    now: datetime,
) -> Decision[Patient]:
    ended = replace(asked, status="not-verified", result=status, reason=reason, retry_at=None, ended_at=now)
    after = patient.with_verification(ended)
    events = (_told(patient, ended, status, codes),)
    if asked.change_id is not None:
        # Who decides about the change sees it there.
        return Decision(after, events)
    taken = take_over(after, asked.coverage_id, ended, now)
    coverage = taken.state.coverages[asked.coverage_id]
    after = taken.state.noting(coverage, now, status, "payer" if codes else "service", reason)
    return Decision(after, events + taken.events, taken.tasks)


def _told(patient: Patient, asked: Verification, status: NotVerified, codes: tuple[str, ...]) -> Event:
    told = CoverageNotVerified(
        coverage_id=asked.coverage_id,
        verification_id=asked.verification_id,
        status=status,
        reason=asked.reason or "rejected",
        retry_at=asked.retry_at,
        codes=codes or None,
        change_id=asked.change_id,
    )
    return Event(told, key=patient.patient_id)
