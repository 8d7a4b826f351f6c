"""What is asked of insurance on `insurance.commands.v1`, and what it says on `insurance.events.v1`."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from shared.events import work
from shared.events.envelope import Command, Date, Event, Id, Time
from shared.events.vocabulary import (
    AmountMinor,
    Code,
    Currency,
    Description,
    Growing,
    Line,
    Note,
    Record,
    Relationship,
    Subscriber,
    Version,
    Word,
)

CoverageIds = Annotated[tuple[Id, ...], Field(min_length=1, max_length=50)]
"""Coverages, the first payer first."""


class CoverageChanges(Record):
    """What a patient wants changed of a coverage: the given fields; an empty text removes what was there."""

    payer_id: Word | None = None
    payer_name: Word | None = None
    plan_name: Description | None = None
    member_id: Word | None = None
    group_number: Description | None = None
    subscriber: Subscriber | None = None
    relationship: Relationship | None = None
    effective_from: Date | None = None
    effective_to: Date | None = None


class Benefit(Record):
    """One thing that a payer said of a coverage; `reported` is false where it said nothing.

    `percent` is 20 for a fifth; `service_type` is the payer's code, `30` for the plan as a whole.
    """

    kind: Literal["deductible", "out_of_pocket", "copay", "coinsurance", "active"]
    level: Literal["individual", "family"]
    network: Literal["in", "out", "any"]
    period: Literal["year", "remaining", "visit", "other"]
    amount_minor: AmountMinor | None = None
    currency: Currency | None = None
    percent: Annotated[float, Field(ge=0, le=100)] | None = None
    service_type: Code
    reported: bool


Benefits = Annotated[tuple[Benefit, ...], Field(max_length=1_000)]


class AddCoverage(Command):
    """A gateway asks to add an insurance; it is verified when the session ends."""

    TYPE: ClassVar[str] = "insurance.add-coverage.v1"
    coverage_id: Id
    patient_id: Id
    session_id: Id
    payer_id: Word | None = None
    payer_name: Word
    plan_name: Word | None = None
    member_id: Word
    group_number: Word | None = None
    subscriber: Subscriber
    relationship: Relationship
    effective_from: Date | None = None
    card_attachment_ids: Annotated[tuple[Id, ...], Field(max_length=20)] | None = None


class RequestChange(Command):
    """A gateway asks for a change of an insurance; `base_version` is the version that the patient saw."""

    TYPE: ClassVar[str] = "insurance.request-change.v1"
    change_id: Id
    coverage_id: Id
    patient_id: Id
    session_id: Id
    base_version: Version | None = None
    changes: CoverageChanges
    note: Note | None = None


class RemoveCoverage(Command):
    """A gateway asks to remove an insurance."""

    TYPE: ClassVar[str] = "insurance.remove-coverage.v1"
    coverage_id: Id
    patient_id: Id
    session_id: Id
    reason: Line | None = None


class DecideChange(Command):
    """Staff accept or decline a change that a patient asked for."""

    TYPE: ClassVar[str] = "insurance.decide-change.v1"
    change_id: Id
    patient_id: Id
    decision: Literal["accept", "decline"]
    note: Note | None = None


class VerifyAgain(Command):
    """Staff ask the payer anew about a coverage."""

    TYPE: ClassVar[str] = "insurance.verify-again.v1"
    coverage_id: Id
    patient_id: Id


class SetPriority(Command):
    """Staff say in which order a patient's coverages pay."""

    TYPE: ClassVar[str] = "insurance.set-priority.v1"
    patient_id: Id
    coverage_ids: CoverageIds


InsuranceCommand = AddCoverage | RequestChange | RemoveCoverage | DecideChange | VerifyAgain | SetPriority


class CoverageAdded(Event):
    """Insurance has a new coverage of a patient, at this version."""

    TYPE: ClassVar[str] = "insurance.coverage-added.v1"
    coverage_id: Id
    patient_id: Id
    version: Version
    session_id: Id | None = None


class ChangeRequested(Event):
    """Insurance keeps a change that staff have to decide on; the coverage on file stays in force."""

    TYPE: ClassVar[str] = "insurance.change-requested.v1"
    change_id: Id
    coverage_id: Id
    patient_id: Id
    version: Version
    session_id: Id | None = None


class ChangeDecided(Event):
    """Insurance made the change or dropped it; `version` is the coverage's from now on."""

    TYPE: ClassVar[str] = "insurance.change-decided.v1"
    change_id: Id
    coverage_id: Id
    patient_id: Id
    decision: Literal["accept", "decline"]
    version: Version
    note: Note | None = None


