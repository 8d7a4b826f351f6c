"""The fault campaign's checks of insurance: each finds what is not well."""

from typing import Any

import pytest

from tests.unit.faults.story import Campaign, Json, done, intent, published, said

COMMANDS = "insurance.commands.v1"
IN_SESSION = {"patient_id": "M-1", "session_id": "S-1"}
FIRST = {"coverage_id": "C-1", **IN_SESSION}
SECOND = {"coverage_id": "C-2", **IN_SESSION}
GONE = {"coverage_id": "C-3", **IN_SESSION}
CHANGE = {"change_id": "CH-1", "coverage_id": "C-1", "patient_id": "M-1", "session_id": "S-2"}


def command(number: str, kind: str, data: Json) -> Any:
    return intent(COMMANDS, "M-1", "command", number, f"insurance.{kind}", data)


def fact(number: str, topic: str, kind: str, data: Json) -> Any:
    return intent(topic, "M-1", "fact", number, kind, data)


def submitted(coverage: str, session: str, verification: str) -> Any:
    told = {"coverage_id": coverage, "session_id": session, "verification_id": verification}
    return said(f"s-{verification}", "insurance.verification-submitted", told)


def verification(number: str, coverage: str, session: str, **told: Any) -> Json:
    about = {"verification_id": number, "coverage_id": coverage, "session_id": session, "change_id": None}
    return about | {"status": "verified", "result": "active", "member_id": "ACTIVE1"} | told


def coverage(number: str, member: str, status: str) -> Json:
    return {"coverage_id": number, "member_id": member, "status": status, "waiting_session": None}


LEDGER = published(
    fact("m-1", "host.registration.v1", "registration.patient-registered", {"patient_id": "M-1"}),
    fact("m-2", "host.registration.v1", "registration.coverage-on-file", {"coverage_id": "CF-1"}),
    fact("m-3", "host.scheduling.v1", "scheduling.appointment-booked", {"appointment_id": "AP-1"}),
    fact("m-4", "portal.sessions.v1", "portal.session-started", {"session_id": "S-1"}),
    fact("m-5", "portal.sessions.v1", "portal.session-ended", {"session_id": "S-1"}),
    command("m-6", "add-coverage", FIRST),
    command("m-7", "add-coverage", FIRST),
    command("m-8", "add-coverage", SECOND),
    command("m-9", "add-coverage", GONE),
    command("m-10", "remove-coverage", GONE),
    command("m-11", "request-change", CHANGE),
)
SUBMITTED = submitted("C-1", "S-1", "V-1")
TWICE = submitted("C-1", "S-1", "V-9")
ANSWERED = said("a-1", "insurance.coverage-verified", {"verification_id": "V-1", "status": "active"})
RETRIED = said(
    "a-2",
    "insurance.coverage-not-verified",
    {"verification_id": "V-2", "status": "undetermined", "retry_at": "2026-01-01T00:00:00Z"},
)
NOT_FOUND = said("a-3", "insurance.coverage-not-verified", {"verification_id": "V-2", "status": "needs-patient"})
ASKED = {"trace": "V-1", "member_id": "ACTIVE1"}
ROWS = {
    "patients": [{"patient_id": "M-1"}],
    "appointments": [{"appointment_id": "AP-1"}],
    "sessions": [{"session_id": "S-1"}],
    "coverages": [
        coverage("C-1", "ACTIVE1", "active"),
        coverage("C-2", "NOTFOUND2", "needs-patient"),
        coverage("C-3", "ACTIVE3", "removed"),
        coverage("CF-1", "ACTIVE4", "pending"),
    ],
    "changes": [{"change_id": "CH-1", "coverage_id": "C-1", "waiting_session": None}],
    "verifications": [
        verification("V-1", "C-1", "S-1"),
        verification("V-2", "C-2", "S-1", member_id="NOTFOUND2", status="not-verified", result="needs-patient"),
        verification("V-3", "C-1", "S-2", change_id="CH-1", status="closed", result=None),
    ],
    "exchanges": [{"verification_id": "V-1", "result": "active"}],
}
CAMPAIGN = Campaign(
    "insurance",
    LEDGER,
    events=[
        done("e-1", "insurance.coverage-added", "m-6", FIRST),
        done("e-2", "insurance.coverage-added", "m-7", FIRST),
        done("e-3", "insurance.coverage-added", "m-8", SECOND),
        done("e-4", "insurance.coverage-added", "m-9", GONE),
        done("e-5", "insurance.coverage-removed", "m-10", {"coverage_id": "C-3"}),
        done("e-6", "insurance.change-requested", "m-11", CHANGE),
        SUBMITTED,
        ANSWERED,
        submitted("C-2", "S-1", "V-2"),
        RETRIED,
        NOT_FOUND,
        submitted("C-1", "S-2", "V-3"),
    ],
    rows=ROWS,
    # The answer to the first question was lost with the process that asked.
    outside={"inquiries": [ASKED, ASKED, {"trace": "V-2", "member_id": "NOTFOUND2"}]},
    handled=11,
)
EVENTS = CAMPAIGN.part.events
FIRST_ROW, *OTHER_ROWS = ROWS["verifications"]
COVERED, *OTHERS_COVERED = ROWS["coverages"]
ONCE = "each coverage is verified once in a session"
ENDED = "every verification came to its end"
ASKED_ONLY = "the clearinghouse was asked what was submitted"
AS_SAID = "each coverage is what its payer says"


def test_all_promises_are_kept_where_all_is_well() -> None:
    assert CAMPAIGN.broken() == set()


@pytest.mark.parametrize(
    ("promise", "change"),
    [
        ("every record is accounted for", {"sessions": []}),
        ("every record is accounted for", {"patients": []}),
        (ONCE, {"events": CAMPAIGN.without(SUBMITTED)}),
        (ONCE, {"events": [*EVENTS, TWICE]}),
        (ONCE, {"events": [*EVENTS, submitted("C-4", "S-1", "V-4")]}),
        (ENDED, {"events": CAMPAIGN.without(ANSWERED)}),
        (ENDED, {"events": [*EVENTS, NOT_FOUND, TWICE]}),
        (ENDED, {"verifications": [FIRST_ROW | {"status": "retrying"}, *OTHER_ROWS]}),
        (ENDED, {"verifications": [FIRST_ROW | {"result": "inactive"}, *OTHER_ROWS]}),
        (ASKED_ONLY, {"inquiries": [ASKED]}),
        (ASKED_ONLY, {"inquiries": [*CAMPAIGN.part.outside["inquiries"], ASKED | {"trace": "V-9"}]}),
        (ASKED_ONLY, {"inquiries": [*CAMPAIGN.part.outside["inquiries"], ASKED | {"member_id": "ACTIVE9"}]}),
        (AS_SAID, {"coverages": [COVERED | {"status": "undetermined"}, *OTHERS_COVERED]}),
        (AS_SAID, {"coverages": [COVERED | {"waiting_session": "S-1"}, *OTHERS_COVERED]}),
        (AS_SAID, {"coverages": OTHERS_COVERED}),
        ("each change that was asked for is kept", {"changes": []}),
    ],
)
def test_a_broken_promise_is_found(promise: str, change: Json) -> None:
    assert promise in CAMPAIGN.broken(**change)
