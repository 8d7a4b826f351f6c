"""What notifications tells itself: tasks and their answers, and what comes over HTTP. Never on a topic.

None of them holds an address or a code: who performs a task looks them up when it is due.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.envelope import Command, Id, Internal, Time
from shared.events.vocabulary import Code

Count = Annotated[int, Field(ge=0, le=10_000)]
Word = Literal["stop", "start", "help"]
"""What somebody may text to us; all else is nothing to us."""

Harm = Literal["hard_bounce", "complained", "refused"]
"""Why nothing more can be sent to a contact until its owner confirms it again."""

LeftReason = Literal["no_longer_on_account", "no_longer_guarantor"]

ReceiptStatus = Literal["sent", "delivered", "failed", "bounced", "complained"]
"""What a provider says became of a message. `failed` is this one alone, `bounced` the address for good."""


AlertResult = Literal[
    "sent", "delivered", "failed", "refused", "not_sent", "later", "suppressed", "unknown", "not_received"
]


class SendCode(Internal):
    """Send a code to a contact."""

    TYPE: ClassVar[str] = "notifications.send-code.v1"
    person_id: Id
    contact_id: Id
    code_id: Id


class CodeAnswered(Internal):
    """What became of sending a code; `refused` is the address for good."""

    TYPE: ClassVar[str] = "notifications.code-answered.v1"
    person_id: Id
    contact_id: Id
    code_id: Id
    result: Literal["sent", "not_sent", "refused"]


class _AboutAlert(Internal):
    alert_id: Id
    account_number: Id


class SendAlert(_AboutAlert):
    """Send an alert; `attempt` numbers the tries, and each is made at most once."""

    TYPE: ClassVar[str] = "notifications.send-alert.v1"
    attempt: Count


class QueryAlert(_AboutAlert):
    """Ask a provider whether it has an alert that we do not know about."""

    TYPE: ClassVar[str] = "notifications.query-alert.v1"
    query: Count


class AlertAnswered(_AboutAlert):
    """What became of one attempt to send an alert (`query` 0), or of asking about it.

    `not_sent`: certainly not, and it may be tried again. `later`: nobody tried, or the provider wants a pause;
    it costs no attempt, and `wait_s` is how long to wait. `refused`: never to this address. `suppressed`: it
    may not be sent any more. `not_received`: the provider has never seen it.
    """

    TYPE: ClassVar[str] = "notifications.alert-answered.v1"
    attempt: Count
    query: Count = 0
    result: AlertResult
    provider_id: Id | None = None
    reason: Code | None = None
    wait_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = 0


class _AboutContact(Internal):
    person_id: Id
    contact_id: Id


class ContactHarmed(_AboutContact):
    """Nothing more can be sent to a contact; `contact_version` is that of the time when it was sent to."""

    TYPE: ClassVar[str] = "notifications.contact-harmed.v1"
    contact_version: Count
    reason: Harm


class StopTexts(_AboutContact):
    """The number of a contact wants no more texts."""

    TYPE: ClassVar[str] = "notifications.stop-texts.v1"


class StartTexts(_AboutContact):
    """The number of a contact wants texts again."""

    TYPE: ClassVar[str] = "notifications.start-texts.v1"


class AccountLeft(Internal):
    """A person is on an account, or its guarantor, no longer, as we heard at `left_at`.

    What they consent to later stands.
    """

    TYPE: ClassVar[str] = "notifications.account-left.v1"
    person_id: Id
    account_number: Id
    left_at: Time
    reason: LeftReason = "no_longer_on_account"


class ReplyToText(Internal):
    """Answer the word that somebody texted."""

    TYPE: ClassVar[str] = "notifications.reply-to-text.v1"
    destination_id: Id
    word: Word


class TextReplied(Internal):
    """The word was answered, or could not be."""

    TYPE: ClassVar[str] = "notifications.text-replied.v1"
    destination_id: Id


class HearReceipt(Command):
    """A provider says what became of an alert."""

    TYPE: ClassVar[str] = "notifications.hear-receipt.v1"
    alert_id: Id
    account_number: Id
    status: ReceiptStatus
    reason: Code | None = None


class HearCodeReceipt(Command):
    """A provider says what became of a code."""

    TYPE: ClassVar[str] = "notifications.hear-code-receipt.v1"
    person_id: Id
    contact_id: Id
    code_id: Id
    status: ReceiptStatus


class HearText(Command):
    """Somebody texted a word."""

    TYPE: ClassVar[str] = "notifications.hear-text.v1"
    destination_id: Id
    word: Word


class Unsubscribe(Command):
    """Somebody followed the link in an alert."""

    TYPE: ClassVar[str] = "notifications.unsubscribe.v1"
    person_id: Id
    contact_id: Id
