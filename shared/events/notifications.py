"""What is asked of notifications on `notifications.commands.v1`, and what it tells."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import StringConstraints

from shared.events.envelope import Command, Event, Id, Time
from shared.events.vocabulary import Code, Growing, Note, Record, Word

Channel = Literal["email", "text"]

Address = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,320}$")]
"""An email address or a phone number as the person typed it; never logged."""


class Alerts(Record):
    """The contacts that hear of a new statement; neither is given when the person wants no alert."""

    email: Id | None = None
    text: Id | None = None


class Consent(Record):
    """Whether the person ticked the box, and the version of the text beside it."""

    accepted: bool
    text_version: Word


class AddContact(Command):
    """A gateway asks to add an email address or a phone number; a code is sent to it."""

    TYPE: ClassVar[str] = "notifications.add-contact.v1"
    contact_id: Id
    person_id: Id
    channel: Channel
    address: Address


class ConfirmContact(Command):
    """A gateway brings the code that a person received."""

    TYPE: ClassVar[str] = "notifications.confirm-contact.v1"
    contact_id: Id
    person_id: Id
    code: Word


class ResendCode(Command):
    """A gateway asks for another code."""

    TYPE: ClassVar[str] = "notifications.resend-code.v1"
    contact_id: Id
    person_id: Id


class RemoveContact(Command):
    """A gateway asks to forget an email address or a phone number."""

    TYPE: ClassVar[str] = "notifications.remove-contact.v1"
    contact_id: Id
    person_id: Id


class EnrolPaperless(Command):
    """A gateway asks that a person's statements no longer come on paper."""

    TYPE: ClassVar[str] = "notifications.enrol-paperless.v1"
    person_id: Id
    account_number: Id
    alerts: Alerts
    consent: Consent


class EndPaperless(Command):
    """A gateway asks for paper again."""

    TYPE: ClassVar[str] = "notifications.end-paperless.v1"
    person_id: Id
    account_number: Id


NotificationsCommand = AddContact | ConfirmContact | ResendCode | RemoveContact | EnrolPaperless | EndPaperless


class _ContactEvent(Event):
    contact_id: Id
    person_id: Id
    channel: Channel


class CodeSent(_ContactEvent):
    """Notifications sends a code to a contact."""

    TYPE: ClassVar[str] = "notifications.code-sent.v1"
    expires_at: Time | None = None


class ContactVerified(_ContactEvent):
    """Notifications knows that a contact is the person's."""

    TYPE: ClassVar[str] = "notifications.contact-verified.v1"


class ContactRefused(_ContactEvent):
    """Notifications can send nothing to a contact: its provider refuses it."""

    TYPE: ClassVar[str] = "notifications.contact-refused.v1"
    reason: Code


class ContactRemoved(_ContactEvent):
    """Notifications has forgotten a contact."""

    TYPE: ClassVar[str] = "notifications.contact-removed.v1"


class PaperlessEnrolled(Event):
    """Notifications has a person's consent to statements without paper."""

    TYPE: ClassVar[str] = "notifications.paperless-enrolled.v1"
    person_id: Id
    account_number: Id
    alerts: Alerts
    text_version: Word


class PaperlessEnded(Event):
    """Notifications says that statements come on paper again, and why.

    `reason` is `withdrawn`, `unsubscribed`, `texts_stopped`, `contact_removed`, `complained`, `hard_bounce` or
    `refused` where no other contact is left, `no_longer_on_account` where the billing host names the person as
    guarantor or viewer no more, or `no_longer_guarantor` where it names them as a viewer instead.
    """

    TYPE: ClassVar[str] = "notifications.paperless-ended.v1"
    person_id: Id
    account_number: Id
    reason: Code


class _AlertEvent(Event):
    alert_id: Id
    person_id: Id
    account_number: Id
    statement_id: Id
    contact_id: Id
    channel: Channel


class AlertSent(_AlertEvent):
    """Notifications gave an alert to a provider, who took it."""

    TYPE: ClassVar[str] = "notifications.alert-sent.v1"


class AlertDelivered(_AlertEvent):
    """Notifications learnt that an alert arrived."""

    TYPE: ClassVar[str] = "notifications.alert-delivered.v1"


class AlertFailed(_AlertEvent):
    """Notifications learnt that an alert did not arrive, and why."""

    TYPE: ClassVar[str] = "notifications.alert-failed.v1"
    reason: Code


class AlertUnknown(_AlertEvent):
    """Notifications cannot know yet whether the provider took an alert; it is not sent again blindly."""

    TYPE: ClassVar[str] = "notifications.alert-unknown.v1"


class PaperStatementDue(Event):
    """Notifications says that a statement has to go out on paper, and why."""

    TYPE: ClassVar[str] = "notifications.paper-statement-due.v1"
    account_number: Id
    statement_id: Id
    reason: Code


class TextsStopped(Event):
    """Notifications sends no more texts to a contact, because its owner said so."""

    TYPE: ClassVar[str] = "notifications.texts-stopped.v1"
    person_id: Id
    contact_id: Id


class ContactUnsubscribed(_ContactEvent):
    """Notifications sends no more alerts to a contact, because its owner followed the link in one."""

    TYPE: ClassVar[str] = "notifications.contact-unsubscribed.v1"


class ReceiptHeard(Event):
    """Notifications heard from a provider what became of an alert or a code; news of it is told besides."""

    TYPE: ClassVar[str] = "notifications.receipt-heard.v1"
    reference: Id
    status: Code


class TextHeard(Event):
    """Notifications heard a word that somebody texted; keyed by a digest of their number."""

    TYPE: ClassVar[str] = "notifications.text-heard.v1"
    word: Code


RefusalReason = Literal[
    "invalid_data",
    "too_large",
    "not_found",
    "idempotency_conflict",
    "address_invalid",
    "address_not_supported",
    "too_soon",
    "too_many_codes",
    "texts_stopped",
    "code_wrong",
    "code_expired",
    "contact_not_verified",
    "consent_missing",
    "consent_stale",
]

REFUSAL_REASONS: Final[dict[RefusalReason, str]] = {
    "invalid_data": "A field is missing, malformed or out of bounds; the detail names the fields.",
    "too_large": "The command is longer than 256 KiB.",
    "not_found": "There is no such contact, account or enrolment for this actor.",
    "idempotency_conflict": "The id was used before, for something else.",
    "address_invalid": "This is no email address or phone number.",
    "address_not_supported": "Nothing can be sent there: a landline, or a premium number.",
    "too_soon": "A code was sent less than a minute ago.",
    "too_many_codes": "No more codes can be sent today.",
    "texts_stopped": "This number asked for no more texts; it has to text START first.",
    "code_wrong": "This is not the code.",
    "code_expired": "The code is no longer valid: ask for another.",
    "contact_not_verified": "Alerts go only to a contact that the person has confirmed.",
    "consent_missing": "The box was not ticked.",
    "consent_stale": "The text has changed: show the present one.",
}
"""What each reason means to the sender."""


class CommandRefused(Event):
    """Notifications refuses a command; nothing has changed."""

    TYPE: ClassVar[str] = "notifications.command-refused.v1"
    command_type: Code
    reason: Growing[RefusalReason]
    detail: Note


NotificationsEvent = (
    CodeSent
    | ContactVerified
    | ContactRefused
    | ContactRemoved
    | PaperlessEnrolled
    | PaperlessEnded
    | AlertSent
    | AlertDelivered
    | AlertFailed
    | AlertUnknown
    | PaperStatementDue
    | TextsStopped
    | ContactUnsubscribed
    | ReceiptHeard
    | TextHeard
    | CommandRefused
)
