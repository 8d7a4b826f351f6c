"""The topics, what each carries, and which of them each service reads and writes."""

from dataclasses import dataclass
from typing import Final, get_args

from shared.events.billing import BillingFact, GuarantorAccountOpened
from shared.events.envelope import Data
from shared.events.inbox import InboxCommand, InboxEvent
from shared.events.insurance import InsuranceCommand, InsuranceEvent
from shared.events.insurance import WorkRaised as InsuranceWorkRaised
from shared.events.insurance import WorkSettled as InsuranceWorkSettled
from shared.events.notifications import (
    NotificationsCommand,
    NotificationsEvent,
    PaperlessEnded,
    PaperlessEnrolled,
)
from shared.events.payments import PaymentsCommand, PaymentsEvent, StatementAvailable
from shared.events.payments import WorkRaised as PaymentsWorkRaised
from shared.events.payments import WorkSettled as PaymentsWorkSettled
from shared.events.portal import SessionEnded, SessionFact, SessionStarted
from shared.events.registration import CoverageOnFile, PatientRegistered, RegistrationFact
from shared.events.scheduling import (
    AppointmentBooked,
    AppointmentCancelled,
    DocumentRequested,
    SchedulingFact,
)

DAY_MS: Final = 24 * 60 * 60 * 1000
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic: what its key is, who writes it, which messages it carries, and how it is set up.

    Old records are deleted, never compacted: a fact that is needed later is in the reader's database. Thirty
    days are enough to bring up a new reader, or to mend one that stood still. The number of partitions bounds
    how many processes share the work; it cannot be changed without moving keys.
    """

    name: str
    key: str
    writers: str
    carries: tuple[type[Data], ...]
    partitions: int = 8
    retention_ms: int = 30 * DAY_MS
    message_bytes_max: int = MIB


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic that a service reads, and the messages on it that it heeds; it passes over the others."""

    topic: Topic
    heeds: tuple[type[Data], ...]
    why: str


@dataclass(frozen=True, slots=True)
class Service:
    """What a service reads and writes."""

    name: str
    reads: tuple[Subscription, ...]
    events: Topic
    dead_letters: Topic


HOST_BILLING = Topic("host.billing.v1", "guarantor account number", "the billing host", get_args(BillingFact))
HOST_REGISTRATION = Topic(
    "host.registration.v1", "patient id", "the registration host", get_args(RegistrationFact)
)
HOST_SCHEDULING = Topic("host.scheduling.v1", "patient id", "the scheduling host", get_args(SchedulingFact))
PORTAL_SESSIONS = Topic("portal.sessions.v1", "person id", "gateways", get_args(SessionFact))

PAYMENTS_COMMANDS = Topic(
    "payments.commands.v1", "guarantor account number", "gateways, staff", get_args(PaymentsCommand)
)
PAYMENTS_EVENTS = Topic(
    "payments.events.v1",
    "guarantor account number, or a settlement's id for what is about no account",
    "payments",
    get_args(PaymentsEvent),
)
INSURANCE_COMMANDS = Topic("insurance.commands.v1", "patient id", "gateways, staff", get_args(InsuranceCommand))
INSURANCE_EVENTS = Topic("insurance.events.v1", "patient id", "insurance", get_args(InsuranceEvent))
INBOX_COMMANDS = Topic(
    "inbox.commands.v1",
    "patient id, or `pool:<pool>` for work without a patient",
    "gateways, services",
    get_args(InboxCommand),
)
INBOX_EVENTS = Topic(
    "inbox.events.v1",
    "patient id, `pool:<pool>` for work without a patient, or `routing-rules`",
    "inbox",
    get_args(InboxEvent),
)
NOTIFICATIONS_COMMANDS = Topic(
    "notifications.commands.v1", "person id", "gateways", get_args(NotificationsCommand)
)
NOTIFICATIONS_EVENTS = Topic(
    "notifications.events.v1",
    "person id, or `destination:<digest>` of the number that a text came from",
    "notifications",
    get_args(NotificationsEvent),
)


