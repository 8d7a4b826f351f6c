"""What insurance has asked of payers, and what comes back: its own tasks, never on a topic."""

from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from services.insurance.domain.patient import Inquiry
from shared.events.envelope import Id, Internal, Time
from shared.events.insurance import Benefits
from shared.events.vocabulary import Code, Record, Word

RETRY_WAITS: Final = (
    timedelta(seconds=90),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
"""The waits before a payer that did not answer is asked again; the last of them again and again."""

RETRY_FOR: Final = timedelta(hours=24)
"""How long a payer is asked before a person is."""

POSTPONED_BY: Final = timedelta(seconds=30)
"""When a question that was not sent, for the payer is known to be down or has had its share, is sent after all."""

PATIENCE: Final = timedelta(minutes=5)
"""How long a question may be postponed before it is told as undetermined."""

Attempt = Annotated[int, Field(ge=1, le=1_000)]


class AskPayer(Internal):
    """Send a 270 and read the 271."""

    TYPE: ClassVar[str] = "insurance.ask-payer.v1"
    patient_id: Id
    coverage_id: Id
    verification_id: Id
    attempt: Attempt
    inquiry: Inquiry


class AskAgain(Internal):
    """It is time to ask a payer again, unless the question was dropped since."""

    TYPE: ClassVar[str] = "insurance.ask-again.v1"
    patient_id: Id
    verification_id: Id
    attempt: Attempt


class Sealed(Record):
    """A text as it was sent or received: encrypted, with the hash of what it was."""

    content: bytes
    sha256: bytes


class PayerAnswered(Internal):
    """What came of one attempt to ask.

    `active` and `inactive`: the payer's word, with benefits, and what it calls the plan. `rejected`: the payer's
    codes (AAA03) say why there is none. `unclear`: an answer that says neither, such as that something is not
    covered or that another payer is to be asked; `reason` is told. `unanswered`: nothing that can be read,
    `reason` says what instead. `mismatched`: an answer about something or somebody else. `postponed`: nothing was
    sent.
    """

    TYPE: ClassVar[str] = "insurance.payer-answered.v1"
    patient_id: Id
    coverage_id: Id
    verification_id: Id
    attempt: Attempt
    result: Literal["active", "inactive", "rejected", "unclear", "unanswered", "mismatched", "postponed"]
    reason: Code | None = None
    codes: tuple[Code, ...] = ()
    benefits: Benefits = ()
    plan: Word | None = None
    request: Sealed | None = None
    answer: Sealed | None = None


class CheckCoverage(Internal):
    """It is time to verify a coverage again, unless that was put off since: `due_at` tells."""

    TYPE: ClassVar[str] = "insurance.check-coverage.v1"
    patient_id: Id
    coverage_id: Id
    due_at: Time


class CheckBeforeVisit(Internal):
    """An appointment comes near: verify what the patient has, unless it was cancelled or moved."""

    TYPE: ClassVar[str] = "insurance.check-before-visit.v1"
    patient_id: Id
    appointment_id: Id
    starts_at: Time


def wait_after(attempt: int, started_at: datetime, now: datetime) -> timedelta | None:
    """Return how long to wait after an attempt that brought no answer; nothing when a person has to look."""
    left = started_at + RETRY_FOR - now
    if left <= timedelta():
        return None
    wait = RETRY_WAITS[min(attempt, len(RETRY_WAITS)) - 1]
    return max(min(wait, left), RETRY_WAITS[0])
