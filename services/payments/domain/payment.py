"""A payment from its submission to its end, which only the processor's word or a person can bring about.

Nothing is failed or succeeded by silence: while the processor's answer is missing, a payment is `unknown`, its
amount stays reserved, and the processor is asked again and again; in the end a person of the billing pool is.
"""

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from services.payments.domain import ledger
from services.payments.domain.account import GuarantorAccount, Opened, Payment, tell_balance
from services.payments.domain.allocation import allocate
from services.payments.domain.charging import (
    KEY_LIFETIME,
    QUERY_WAITS,
    SEND_WITHIN,
    ChargeAnswered,
    ChargeMethod,
    QueryCharge,
)
from services.payments.domain.refusal import refuse
from shared.events.payments import (
    Allocation,
    MethodShown,
    PaymentAccepted,
    PaymentFailed,
    PaymentSucceeded,
    PaymentUnknown,
    RefusalReason,
    SubmitPayment,
    WorkRaised,
)
from shared.events.vocabulary import About
from shared.messaging.decision import Decision, Event, Task

_STAYED_UNKNOWN: Final = "The processor cannot say whether a payment was taken."
_TAKEN_AFTER_ALL: Final = "The processor says that it took a payment that had ended as failed."


def submit(
    account: GuarantorAccount, command: SubmitPayment, actor: str, now: datetime
) -> Decision[GuarantorAccount]:
    """Take a payment on and have it charged, or refuse it; one that was taken on before is told again."""
    if account.opened is None or not _may_pay(account.opened, actor):
        return refuse(account, command, "not_found")
    fingerprint = _fingerprint(command)
    known = account.payments.get(command.payment_id)
    if known is not None and known.fingerprint == fingerprint:
        return Decision(account, (_accepted(account, known),))
    if known is not None or command.payment_id in account.payment_ids_elsewhere:
        return refuse(account, command, "idempotency_conflict")
    allocation = _allocation(account, account.opened, command)
    if isinstance(allocation, str):
        return refuse(account, command, allocation)
    payment = Payment(
        payment_id=command.payment_id,
        amount_minor=command.amount_minor,
        currency=command.currency,
        method=MethodShown(kind=command.method.kind, last4=command.method.last4, brand=command.method.brand),
        allocation=allocation,
        fingerprint=fingerprint,
        processor_key=_digest("charge", account.number, command.payment_id).hex(),
        submitted_by=actor,
        created_at=now,
        updated_at=now,
    )
    charge = ChargeMethod(
        payment_id=payment.payment_id,
        account_number=account.number,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        kind=command.method.kind,
        token=command.method.token,
        key=payment.processor_key,
        send_before=now + SEND_WITHIN,
    )
    return Decision(account.with_payment(payment), (_accepted(account, payment),), (Task(charge),))


def hear_answer(account: GuarantorAccount, answer: ChargeAnswered, now: datetime) -> Decision[GuarantorAccount]:
    """Bring a payment as far as the processor's answer does; one that comes twice or late does nothing."""
    payment = account.payments[answer.payment_id]
    match answer.result:
        case "succeeded":
            return _succeed(account, payment, answer.charge_id, now)
        case "declined":
            return _fail(account, payment, answer.reason or "declined", now)
        case "not_received" if now - payment.created_at >= KEY_LIFETIME:
            return _fail(account, payment, "not_received", now)
        case "not_received" | "unknown":
            return _ask_again(account, payment, answer.query, now)
        case _:
            assert_never(answer.result)


