"""What the scheduling host says on `host.scheduling.v1`: appointments and requests for documents."""

from typing import ClassVar

from shared.events.envelope import Fact, Id, Time
from shared.events.vocabulary import Description, Line


class AppointmentBooked(Fact):
    """The scheduling host booked an appointment, or moved it."""

    TYPE: ClassVar[str] = "scheduling.appointment-booked.v1"
    appointment_id: Id
    patient_id: Id
    provider_id: Id
    provider_name: Description | None = None
    affiliate: Id
    starts_at: Time


class AppointmentCancelled(Fact):
    """The scheduling host cancelled an appointment."""

    TYPE: ClassVar[str] = "scheduling.appointment-cancelled.v1"
    appointment_id: Id
    patient_id: Id


class DocumentRequested(Fact):
    """The scheduling host says that a provider asked a patient for a document."""

    TYPE: ClassVar[str] = "scheduling.document-requested.v1"
    request_id: Id
    patient_id: Id
    provider_id: Id
    provider_name: Description | None = None
    affiliate: Id
    what: Line


SchedulingFact = AppointmentBooked | AppointmentCancelled | DocumentRequested
