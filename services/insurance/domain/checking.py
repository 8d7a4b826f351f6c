"""When a coverage is verified by itself, at quiet hours.

That is each month, when it begins and has ended, once corrected, and before appointments.
Hours and days are spread by ids: not everybody is asked about at once, and whoever computes it gets the same.
"""

from datetime import UTC, datetime, time, timedelta
from typing import Final
from zlib import crc32

from services.insurance.domain.asking import CheckCoverage
from services.insurance.domain.patient import Coverage
from shared.messaging.decision import Task

AGAIN_AFTER: Final = timedelta(days=30)
BEFORE_VISIT: Final = timedelta(days=3)
_DAY: Final = timedelta(days=1)
_QUIET_FROM: Final = time(6)
_QUIET_S: Final = 4 * 60 * 60
"""From 6 to 10 in the morning, UTC, it is night where the payers are."""


def _part(of: int, *key: str) -> int:
    """Return a number below `of` that follows from a key."""
    return crc32("\0".join(key).encode()) % of


def quiet(moment: datetime, *key: str) -> datetime:
    """Return a time in the quiet hours of a moment's day."""
    night = datetime.combine(moment.date(), _QUIET_FROM, moment.tzinfo)
    return night + timedelta(seconds=_part(_QUIET_S, *key))


def next_check(patient_id: str, coverage: Coverage, now: datetime) -> tuple[datetime, tuple[Task, ...]]:
    """Return when to verify a coverage again that was verified now, and the timer for it.

    It is within a month, or the night after the coverage begins or has ended: what the payer says changes then.
    """
    coverage_id, content = coverage.coverage_id, coverage.content
    monthly = quiet(now + AGAIN_AFTER + timedelta(days=_part(3, coverage_id)), coverage_id)
    changes = ((content.effective_from, _DAY), (content.effective_to, 2 * _DAY))
    near = ((day, after) for day, after in changes if day and day < monthly.date())
    nights = (quiet(datetime.combine(day, time(), UTC) + after, coverage_id) for day, after in near)
    due_at = min((monthly, *(night for night in nights if night > now)))
    return due_at, (_timer(patient_id, coverage_id, due_at),)


def first_check(patient_id: str, coverage_id: str, now: datetime) -> tuple[datetime, tuple[Task, ...]]:
    """Return when to verify a coverage that the host had on file, within a month, and the timer for it."""
    due_at = quiet(now + timedelta(days=1 + _part(AGAIN_AFTER.days, coverage_id)), coverage_id)
    return due_at, (_timer(patient_id, coverage_id, due_at),)


def next_night(patient_id: str, coverage_id: str, now: datetime) -> tuple[datetime, tuple[Task, ...]]:
    """Return when to verify a coverage that the host corrected, or has not told of its patient; and the timer."""
    due_at = quiet(now + timedelta(days=1), coverage_id)
    return due_at, (_timer(patient_id, coverage_id, due_at),)


def before_visit(appointment_id: str, starts_at: datetime, now: datetime) -> datetime:
    """Return when to verify what a patient has who comes at `starts_at`; at once if that is soon."""
    return max(quiet(starts_at - BEFORE_VISIT, appointment_id), now)


def _timer(patient_id: str, coverage_id: str, due_at: datetime) -> Task:
    return Task(CheckCoverage(patient_id=patient_id, coverage_id=coverage_id, due_at=due_at), due_at, coverage_id)