class CoverageRemoved(Event):
    """Insurance no longer counts on a coverage; its history stays."""

    TYPE: ClassVar[str] = "insurance.coverage-removed.v1"
    coverage_id: Id
    patient_id: Id
    reason: Line | None = None


class PrioritySet(Event):
    """Insurance has the order in which a patient's coverages pay."""

    TYPE: ClassVar[str] = "insurance.priority-set.v1"
    patient_id: Id
    coverage_ids: CoverageIds


class VerificationSubmitted(Event):
    """Insurance is about to ask the payer about a coverage."""

    TYPE: ClassVar[str] = "insurance.verification-submitted.v1"
    coverage_id: Id
    verification_id: Id
    session_id: Id | None = None


class CoverageVerified(Event):
    """Insurance has the payer's answer: in force or not, and with what benefits.

    With `change_id` it is about what a requested change would make of the coverage, which itself stays as it is.
    """

    TYPE: ClassVar[str] = "insurance.coverage-verified.v1"
    coverage_id: Id
    verification_id: Id
    status: Literal["active", "inactive"]
    benefits: Benefits
    change_id: Id | None = None


class CoverageNotVerified(Event):
    """Insurance has no answer that says whether a coverage is in force, and who has to act.

    `codes` are the payer's own (AAA03); `change_id` is as in `CoverageVerified`. Without `retry_at` nobody asks
    again by itself.
    """

    TYPE: ClassVar[str] = "insurance.coverage-not-verified.v1"
    coverage_id: Id
    verification_id: Id
    status: Literal["needs-patient", "needs-staff", "undetermined"]
    reason: Code
    retry_at: Time | None = None
    codes: Annotated[tuple[Code, ...], Field(max_length=20)] | None = None
    change_id: Id | None = None


class WorkRaised(work.WorkRaised):
    """Insurance needs a person of the insurance pool to look at something."""

    TYPE: ClassVar[str] = "insurance.work-raised.v1"
    pool: Literal["insurance"]


class WorkSettled(work.WorkSettled):
    """Work that had been raised is no longer open: `action` is what staff did, or what came about meanwhile."""

    TYPE: ClassVar[str] = "insurance.work-settled.v1"
    POOL: ClassVar[str] = "insurance"
    patient_id: Id
    action: Code
    note: Note | None = None


RefusalReason = Literal[
    "invalid_data",
    "too_large",
    "not_found",
    "not_allowed",
    "idempotency_conflict",
    "duplicate_coverage",
    "birth_date_in_future",
    "unknown_attachment",
    "stale_version",
    "nothing_to_change",
    "change_decided",
    "priority_mismatch",
    "unknown_payer",
    "work_settled",
    "action_not_offered",
]

REFUSAL_REASONS: Final[dict[RefusalReason, str]] = {
    "invalid_data": "A field is missing, malformed or out of bounds; the detail names the fields.",
    "too_large": "The command is longer than 256 KiB.",
    "not_found": "There is no such patient, coverage or change for this actor.",
    "not_allowed": "Only staff may ask for this.",
    "idempotency_conflict": "The id was used before, for something else.",
    "duplicate_coverage": "A coverage of this payer and member id is on file; the detail names it.",
    "birth_date_in_future": "The subscriber's date of birth has not come yet.",
    "unknown_attachment": "There is no such picture of a card.",
    "stale_version": "The coverage has changed since the patient saw it.",
    "nothing_to_change": "The request names no field that would change.",
    "change_decided": "The change was accepted or declined before.",
    "priority_mismatch": "The list is not exactly the coverages that the patient has.",
    "unknown_payer": "The payer is not in the directory.",
    "work_settled": "The work was settled before, in another way.",
    "action_not_offered": "This work cannot be settled in this way.",
}
"""What each reason means to the sender."""


class CommandRefused(Event):
    """Insurance refuses a command; nothing has changed."""

    TYPE: ClassVar[str] = "insurance.command-refused.v1"
    command_type: Code
    reason: Growing[RefusalReason]
    detail: Note


InsuranceEvent = (
    CoverageAdded
    | ChangeRequested
    | ChangeDecided
    | CoverageRemoved
    | PrioritySet
    | VerificationSubmitted
    | CoverageVerified
    | CoverageNotVerified
    | WorkRaised
    | WorkSettled
    | CommandRefused
)
