"""What a payer is asked about a coverage, and as of which day."""

from datetime import UTC, date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from services.insurance.domain.patient import Content, Inquiry, Patient
from services.insurance.domain.payers import Directory
from shared.events.vocabulary import Subscriber
from shared.zones import zone_named

_PAYERS_ZONE: Final = ZoneInfo("America/Los_Angeles")
"""Of the zones that payers are in the last to have a new day; one that has it already takes the day before."""


def inquiry(directory: Directory, patient: Patient, content: Content, at: datetime) -> Inquiry | None:
    """Return what to ask about a coverage as of a moment; nothing when nobody can be asked yet."""
    payer = directory.payer(content.payer_id, content.payer_name)
    known = patient.registered
    if payer is None or (known is None and content.relationship != "self"):
        return None
    dependent = None
    if known is not None and content.relationship != "self":
        dependent = Subscriber(first_name=known.first_name, last_name=known.last_name, birth_date=known.birth_date)
    return Inquiry(
        payer_id=payer.payer_id,
        member_id=content.member_id,
        subscriber=content.subscriber,
        dependent=dependent,
        service_date=day_of(patient, at),
    )


def day_of(patient: Patient, at: datetime) -> date:
    """Return which day it is where a patient is; in UTC when the host has told no zone that there is."""
    zone = zone_named(patient.registered.time_zone) if patient.registered else None
    return at.astimezone(zone or UTC).date()


def payers_day(patient: Patient, at: datetime) -> date:
    """Return which day it is where a patient is, or where payers are if theirs has not begun there."""
    return min(day_of(patient, at), at.astimezone(_PAYERS_ZONE).date())