def _dead_letters(service: str) -> Topic:
    """Describe the dead letters of a service: few, kept long, and large enough for any record in base64."""
    return Topic(
        f"{service}.dead-letters.v1",
        "as the original",
        service,
        (),
        retention_ms=90 * DAY_MS,
        message_bytes_max=4 * MIB,
    )


SERVICES: Final = {
    service.name: service
    for service in (
        Service(
            "payments",
            (
                Subscription(PAYMENTS_COMMANDS, PAYMENTS_COMMANDS.carries, "what it is asked for"),
                Subscription(HOST_BILLING, HOST_BILLING.carries, "what is owed, by whom, and who may pay it"),
                Subscription(
                    NOTIFICATIONS_EVENTS, (PaperlessEnrolled, PaperlessEnded), "who gets statements without paper"
                ),
            ),
            PAYMENTS_EVENTS,
            _dead_letters("payments"),
        ),
        Service(
            "insurance",
            (
                Subscription(INSURANCE_COMMANDS, INSURANCE_COMMANDS.carries, "what it is asked for"),
                Subscription(
                    HOST_REGISTRATION,
                    (PatientRegistered, CoverageOnFile),
                    "whom to ask the payer about, and who acts for a patient",
                ),
                Subscription(
                    HOST_SCHEDULING,
                    (AppointmentBooked, AppointmentCancelled),
                    "to verify again before an appointment",
                ),
                Subscription(
                    PORTAL_SESSIONS,
                    (SessionStarted, SessionEnded),
                    "to verify what was added or changed when the patient logs out",
                ),
            ),
            INSURANCE_EVENTS,
            _dead_letters("insurance"),
        ),
        Service(
            "inbox",
            (
                Subscription(INBOX_COMMANDS, INBOX_COMMANDS.carries, "what it is asked for"),
                Subscription(HOST_REGISTRATION, (PatientRegistered,), "who writes for which patient"),
                Subscription(
                    HOST_SCHEDULING,
                    (AppointmentBooked, AppointmentCancelled, DocumentRequested),
                    "which providers a patient may write to, and which provider pools there are",
                ),
                Subscription(
                    PAYMENTS_EVENTS,
                    (PaymentsWorkRaised, PaymentsWorkSettled),
                    "work for the billing pool, and its end",
                ),
                Subscription(
                    INSURANCE_EVENTS,
                    (InsuranceWorkRaised, InsuranceWorkSettled),
                    "work for the insurance pool, and its end",
                ),
            ),
            INBOX_EVENTS,
            _dead_letters("inbox"),
        ),
        Service(
            "notifications",
            (
                Subscription(NOTIFICATIONS_COMMANDS, NOTIFICATIONS_COMMANDS.carries, "what it is asked for"),
                Subscription(PAYMENTS_EVENTS, (StatementAvailable,), "whom to tell of a new statement"),
                Subscription(
                    HOST_BILLING, (GuarantorAccountOpened,), "whose statements a person may have paperless"
                ),
                Subscription(
                    HOST_REGISTRATION, (PatientRegistered,), "a person's time zone (quiet hours) and language"
                ),
            ),
            NOTIFICATIONS_EVENTS,
            _dead_letters("notifications"),
        ),
    )
}
"""Each service by name. No service reads more than it needs: an unread fact needs no guarding."""

TOPICS: Final[tuple[Topic, ...]] = (
    HOST_BILLING,
    HOST_REGISTRATION,
    HOST_SCHEDULING,
    PORTAL_SESSIONS,
    PAYMENTS_COMMANDS,
    PAYMENTS_EVENTS,
    INSURANCE_COMMANDS,
    INSURANCE_EVENTS,
    INBOX_COMMANDS,
    INBOX_EVENTS,
    NOTIFICATIONS_COMMANDS,
    NOTIFICATIONS_EVENTS,
    *(service.dead_letters for service in SERVICES.values()),
)
"""Every topic of the contract."""
