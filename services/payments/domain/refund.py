"""Refunds: asked for by staff, above a limit agreed to by a second person, made by the processor, and posted.

The sum of refunds is never more than the payment; what goes back is owed again, until a refund fails.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, Literal, TypedDict, assert_never

from services.payments.domain import ledger
from services.payments.domain.account import GuarantorAccount, booked, tell_balance
from services.payments.domain.charging import KEY_LIFETIME, QUERY_WAITS, SEND_WITHIN, Query
from services.payments.domain.records import Payment, Refund, Settled, WorkKind
from services.payments.domain.refusal import refuse
from services.payments.domain.rules import Rules
from services.payments.domain.work import raise_work, settle, settle_itself, work_id
from shared.digests import digest
from shared.events.actors import is_staff
from shared.events.envelope import Id, Internal, Message, Outcome, Time
from shared.events.payments import (
    Allocation,
    ApproveRefund,
    DeclineRefund,
    PaymentRefunded,
    RefundApproved,
    RefundDeclined,
    RefundFailed,
    RefundRequested,
    RefusalReason,
    RequestRefund,
    Share,
)
from shared.events.vocabulary import About, AmountMinor, Code, Record
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task


class MakeRefund(Internal):
    """Give money back of a charge; `key` is the processor's idempotency key, the same at every attempt."""

    TYPE: ClassVar[str] = "payments.make-refund.v1"
    refund_id: Id
    account_number: Id
    charge_id: Id
    amount_minor: AmountMinor
    key: Id
    send_before: Time


class QueryRefund(Internal):
    """Ask what became of a refund; without `query` because the processor said that something did."""

    TYPE: ClassVar[str] = "payments.query-refund.v1"
    refund_id: Id
    account_number: Id
    key: Id
    query: Query | None = None


class RefundAnswer(Record):
    """What the processor said of a refund, or that it could not be learnt."""

    result: Literal["succeeded", "failed", "not_received", "unknown"]
    reason: Code | None = None


class RefundAnswered(Internal, RefundAnswer):
    """The answer about a refund."""

    TYPE: ClassVar[str] = "payments.refund-answered.v1"
    refund_id: Id
    account_number: Id
    query: Query | None


def request(
    account: GuarantorAccount, message: Message[RequestRefund], now: datetime, rules: Rules
) -> Decision[GuarantorAccount]:
    """Take a refund on: at once, or when a second person has agreed."""
    command, actor = message.data, message.actor
    if not is_staff(actor):
        return refuse(account, command, "not_allowed")
    known = account.refunds.get(command.refund_id)
    asked = (command.payment_id, command.amount_minor, command.currency, command.reason)
    if known is not None:
        if asked != (known.payment_id, known.amount_minor, known.currency, known.reason):
            return refuse(account, command, "idempotency_conflict")
        again = RefundRequested(**_told(account, known), reason=known.reason)
        return Decision(account, (Event(again, "done", account.number),))
    payment = account.payments.get(command.payment_id)
    misfit = _misfit(account, payment, command)
    if payment is None or misfit:
        return refuse(account, command, misfit or "not_found")
    alone = command.amount_minor + _asked_alone(account, payment, actor) <= rules.refund_alone_max_minor
    refund = Refund(
        refund_id=command.refund_id,
        payment_id=payment.payment_id,
        amount_minor=command.amount_minor,
        currency=command.currency,
        reason=command.reason,
        allocation=_spread(account, payment, command.amount_minor),
        processor_key=digest("refund", account.number, command.refund_id).hex(),
        requested_by=actor,
        requested_at=now,
        status="processing" if alone else "requested",
        correlationid=message.correlation,
        sent_at=now if alone else None,
    )
    after = account.with_refund(refund)
    told = RefundRequested(**_told(account, refund), reason=refund.reason, approval_needed=not alone)
    requested = Event(told, "done", account.number)
    if alone:
        return Decision(after, (requested,), (_make(account, payment, refund, now),))
    after, work = _raise(after, "refund-approval", refund, now)
    return Decision(after, (requested, work))


def decide_request(
    account: GuarantorAccount, command: ApproveRefund | DeclineRefund, actor: str, now: datetime
) -> Decision[GuarantorAccount]:
    """Agree to a refund or not, as a command asks."""
    if not is_staff(actor):
        return refuse(account, command, "not_allowed")
    refund = account.refunds.get(command.refund_id)
    if refund is None:
        return refuse(account, command, "not_found")
    approves = isinstance(command, ApproveRefund)
    agreed = agree(account, refund, actor, now, approves=approves, note=command.note, outcome="done")
    return refuse(account, command, agreed) if isinstance(agreed, str) else agreed


