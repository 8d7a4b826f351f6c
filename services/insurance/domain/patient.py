"""What insurance knows about one patient: the state that all its rules read and change.

A patient is loaded with all coverages, the changes and verifications that have not ended, open work, and of the
rest only what the messages at hand name. What only grows (answers, exchanges with payers, history) is written, and
never loaded for deciding.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal

from shared.events.actors import is_staff, person_in
from shared.events.envelope import Id
from shared.events.insurance import Benefits, CoverageChanges
from shared.events.vocabulary import Description, Record, Relationship, Subscriber, Word
from shared.frozen import replace

CoverageStatus = Literal[
    "pending", "verifying", "active", "inactive", "needs-patient", "needs-staff", "undetermined", "removed"
]
ChangeStatus = Literal["requested", "accepted", "declined", "dropped"]
VerificationStatus = Literal["asking", "retrying", "verified", "not-verified", "closed"]
OPEN_VERIFICATIONS: Final[tuple[VerificationStatus, ...]] = ("asking", "retrying")
Cause = Literal["session", "staff", "monthly", "appointment"]
"""Why a payer is asked."""
WorkKind = Literal[
    "unknown-payer", "change-request", "verification-failed", "two-primaries", "coverage-of-another"
]
What = Literal[
    "added",
    "on-file",
    "change-requested",
    "change-accepted",
    "change-declined",
    "removed",
    "priority-set",
    "payer-chosen",
    "verification-submitted",
    "verified-active",
    "verified-inactive",
    "needs-patient",
    "needs-staff",
    "undetermined",
    "overridden",
]
By = Literal["patient", "proxy", "staff", "host", "payer", "service"]


class Content(Record):
    """What a coverage says: everything that a patient, a host or staff can change of it."""

    payer_id: Word | None = None
    payer_name: Word
    plan_name: Description | None = None
    member_id: Word
    group_number: Description | None = None
    subscriber: Subscriber
    relationship: Relationship
    effective_from: date | None = None
    effective_to: date | None = None
    card_attachment_ids: tuple[Id, ...] | None = None


class OnFile(Record):
    """What the registration host has on file of a coverage, in which place, and when it said so."""

    content: Content
    priority: int
    told_at: datetime


class Inquiry(Record):
    """What a payer is asked: is this person insured on this day?

    `dependent` is the patient where somebody else holds the plan; they are asked about `alone` where the payer
    knows no dependents, as if they held it. It is `dated_today` where the payer answers for no day to come.
    """

    payer_id: Word
    member_id: Word
    subscriber: Subscriber
    dependent: Subscriber | None = None
    alone: bool = False
    service_date: date
    dated_today: bool = False

    @property
    def person(self) -> Subscriber:
        """Who it is about."""
        return self.dependent or self.subscriber


@dataclass(frozen=True)
class Registered:
    """What the registration host told last about a patient; `told_at` is when."""

    person_id: str | None
    first_name: str
    last_name: str
    birth_date: date
    time_zone: str
    proxies: tuple[str, ...]
    told_at: datetime

    def acts(self, person_id: str) -> bool:
        """Tell whether a person acts for this patient."""
        return person_id == self.person_id or person_id in self.proxies


@dataclass(frozen=True)
class Coverage:
    """A coverage as it stands.

    Attributes:
        version: grows with each accepted change of `content`, not with an answer.
        told_at: when the registration host last told of it.
        fingerprint: of the command that added it.
        waiting_session: the session at whose end it is to be verified.
        verification_id: the newest verification of what is on file.
        answer_id: the verification that gave the benefits; at `verified_at`.
        reason: why it is needs-patient, needs-staff or undetermined; asked again at `retry_at`.
        check_at: when it is verified again by itself.
        correlationid: the chain of the command that added it, which its first verification belongs to.
        on_file: what the registration host said last, by which what it says next is a correction or the same.
    """

    coverage_id: str
    content: Content
    status: CoverageStatus
    priority: int
    added_at: datetime
    updated_at: datetime
    version: int = 1
    told_at: datetime | None = None
    fingerprint: bytes | None = None
    session_id: str | None = None
    waiting_session: str | None = None
    verification_id: str | None = None
    answer_id: str | None = None
    verified_at: datetime | None = None
    reason: str | None = None
    retry_at: datetime | None = None
    check_at: datetime | None = None
    correlationid: str | None = None
    on_file: OnFile | None = None

    @property
    def is_live(self) -> bool:
        """Whether it was not removed."""
        return self.status != "removed"


@dataclass(frozen=True)
class ChangeRequest:
    """A change that a patient asked for; `verification_id` is what the payer said of the coverage so changed.

    What is asked for it belongs to the chain `correlationid`, of the command that asked for it.
    """

    change_id: str
    coverage_id: str
    changes: CoverageChanges
    note: str | None
    requested_at: datetime
    fingerprint: bytes
    session_id: str
    status: ChangeStatus = "requested"
    waiting_session: str | None = None
    verification_id: str | None = None
    decided_at: datetime | None = None
    decision_note: str | None = None
    correlationid: str | None = None


@dataclass(frozen=True)
class Verification:
    """One question to a payer, however often it is sent.

    Attributes:
        asked_at: when it was sent last; or is to be, in another way.
        change_id: while it is about a mere request.
    """

    verification_id: str
    coverage_id: str
    version: int
    cause: Cause
    inquiry: Inquiry
    started_at: datetime
    asked_at: datetime
    session_id: str | None = None
    change_id: str | None = None
    status: VerificationStatus = "asking"
    attempt: int = 1
    result: CoverageStatus | None = None
    reason: str | None = None
    retry_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether an answer is still awaited."""
        return self.status in OPEN_VERIFICATIONS


