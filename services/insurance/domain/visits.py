"""Appointments: what a patient has is verified before they come, unless the appointment is cancelled."""

from datetime import datetime

from services.insurance.domain.asking import CheckBeforeVisit
from services.insurance.domain.checking import before_visit
from services.insurance.domain.patient import Appointment, Patient
from services.insurance.domain.payers import Directory
from services.insurance.domain.questions import inquiry
from services.insurance.domain.verification import submit
from shared.events.scheduling import AppointmentBooked, AppointmentCancelled
from shared.messaging.decision import Decision, Task


def hear(
    patient: Patient, fact: AppointmentBooked | AppointmentCancelled, told_at: datetime, now: datetime
) -> Decision[Patient]:
    """Remember when a patient comes, or no longer does; only what was told before the last is ignored."""
    known = patient.appointments.get(fact.appointment_id)
    if known is not None and known.told_at > told_at:
        return Decision(patient)
    starts_at = fact.starts_at if isinstance(fact, AppointmentBooked) else None
    after = patient.with_appointment(Appointment(fact.appointment_id, starts_at, starts_at is None, told_at))
    told_before = known is not None and known.starts_at == starts_at
    if starts_at is None or starts_at <= now or told_before:
        return Decision(after)
    timer = CheckBeforeVisit(
        patient_id=patient.patient_id, appointment_id=fact.appointment_id, starts_at=starts_at
    )
    return Decision(after, tasks=(Task(timer, before_visit(fact.appointment_id, starts_at, now)),))


def check(directory: Directory, patient: Patient, timer: CheckBeforeVisit, now: datetime) -> Decision[Patient]:
    """Verify all coverages as of the day of an appointment, unless it was cancelled or moved since."""
    booked = patient.appointments.get(timer.appointment_id)
    decided = Decision(patient)
    if booked is None or booked.cancelled or booked.starts_at != timer.starts_at:
        return decided
    # An appointment may be moved and moved back: the same day is then asked about twice.
    key = (timer.appointment_id, now.isoformat())
    for coverage in patient.live():
        under_way = patient.verifications.get(coverage.verification_id or "")
        asked = inquiry(directory, patient, coverage.content, max(timer.starts_at, now))
        if asked is None or coverage.waiting_session or (under_way and under_way.is_open):
            continue
        decided = decided.then(submit(decided.state, coverage, asked, "appointment", now, key=key))
    return decided
