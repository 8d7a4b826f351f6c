"""What is asked of payments on `payments.commands.v1`, and what it says on `payments.events.v1`."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from shared.events import work
from shared.events.envelope import Command, Date, Event, Id
from shared.events.plans import PlanCommand, PlanEvent
from shared.events.vocabulary import (
    AmountMinor,
    Code,
    Currency,
    Growing,
    LastFour,
    Line,
    Method,
    MethodKind,
    Note,
    Record,
    Secret,
    Version,
    Word,
)

Readers = Annotated[tuple[Id, ...], Field(max_length=101)]
"""Who may read a statement: the guarantor, and as many viewers as an account can have."""


class MethodShown(Record):
    """A card or a bank account as people recognise it."""

    kind: MethodKind
    last4: LastFour
    brand: Word | None = None


class Share(Record):
    """What a payment pays of one visit account."""

    visit_account_number: Id
    amount_minor: AmountMinor


Allocation = Annotated[tuple[Share, ...], Field(max_length=500)]
"""How a payment is spread over visit accounts."""


class SubmitPayment(Command):
    """A gateway asks to pay; without an allocation the oldest visit is paid first.

    The method is given, or one that the payer has saved is named; with `plan_id` the plan's instalments are paid.
    With `save_method` the method is kept under the payment's id, once the money was taken.
    """

    TYPE: ClassVar[str] = "payments.submit-payment.v1"
    payment_id: Id
    account_number: Id
    amount_minor: AmountMinor
    currency: Currency
    method: Method | None = None
    method_id: Id | None = None
    plan_id: Id | None = None
    allocation: Allocation | None = None
    review_token: Secret | None = None
    guest_token: Secret | None = None
    save_method: bool | None = None


class SaveMethod(Command):
    """A gateway asks to keep a card or bank account for later."""

    TYPE: ClassVar[str] = "payments.save-method.v1"
    account_number: Id
    method_id: Id
    method: Method


class RemoveMethod(Command):
    """A gateway asks to forget a saved card or bank account."""

    TYPE: ClassVar[str] = "payments.remove-method.v1"
    account_number: Id
    method_id: Id


class RequestRefund(Command):
    """Staff ask to give back a payment or a part of it."""

    TYPE: ClassVar[str] = "payments.request-refund.v1"
    refund_id: Id
    account_number: Id
    payment_id: Id
    amount_minor: AmountMinor
    currency: Currency
    reason: Line


class ApproveRefund(Command):
    """A second person of the staff agrees to a refund."""

    TYPE: ClassVar[str] = "payments.approve-refund.v1"
    refund_id: Id
    account_number: Id
    note: Note | None = None


class DeclineRefund(Command):
    """A second person of the staff does not agree to a refund."""

    TYPE: ClassVar[str] = "payments.decline-refund.v1"
    refund_id: Id
    account_number: Id
    note: Note | None = None


PaymentsCommand = (
    SubmitPayment | PlanCommand | SaveMethod | RemoveMethod | RequestRefund | ApproveRefund | DeclineRefund
)


class _PaymentEvent(Event):
    payment_id: Id
    account_number: Id
    amount_minor: AmountMinor
    currency: Currency
    reason: Code | None = None
    allocation: Allocation | None = None
    plan_id: Id | None = None


class PaymentAccepted(_PaymentEvent):
    """Payments took a payment on; its amount is reserved until the processor has answered."""

    TYPE: ClassVar[str] = "payments.payment-accepted.v1"


class PaymentSucceeded(_PaymentEvent):
    """Payments learnt that the money was taken; for a bank account it may still be returned."""

    TYPE: ClassVar[str] = "payments.payment-succeeded.v1"
    method: MethodShown | None = None


class PaymentFailed(_PaymentEvent):
    """Payments learnt that no money was taken, and why."""

    TYPE: ClassVar[str] = "payments.payment-failed.v1"


class PaymentUnknown(_PaymentEvent):
    """Payments cannot know yet whether the money was taken; it keeps asking."""

    TYPE: ClassVar[str] = "payments.payment-unknown.v1"


class PaymentReturned(_PaymentEvent):
    """Payments learnt that the bank sent a debit back; `reason` is the return's code, such as `R01`."""

    TYPE: ClassVar[str] = "payments.payment-returned.v1"


class PaymentDisputed(_PaymentEvent):
    """Payments learnt that the card holder disputes a payment, or how the dispute stands."""

    TYPE: ClassVar[str] = "payments.payment-disputed.v1"
    dispute_status: Growing[Literal["needs_response", "under_review", "won", "lost"]] | None = None


class PaymentRefunded(_PaymentEvent):
    """Payments gave money back; `amount_minor` is what this refund gave."""

    TYPE: ClassVar[str] = "payments.payment-refunded.v1"
    refund_id: Id | None = None


class MethodSaved(Event):
    """Payments keeps a card or bank account for later."""

    TYPE: ClassVar[str] = "payments.method-saved.v1"
    account_number: Id
    method_id: Id
    method: MethodShown | None = None


class MethodRemoved(Event):
    """Payments has forgotten a saved card or bank account."""

    TYPE: ClassVar[str] = "payments.method-removed.v1"
    account_number: Id
    method_id: Id


class _RefundEvent(Event):
    refund_id: Id
    account_number: Id
    payment_id: Id
    amount_minor: AmountMinor
    currency: Currency
    reason: Line | None = None


class RefundRequested(_RefundEvent):
    """Payments took a refund on; above a limit it waits for a second person."""

    TYPE: ClassVar[str] = "payments.refund-requested.v1"
    approval_needed: bool | None = None


class RefundApproved(_RefundEvent):
    """Payments has the agreement that a refund needs, and asks the processor for it."""

    TYPE: ClassVar[str] = "payments.refund-approved.v1"