def _succeed(
    account: GuarantorAccount, payment: Payment, charge_id: str | None, now: datetime
) -> Decision[GuarantorAccount]:
    if payment.status == "failed":
        return Decision(account, (_work(account, payment, _TAKEN_AFTER_ALL),))
    if not payment.is_open:
        return Decision(account)
    ended = replace(payment, status="succeeded", charge_id=charge_id, updated_at=now)
    after = account.with_payment(ended).with_posting(ledger.payment(ended.payment_id, ended.allocation, now))
    for share in ended.allocation:
        visit = after.visit(share.visit_account_number)
        after = after.with_visit(replace(visit, paid_minor=visit.paid_minor + share.amount_minor))
    after, balance = tell_balance(account, after)
    told = PaymentSucceeded(
        payment_id=ended.payment_id,
        account_number=account.number,
        amount_minor=ended.amount_minor,
        currency=ended.currency,
        allocation=ended.allocation,
        method=ended.method,
    )
    return Decision(after, (Event(told, key=account.number), *balance))


def _fail(account: GuarantorAccount, payment: Payment, reason: str, now: datetime) -> Decision[GuarantorAccount]:
    if not payment.is_open:
        return Decision(account)
    told = PaymentFailed(
        payment_id=payment.payment_id,
        account_number=account.number,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        reason=reason,
    )
    ended = replace(payment, status="failed", reason=reason, updated_at=now)
    return Decision(account.with_payment(ended), (Event(told, key=account.number),))


def _ask_again(
    account: GuarantorAccount, payment: Payment, query: int, now: datetime
) -> Decision[GuarantorAccount]:
    """Keep a payment unknown and ask once more, or a person once all the asking is done."""
    if not payment.is_open or query != payment.queries:
        return Decision(account)
    events: tuple[Event, ...] = ()
    asked = replace(payment, queries=query + 1)
    if payment.status == "processing":
        asked = replace(asked, status="unknown", updated_at=now)
        told = PaymentUnknown(
            payment_id=payment.payment_id,
            account_number=account.number,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
        )
        events = (Event(told, key=account.number),)
    after = account.with_payment(asked)
    if query == len(QUERY_WAITS):
        return Decision(after, (*events, _work(account, payment, _STAYED_UNKNOWN)))
    again = QueryCharge(
        payment_id=payment.payment_id,
        account_number=account.number,
        key=payment.processor_key,
        query=asked.queries,
    )
    return Decision(after, events, (Task(again, now + QUERY_WAITS[query]),))


def _may_pay(opened: Opened, actor: str) -> bool:
    kind, _, who = actor.partition(":")
    if kind in ("patient", "proxy"):
        return who == opened.person_id or who in opened.viewers
    return kind == "staff"


def _allocation(account: GuarantorAccount, opened: Opened, command: SubmitPayment) -> Allocation | RefusalReason:
    """Return how the amount is spread, or why it cannot be paid."""
    if command.currency != opened.currency:
        return "currency_mismatch"
    if command.amount_minor <= 0:
        return "amount_not_positive"
    return allocate(account, command.amount_minor, command.allocation)


def _fingerprint(command: SubmitPayment) -> bytes:
    """Return what tells one content from another; what only proves that paying is allowed is no part of it."""
    method = command.method
    shares = [(share.visit_account_number, share.amount_minor) for share in command.allocation or ()]
    return _digest(
        command.account_number,
        command.amount_minor,
        command.currency,
        (method.kind, method.token, method.last4, method.brand),
        shares,
        command.save_method,
    )


def _digest(*content: object) -> bytes:
    """Return 16 bytes that stand for texts and numbers in their order."""
    return hashlib.blake2b(repr(content).encode(), digest_size=16).digest()


def _accepted(account: GuarantorAccount, payment: Payment) -> Event:
    accepted = PaymentAccepted(
        payment_id=payment.payment_id,
        account_number=account.number,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        allocation=payment.allocation,
    )
    return Event(accepted, "done", account.number)


def _work(account: GuarantorAccount, payment: Payment, summary: str) -> Event:
    work = WorkRaised(
        work_id=_digest(summary, account.number, payment.payment_id).hex(),
        pool="billing",
        summary=summary,
        about=About(account_number=account.number, payment_id=payment.payment_id),
    )
    return Event(work, key=account.number)
