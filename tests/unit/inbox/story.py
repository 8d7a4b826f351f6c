"""Made-up messages about a patient and an item, and what the inbox makes of them in their order."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.inbox.domain import State, decide
from services.inbox.domain.commands import ClaimItem, FinishItem, ReassignItem, ReleaseItem, ReplyToItem
from services.inbox.domain.item import Desk, Item
from services.inbox.domain.patient import Patient
from shared.events.envelope import Data, Message, message_of
from shared.events.inbox import RaiseWork, SendMessage
from shared.events.registration import PatientRegistered
from shared.events.scheduling import AppointmentBooked, AppointmentCancelled, DocumentRequested
from shared.events.vocabulary import About
from shared.messaging.decision import Decision

PATIENT = "PT-1"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
"""A Monday, ten in the morning in New York."""

ANN, BOB, KIM = "staff:ann", "staff:bob", "staff:kim"

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def message(data: Data, at: datetime = NOW, actor: str = "patient:P-1") -> Message[Data]:
    return message_of(
        data,
        id=f"{data.TYPE}@{at.isoformat()}",
        source="test",
        time=at,
        subject=PATIENT,
        actor=actor,
    )


def when(state: State | None, data: Data, at: datetime = NOW, actor: str = "patient:P-1") -> Decision[State]:
    """Decide about one message that is heard at the moment it was sent."""
    return decide(state, message(data, at, actor), at)


def patient(*told: Data) -> Patient:
    """Return a registered patient after all this was told, a second apart and long ago."""
    return heard(enumerate((registered(), *told)))


def heard(told: Iterable[tuple[int, Data]]) -> Patient:
    """Return the patient after this was heard in this order, each told at its second."""
    state: State | None = None
    for second, data in told:
        state = when(state, data, NOW - 20 * DAY + second * SECOND, "host:test").state
    assert isinstance(state, Patient)
    return state


def item_of(decision: Decision[State]) -> Item:
    """Return the one item that a decision is about."""
    match decision.state:
        case Desk(item=Item() as item):
            return item
        case Patient(items=items):
            (item,) = items.values()
            return item
        case _:
            raise AssertionError("no item")


def desk(decision: Decision[State]) -> Desk:
    """Return the item that a message opened, as staff find it."""
    return Desk(item_of(decision))


def events(decision: Decision[State]) -> list[Data]:
    return [event.data for event in decision.events]


def outcome(decision: Decision[State]) -> tuple[str | None, str | None]:
    """Return how a command ended: `done` or `refused`, and the reason."""
    (ended,) = (event for event in decision.events if event.outcome)
    return ended.outcome, getattr(ended.data, "reason", None)


def registered(**changes: Any) -> PatientRegistered:
    told: dict[str, Any] = {
        "patient_id": PATIENT,
        "person_id": "P-1",
        "first_name": "Ana",
        "last_name": "Ruiz",
        "birth_date": date(1980, 2, 3),
        "sex": "female",
        "postal_code": "02139",
        "affiliate": "north",
        "time_zone": "America/New_York",
        "language": "es",
        "proxies": ("P-2",),
    }
    return PatientRegistered(**told | changes)


def booked(provider: str = "PRV-1", in_days: float = 3, appointment: str | None = None) -> AppointmentBooked:
    return AppointmentBooked(
        appointment_id=appointment or f"A-{provider}-{in_days}",
        patient_id=PATIENT,
        provider_id=provider,
        provider_name=f"Dr. {provider}",
        affiliate="north",
        starts_at=NOW + in_days * DAY,
    )


def cancelled(appointment: str) -> AppointmentCancelled:
    return AppointmentCancelled(appointment_id=appointment, patient_id=PATIENT)


def requested(provider: str = "PRV-2", request: str = "R-1") -> DocumentRequested:
    return DocumentRequested(
        request_id=request,
        patient_id=PATIENT,
        provider_id=provider,
        affiliate="north",
        what="The referral",
    )


def send(message_id: str = "MSG-1", **changes: Any) -> SendMessage:
    asked: dict[str, Any] = {
        "message_id": message_id,
        "patient_id": PATIENT,
        "kind": "non-medical",
        "category": "billing-question",
        "subject": "My bill",
        "body": "What is this charge?",
    }
    return SendMessage(**asked | changes)


def ask_provider(provider: str | None = "PRV-1", **changes: Any) -> SendMessage:
    return send(**{"kind": "medical", "category": "non-urgent-question", "provider_id": provider} | changes)


def work(**changes: Any) -> RaiseWork:
    asked: dict[str, Any] = {
        "work_id": "W-1",
        "pool": "billing",
        "summary": "A debit was returned",
        "about": About(payment_id="PAY-1"),
    }
    return RaiseWork(**asked | changes)


def claim(version: int) -> ClaimItem:
    return ClaimItem(item_id="I", version=version)


def finish(version: int) -> FinishItem:
    return FinishItem(item_id="I", version=version)


def reply(version: int) -> ReplyToItem:
    return ReplyToItem(item_id="I", version=version, body="It is for the visit.")


def release(version: int, *, supervisor: bool = False) -> ReleaseItem:
    return ReleaseItem(item_id="I", version=version, supervisor=supervisor)


def reassign(version: int, *, supervisor: bool = False, pool: str = "crm") -> ReassignItem:
    return ReassignItem(item_id="I", version=version, pool=pool, reason="Not ours", supervisor=supervisor)