class RefundDeclined(_RefundEvent):
    """Payments dropped a refund that a second person did not agree to."""

    TYPE: ClassVar[str] = "payments.refund-declined.v1"


class RefundFailed(_RefundEvent):
    """Payments learnt that the processor could not give the money back; `reason` is why it failed."""

    TYPE: ClassVar[str] = "payments.refund-failed.v1"


class BalanceChanged(Event):
    """Payments says what an account owes now; a higher version is later."""

    TYPE: ClassVar[str] = "payments.balance-changed.v1"
    account_number: Id
    balance_minor: AmountMinor
    currency: Currency
    version: Version


class StatementAvailable(Event):
    """Payments says that these persons can read a statement now."""

    TYPE: ClassVar[str] = "payments.statement-available.v1"
    account_number: Id
    statement_id: Id
    person_ids: Readers
    issued_on: Date
    due_on: Date


class WorkRaised(work.WorkRaised):
    """Payments needs a person of the billing pool to look at something."""

    TYPE: ClassVar[str] = "payments.work-raised.v1"
    pool: Literal["billing"]


class WorkSettled(work.WorkSettled):
    """A piece of work is over: `action` is what staff chose, or what came about meanwhile (`resolved`)."""

    TYPE: ClassVar[str] = "payments.work-settled.v1"
    POOL: ClassVar[str] = "billing"
    account_number: Id | None = None
    action: Code
    note: Note | None = None


class WebhookTaken(Event):
    """Payments took up what the processor told of a payment, and asks it how the payment stands."""

    TYPE: ClassVar[str] = "payments.webhook-taken.v1"
    event_id: Id
    account_number: Id
    payment_id: Id


class SettlementImported(Event):
    """Payments took in a settlement of the processor; each of its `lines` is compared with the payments."""

    TYPE: ClassVar[str] = "payments.settlement-imported.v1"
    settlement_id: Id
    lines: Annotated[int, Field(ge=0, le=100_000)]


RefusalReason = Literal[
    "invalid_data",
    "too_large",
    "not_found",
    "not_allowed",
    "idempotency_conflict",
    "card_number_refused",
    "amount_not_positive",
    "amount_exceeds_balance",
    "allocation_mismatch",
    "account_closed",
    "currency_mismatch",
    "payment_in_progress",
    "review_expired",
    "review_stale",
    "method_missing",
    "plan_exists",
    "plan_ended",
    "plan_not_paused",
    "instalment_too_small",
    "plan_too_long",
    "authorization_missing",
    "refund_exceeds_payment",
    "payment_disputed",
    "refund_decided",
    "second_person_required",
    "why_missing",
    "guest_expired",
    "too_many_attempts",
    "work_settled",
    "unknown_action",
    "settlement_repeated",
]

REFUSAL_REASONS: Final[dict[RefusalReason, str]] = {
    "invalid_data": "A field is missing, malformed or out of bounds; the detail names the fields.",
    "too_large": "The command is longer than 256 KiB.",
    "not_found": "There is no such account, visit account, payment, plan, method or refund for this actor.",
    "not_allowed": "Only staff may ask for this.",
    "idempotency_conflict": "The id was used before, for something else.",
    "card_number_refused": "A field holds what looks like a card number; nothing of it was kept.",
    "amount_not_positive": "The amount is zero or negative.",
    "amount_exceeds_balance": "The amount is more than what is owed.",
    "allocation_mismatch": "The shares do not add up, or one is more than its visit owes.",
    "account_closed": "The visit account is closed.",
    "currency_mismatch": "The account is kept in another currency.",
    "payment_in_progress": "Another payment of this balance has not ended yet.",
    "review_expired": "Too much time has passed since the review, or it was used: review again.",
    "review_stale": "The balance or what was asked differs from the review: review again.",
    "method_missing": "Paying by itself needs a payment method.",
    "plan_exists": "A plan covers this balance already.",
    "plan_ended": "The plan is completed, cancelled or in default.",
    "plan_not_paused": "Only a paused plan can be resumed.",
    "instalment_too_small": "The monthly amount is below the smallest instalment.",
    "plan_too_long": "The plan would take more months than allowed.",
    "authorization_missing": "Debiting a bank account by itself needs the payer's authorization.",
    "refund_exceeds_payment": "The refund is more than what is left of the payment.",
    "payment_disputed": "The card holder disputes the payment: nothing is refunded of it until that is over.",
    "refund_decided": "The refund was approved or declined before.",
    "second_person_required": "Who asked for a refund cannot approve it.",
    "why_missing": "Who gives money back says why.",
    "guest_expired": "The guest looked the bill up too long ago: look it up again.",
    "too_many_attempts": "Too many charges failed in a day: of this guest, card, account or address, or in all.",
    "work_settled": "Somebody has settled this already.",
    "unknown_action": "This work cannot be settled that way.",
    "settlement_repeated": "Another settlement with this id or these lines was imported before.",
}
"""What each reason means to the sender."""


class CommandRefused(Event):
    """Payments refuses a command; nothing has changed."""

    TYPE: ClassVar[str] = "payments.command-refused.v1"
    command_type: Code
    reason: Growing[RefusalReason]
    detail: Note


PaymentsEvent = (
    PaymentAccepted
    | PaymentSucceeded
    | PaymentFailed
    | PaymentUnknown
    | PaymentReturned
    | PaymentDisputed
    | PaymentRefunded
    | PlanEvent
    | MethodSaved
    | MethodRemoved
    | RefundRequested
    | RefundApproved
    | RefundDeclined
    | RefundFailed
    | BalanceChanged
    | StatementAvailable
    | WorkRaised
    | WorkSettled
    | WebhookTaken
    | SettlementImported
    | CommandRefused
)