def agree(
    account: GuarantorAccount,
    refund: Refund,
    actor: str,
    now: datetime,
    *,
    approves: bool,
    note: str | None,
    outcome: Outcome | None = None,
) -> Decision[GuarantorAccount] | RefusalReason:
    """Agree to a refund or not, or return why that cannot be; who asked for it cannot agree."""
    cls = RefundApproved if approves else RefundDeclined
    told = Event(cls(**_told(account, refund), reason=refund.reason), outcome, account.number)
    if refund.status != "requested":
        same = refund.decided_by == actor and (refund.status == "declined") is not approves
        return Decision(account, (told,)) if same else "refund_decided"
    if approves and actor == refund.requested_by:
        return "second_person_required"
    payment = account.payments[refund.payment_id]
    if approves and not _refundable(payment):
        return "payment_disputed" if _disputed(payment) else "refund_exceeds_payment"
    decided = replace(refund, status="declined", decided_by=actor)
    if approves:
        decided = replace(decided, status="processing", sent_at=now)
    approval = work_id("refund-approval", account.number, refund.refund_id)
    action = "approve" if approves else "decline"
    after = settle(account.with_refund(decided), Settled(approval, actor, now, action, note))
    made = (_make(account, payment, decided, now),) if approves else ()
    return Decision(after, (told,), made)


def hear_refund(account: GuarantorAccount, answer: RefundAnswered, now: datetime) -> Decision[GuarantorAccount]:
    """Bring a refund as far as the processor's answer does; one that comes twice or late does nothing."""
    refund = account.refunds[answer.refund_id]
    under_way = refund.status in ("processing", "unknown")
    match answer.result:
        case "succeeded":
            return refunded(account, refund, now) if under_way else Decision(account)
        case "failed":
            return not_refunded(account, refund, answer.reason or "failed", now)
        case "not_received" if under_way and now - (refund.sent_at or refund.requested_at) >= KEY_LIFETIME:
            return not_refunded(account, refund, "not_received", now)
        case "not_received" | "unknown":
            return _ask_again(account, refund, answer.query, now) if under_way else Decision(account)
        case _:
            assert_never(answer.result)


def refunded(account: GuarantorAccount, refund: Refund, now: datetime) -> Decision[GuarantorAccount]:
    """Post money that went back, which is owed again."""
    payment = account.payments[refund.payment_id]
    less = replace(payment, refunded_minor=payment.refunded_minor + refund.amount_minor, updated_at=now)
    posting = ledger.given_back("refund", refund.refund_id, refund.allocation, now)
    after = booked(account, less, posting, refund.allocation, -1)
    after, balance = tell_balance(account, after.with_refund(replace(refund, status="succeeded")))
    told = PaymentRefunded(
        payment_id=payment.payment_id,
        account_number=account.number,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        allocation=refund.allocation,
        refund_id=refund.refund_id,
        plan_id=payment.plan_id,
    )
    return Decision(_known(after, refund, now), (Event(told, key=account.number), *balance))


def not_refunded(
    account: GuarantorAccount, refund: Refund, reason: str, now: datetime
) -> Decision[GuarantorAccount]:
    """Take a refund back that the payer did not get; one that was posted is posted the other way."""
    if not refund.counts or refund.status == "requested":
        return Decision(account)
    after = account.with_refund(replace(refund, status="failed"))
    balance: tuple[Event, ...] = ()
    if refund.status == "succeeded":
        payment = account.payments[refund.payment_id]
        more = replace(payment, refunded_minor=payment.refunded_minor - refund.amount_minor, updated_at=now)
        posting = ledger.kept_after_all(refund.refund_id, refund.allocation, now)
        after, balance = tell_balance(account, booked(after, more, posting, refund.allocation, 1))
    after, work = _raise(after, "refund-failed", refund, now, ("Failed because", reason))
    told = RefundFailed(**_told(account, refund), reason=reason)
    return Decision(_known(after, refund, now), (Event(told, key=account.number), *balance, work))


def query(account: GuarantorAccount, refund: Refund, asked: int | None = None) -> QueryRefund:
    """Return the task that asks what became of a refund."""
    return QueryRefund(
        refund_id=refund.refund_id, account_number=account.number, key=refund.processor_key, query=asked
    )


def _asked_alone(account: GuarantorAccount, payment: Payment, actor: str) -> int:
    """Return what somebody asked for of a payment before, without a second person: in parts it is no less."""
    return sum(
        refund.amount_minor
        for refund in account.refunds.values()
        if (refund.payment_id, refund.requested_by) == (payment.payment_id, actor)
        and refund.counts
        and refund.decided_by is None
    )


