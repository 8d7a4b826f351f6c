"""What must hold of insurance: each coverage of a session is verified once, by asking its payer."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.faults.checks.check import Check, Effect, Evidence, firsts
from tests.faults.intents.making import Intent, Json

_SAYS: Final = {
    "ACTIVE": "active",
    "INACTIVE": "inactive",
    "NOTFOUND": "needs-patient",
    "BADDOB": "needs-patient",
    "PAYERDOWN": "active",
    "TIMEOUT": "undetermined",
    "GARBLED": "undetermined",
}
"""What comes of a coverage in the end, by what its member id begins with."""


def effects(evidence: Evidence) -> Effect:
    """Return what tells whether a host's fact is kept, or a session known to have ended."""
    rows = evidence.truth.rows
    names = ("patient_id", "appointment_id", "coverage_id", "session_id")
    kept = {name: {row[name] for table in rows.values() for row in table if name in row} for name in names}
    # What verifications say of their sessions is not what is known of those.
    kept["session_id"] = {row["session_id"] for row in rows["sessions"]}

    def had_effect(fact: Intent) -> bool:
        data = fact.data or {}
        match fact.kind:
            case "portal.session-started.v1":
                # It is heard, and nothing of it needs to be kept.
                return True
            case "portal.session-ended.v1":
                named = "session_id"
            case "scheduling.appointment-booked.v1":
                named = "appointment_id"
            case "registration.coverage-on-file.v1":
                named = "coverage_id"
            case _:
                named = "patient_id"
        return data[named] in kept[named]

    return had_effect


def _done(evidence: Evidence, kind: str, name: str) -> list[Json]:
    """Return what was asked for and done, each thing once."""
    done = (one.data for one in evidence.done(kind) if one.data is not None)
    return firsts(done, lambda data: str(data[name]))


def _verified_once_in_a_session(evidence: Evidence) -> Check:
    touched = [
        (data["coverage_id"], data["session_id"])
        for data in (
            *_done(evidence, "add-coverage", "coverage_id"),
            *_done(evidence, "request-change", "change_id"),
        )
    ]
    removed = {data["coverage_id"] for data in _done(evidence, "remove-coverage", "coverage_id")}
    submitted = Counter(
        (told["coverage_id"], told["session_id"])
        for told in evidence.told("verification-submitted")
        if "session_id" in told
    )
    faults = [
        f"{one} was submitted {submitted[one]} times"
        for one in touched
        # What is removed before the session ends is not asked about any more.
        if submitted[one] != 1 and not (one[0] in removed and submitted[one] == 0)
    ]
    faults += [f"{one} was submitted, and nobody touched it" for one in submitted.keys() - set(touched)]
    sessions = {session for _, session in touched}
    counted = f"{len(touched)} in {len(sessions)} sessions, {len(removed)} coverages removed"
    return Check("each coverage is verified once in a session", counted, faults)


def _asked_what_was_submitted(evidence: Evidence) -> Check:
    """A process that died may have asked; then the same question is asked again, and never another."""
    verifications = {one["verification_id"]: one for one in evidence.truth.rows["verifications"]}
    asked = Counter(inquiry["trace"] for inquiry in evidence.truth.outside["inquiries"])
    faults = []
    for inquiry in evidence.truth.outside["inquiries"]:
        about = verifications.get(inquiry["trace"])
        if about is None or about["member_id"] != inquiry["member_id"]:
            faults.append(f"{inquiry['member_id']} was asked about as {inquiry['trace']}, which is {about}")
    faults += [f"{one} was never asked" for one, row in verifications.items() if row["result"] and not asked[one]]
    answers = Counter(one["verification_id"] for one in evidence.truth.rows["exchanges"])
    again = sum(max(times - answers[one], 0) for one, times in asked.items())
    counted = f"{sum(asked.values())} times about {len(asked)} questions, {again} answers lost"
    return Check("the clearinghouse was asked what was submitted", counted, faults)


def _as_payers_say(evidence: Evidence) -> Check:
    removed = {data["coverage_id"] for data in _done(evidence, "remove-coverage", "coverage_id")}
    added = {data["coverage_id"] for data in _done(evidence, "add-coverage", "coverage_id")}
    on_file = {fact.data["coverage_id"] for fact in evidence.facts if fact.data and "coverage_id" in fact.data}
    faults = []
    for row in evidence.truth.rows["coverages"]:
        coverage, status = row["coverage_id"], row["status"]
        word = next(word for word in _SAYS if row["member_id"].startswith(word))
        expected: tuple[str, ...] = ("removed",) if coverage in removed else (_SAYS[word],)
        if coverage in on_file:
            # Its month may be over or not.
            expected = ("pending", "active")
        if status not in expected or row["waiting_session"]:
            faults.append(f"{coverage} of {word} is {status}, and waits for {row['waiting_session']}")
    kept = {row["coverage_id"] for row in evidence.truth.rows["coverages"]}
    faults += [f"{one} is kept and nobody added it, or the other way round" for one in kept ^ (added | on_file)]
    statuses = Counter(row["status"] for row in evidence.truth.rows["coverages"])
    counted = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
    return Check("each coverage is what its payer says", counted, faults)


def _changes_are_kept(evidence: Evidence) -> Check:
    asked = {data["change_id"]: data["coverage_id"] for data in _done(evidence, "request-change", "change_id")}
    kept = {row["change_id"]: row["coverage_id"] for row in evidence.truth.rows["changes"]}
    faults = [f"{one} was asked for, or kept, and not both" for one in asked.keys() ^ kept.keys()]
    faults += [
        f"{row['change_id']} still waits" for row in evidence.truth.rows["changes"] if row["waiting_session"]
    ]
    return Check("each change that was asked for is kept", f"{len(asked)} changes", faults)


def _verifications_end(evidence: Evidence) -> Check:
    said: dict[str, list[Any]] = defaultdict(list)
    for event in evidence.events:
        told = event["data"]
        if "verification_id" in told:
            said[told["verification_id"]].append(_said(told))
    faults = []
    kept = {row["verification_id"]: row for row in evidence.truth.rows["verifications"]}
    for one, row in kept.items():
        ends = [row["result"]] if row["status"] in ("verified", "not-verified") else []
        if row["status"] in ("asking", "retrying"):
            faults.append(f"{one} is still {row['status']}")
        elif said[one] not in (["submitted", *ends], ["submitted", "retrying", *ends]):
            faults.append(f"{one} is {row['status']} as {row['result']}, and told as {said[one]}")
    faults += [f"{one} is told of and not kept" for one in said.keys() - kept.keys()]
    statuses = Counter(row["status"] for row in kept.values())
    counted = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
    return Check("every verification came to its end", counted, faults)


def _said(told: Json) -> str:
    """Return how far a verification is said to be: submitted, asked about again and again, or what came of it."""
    return "retrying" if "retry_at" in told else str(told.get("status", "submitted"))


CHECKS: Final[Sequence[Callable[[Evidence], Check]]] = (
    _verified_once_in_a_session,
    _asked_what_was_submitted,
    _verifications_end,
    _as_payers_say,
    _changes_are_kept,
)