@dataclass(frozen=True)
class Appointment:
    """When the scheduling host says that a patient comes; `told_at` is when it said so."""

    appointment_id: str
    starts_at: datetime | None
    cancelled: bool
    told_at: datetime


@dataclass(frozen=True)
class Work:
    """Something that a person of the insurance pool has to look at; `fingerprint` is of what settled it."""

    work_id: str
    kind: WorkKind
    summary: str
    raised_at: datetime
    coverage_id: str | None = None
    change_id: str | None = None
    verification_id: str | None = None
    action: str | None = None
    note: str | None = None
    settled_by: str | None = None
    settled_at: datetime | None = None
    fingerprint: bytes | None = None

    @property
    def is_open(self) -> bool:
        """Whether nobody has settled it."""
        return self.settled_at is None


@dataclass(frozen=True)
class Answer:
    """The benefits that a verification brought, and what the payer calls the plan."""

    verification_id: str
    benefits: Benefits
    plan: str | None = None


@dataclass(frozen=True)
class Exchange:
    """One call: what was sent and received, encrypted, with the hashes of both in the clear."""

    verification_id: str
    attempt: int
    at: datetime
    result: str
    codes: tuple[str, ...]
    request: bytes
    request_sha256: bytes
    answer: bytes | None
    answer_sha256: bytes | None


@dataclass(frozen=True)
class Entry:
    """A line of a coverage's history; `actor` is who brought it about, as the message of it says."""

    coverage_id: str
    at: datetime
    what: What
    by: By
    version: int
    note: str | None = None
    actor: str | None = None


@dataclass(frozen=True)
class Patient:
    """A patient's coverages, and what is going on about them.

    Attributes:
        registered: nothing until the host has told of the patient.
        coverages: all, by id, also removed ones.
        changes: those that wait for a decision, and those that messages name.
        verifications: open ones, those of waiting changes, and those that messages name.
        appointments: those that messages name.
        work: what is open, and what messages name.
        ended_sessions: of the sessions that messages name, those that have ended.
        ids_elsewhere: ids of coverages and changes that messages name and that are other patients'.
        answers, exchanges, history: what this batch adds.
    """

    patient_id: str
    registered: Registered | None = None
    coverages: Mapping[str, Coverage] = field(default_factory=dict)
    changes: Mapping[str, ChangeRequest] = field(default_factory=dict)
    verifications: Mapping[str, Verification] = field(default_factory=dict)
    appointments: Mapping[str, Appointment] = field(default_factory=dict)
    work: Mapping[str, Work] = field(default_factory=dict)
    ended_sessions: frozenset[str] = frozenset()
    ids_elsewhere: frozenset[str] = frozenset()
    answers: tuple[Answer, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    history: tuple[Entry, ...] = ()

    def who(self, actor: str) -> By | None:
        """Return as what an actor gives a command about the patient; nothing for those who give insurance none.

        Whether persons act for themselves or as proxies follows from whose login it is, not from what they say.
        """
        if is_staff(actor):
            return "staff"
        person = person_in(actor)
        if person is None:
            return None
        own = self.registered is not None and self.registered.person_id == person
        return "patient" if own else "proxy"

    def may_act(self, actor: str) -> bool:
        """Tell whether an actor may act for the patient: themself, a proxy, or staff."""
        if self.registered is None:
            return False
        person = person_in(actor)
        return is_staff(actor) or (person is not None and self.registered.acts(person))

    def live(self) -> Iterator[Coverage]:
        """Give the coverages that were not removed, the first payer first."""
        order = sorted(self.coverages.values(), key=lambda one: (one.priority, one.added_at, one.coverage_id))
        return (coverage for coverage in order if coverage.is_live)

    def requested_changes(self, coverage_id: str) -> list[ChangeRequest]:
        """Return the changes of a coverage that wait for a decision, the oldest first."""
        waiting = (one for one in self.changes.values() if one.coverage_id == coverage_id)
        return sorted(
            (one for one in waiting if one.status == "requested"),
            key=lambda one: (one.requested_at, one.change_id),
        )

    def with_coverage(self, coverage: Coverage) -> "Patient":
        """Return the patient with a coverage as it is now."""
        return replace(self, coverages={**self.coverages, coverage.coverage_id: coverage})

    def with_change(self, change: ChangeRequest) -> "Patient":
        """Return the patient with a requested change as it is now."""
        return replace(self, changes={**self.changes, change.change_id: change})

    def with_verification(self, verification: Verification) -> "Patient":
        """Return the patient with a verification as it is now."""
        return replace(self, verifications={**self.verifications, verification.verification_id: verification})

    def with_appointment(self, appointment: Appointment) -> "Patient":
        """Return the patient with an appointment as it is now."""
        return replace(self, appointments={**self.appointments, appointment.appointment_id: appointment})

    def with_work(self, work: Work) -> "Patient":
        """Return the patient with a piece of work as it is now."""
        return replace(self, work={**self.work, work.work_id: work})

    def noting(self, coverage: Coverage, at: datetime, what: What, by: By, note: str | None = None) -> "Patient":
        """Return the patient with one more line in a coverage's history."""
        entry = Entry(coverage.coverage_id, at, what, by, coverage.version, note)
        return replace(self, history=(*self.history, entry))