def _misfit(account: GuarantorAccount, payment: Payment | None, command: RequestRefund) -> RefusalReason | None:
    if payment is None:
        return "not_found"
    if not command.reason.strip():
        return "why_missing"
    if command.currency != payment.currency:
        return "currency_mismatch"
    if command.amount_minor <= 0:
        return "amount_not_positive"
    if _disputed(payment):
        return "payment_disputed"
    left_minor = sum(_left(account, payment).values()) if _refundable(payment) else 0
    return "refund_exceeds_payment" if command.amount_minor > left_minor else None


def _refundable(payment: Payment) -> bool:
    """Tell whether the money of a payment is there to be given back: not while its holder disputes it."""
    kept = payment.status == "succeeded" and payment.dispute_status in (None, "won")
    return kept and payment.charge_id is not None


def _disputed(payment: Payment) -> bool:
    """Tell whether a dispute has still to end; that of a payment which was returned never does."""
    return payment.status == "succeeded" and payment.dispute_status in ("needs_response", "under_review")


def _left(account: GuarantorAccount, payment: Payment) -> Counter[str]:
    """Return by visit what is left of a payment after all its refunds."""
    return _less(payment, (refund for refund in account.refunds.values() if refund.counts))


def kept(account: GuarantorAccount, payment: Payment) -> Allocation:
    """Return what of a payment has not gone back: by visit, where something is left."""
    left = _less(payment, (refund for refund in account.refunds.values() if refund.status == "succeeded"))
    return tuple(
        share.model_copy(update={"amount_minor": left[share.visit_account_number]})
        for share in payment.allocation
        if left[share.visit_account_number] > 0
    )


def _less(payment: Payment, refunds: Iterable[Refund]) -> Counter[str]:
    left = Counter({share.visit_account_number: share.amount_minor for share in payment.allocation})
    for refund in refunds:
        if refund.payment_id == payment.payment_id:
            left.subtract({share.visit_account_number: share.amount_minor for share in refund.allocation})
    return left


def _spread(account: GuarantorAccount, payment: Payment, amount_minor: int) -> Allocation:
    """Return which visits are owed again: what was paid last goes back first."""
    left, shares = _left(account, payment), []
    for share in reversed(payment.allocation):
        back_minor = min(amount_minor, left[share.visit_account_number])
        if back_minor > 0:
            amount_minor -= back_minor
            shares.append(Share(visit_account_number=share.visit_account_number, amount_minor=back_minor))
    return tuple(shares)


def _make(account: GuarantorAccount, payment: Payment, refund: Refund, now: datetime) -> Task:
    assert payment.charge_id is not None  # noqa: S101  # nothing is refunded of what has none
    make = MakeRefund(
        refund_id=refund.refund_id,
        account_number=account.number,
        charge_id=payment.charge_id,
        amount_minor=refund.amount_minor,
        key=refund.processor_key,
        send_before=now + SEND_WITHIN,
    )
    return Task(make, correlationid=refund.correlationid)


def _ask_again(
    account: GuarantorAccount, refund: Refund, asked: int | None, now: datetime
) -> Decision[GuarantorAccount]:
    if asked != refund.queries:
        return Decision(account)
    after = account.with_refund(replace(refund, status="unknown", queries=asked + 1))
    if asked == len(QUERY_WAITS):
        after, work = _raise(after, "refund-unknown", refund, now)
        return Decision(after, (work,))
    return Decision(after, (), (Task(query(account, refund, asked + 1), now + QUERY_WAITS[asked]),))


def _known(account: GuarantorAccount, before: Refund, now: datetime) -> GuarantorAccount:
    """End the work about a refund that is not unknown any more."""
    if before.queries <= len(QUERY_WAITS):
        return account
    return settle_itself(account, "refund-unknown", before.refund_id, now)


def _raise(
    account: GuarantorAccount, kind: WorkKind, refund: Refund, now: datetime, *more: tuple[str, str]
) -> tuple[GuarantorAccount, Event]:
    about = About(account_number=account.number, payment_id=refund.payment_id, refund_id=refund.refund_id)
    details = (
        ("Amount", f"{refund.amount_minor} {refund.currency} (minor units)"),
        ("Asked for by", refund.requested_by),
        ("Why", refund.reason),
        *more,
    )
    return raise_work(account, kind, about, now, details)


class _RefundTold(TypedDict):
    """What every event about a refund says, beside why."""

    refund_id: str
    account_number: str
    payment_id: str
    amount_minor: int
    currency: str


def _told(account: GuarantorAccount, refund: Refund) -> _RefundTold:
    """Return what every event about a refund says of this one."""
    return {
        "refund_id": refund.refund_id,
        "account_number": account.number,
        "payment_id": refund.payment_id,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
    }
