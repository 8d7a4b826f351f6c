"""A payment's beginning: what may be submitted, and the charge that follows from it."""

from datetime import datetime
from typing import NamedTuple, TypedDict

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.allocation import allocate
from services.payments.domain.charging import SEND_WITHIN, ChargeMethod
from services.payments.domain.method import keep_later
from services.payments.domain.payer import (
    failed_too_often,
    guest_of,
    guests_allocation,
    may_ask,
    method_digest,
    person_of,
)
from services.payments.domain.proofs import GuestPass, Proofs, Review, asked, expired, spread
from services.payments.domain.records import GuestTry, Payment
from services.payments.domain.refusal import refuse
from services.payments.domain.rules import Rules
from shared.digests import digest
from shared.events.envelope import Message, Outcome
from shared.events.payments import (
    Allocation,
    MethodShown,
    PaymentAccepted,
    RefusalReason,
    SubmitPayment,
)
from shared.events.vocabulary import Method
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

PLAN_ITSELF = "service:payments"
"""Who submits what a plan pays by itself."""


def submit(
    account: GuarantorAccount, message: Message[SubmitPayment], now: datetime, rules: Rules
) -> Decision[GuarantorAccount]:
    """Take a payment on and have it charged, or refuse it; one that was taken on before is told again."""
    command, actor = message.data, message.actor
    guest = guest_of(command, message.subject, rules.proofs) if actor == "guest" else None
    if account.opened is None or (guest is None and not may_ask(account, actor)):
        return refuse(account, command, "not_found")
    fingerprint = _fingerprint(command, account.number)
    known = account.payments.get(command.payment_id)
    if known is not None and known.fingerprint == fingerprint:
        return Decision(account, (accepted(account, known, "done"),))
    names_method = command.save_method and command.payment_id in account.methods
    if known is not None or names_method or command.payment_id in account.payment_ids_elsewhere:
        return refuse(account, command, "idempotency_conflict")
    person = person_of(account, actor)
    terms = _terms(account, command, guest, person, now, rules)
    if isinstance(terms, str):
        return refuse(account, command, terms)
    payment = begin(
        account,
        command.payment_id,
        terms.allocation,
        terms.method,
        fingerprint=fingerprint,
        actor=actor,
        now=now,
        plan_id=command.plan_id,
        review_id=terms.review_id,
        guest=guest,
        correlationid=message.correlation,
    )
    after = account.with_payment(payment)
    if guest:
        method = method_digest(terms.method.token)
        tried = GuestTry(
            guest.subject, method, now, failed=False, account_number=account.number, address=guest.address
        )
        after = replace(after, guest_tries=(*after.guest_tries, tried))
    if command.save_method and command.method and person:
        after = keep_later(after, command.payment_id, command.method, person, now)
    told = accepted(account, payment, "done")
    return Decision(after, (told,), (charge(account, payment, terms.method.token, now),))


class _Terms(NamedTuple):
    """What a payment that may be made is made with."""

    method: Method
    allocation: Allocation
    review_id: str | None


def _terms(
    account: GuarantorAccount,
    command: SubmitPayment,
    guest: GuestPass | None,
    person: str | None,
    now: datetime,
    rules: Rules,
) -> _Terms | RefusalReason:
    """Return what a payment is made with, or why it cannot be."""
    method = command.method or saved_method(account, command.method_id, person)
    if method is None:
        return "not_found" if command.method_id else "method_missing"
    if guest and failed_too_often(account, guest, method.token, now, rules):
        return "too_many_attempts"
    chosen: Allocation | RefusalReason | None = command.allocation
    if guest:
        chosen = guests_allocation(account, guest, command.amount_minor, command.allocation, command.plan_id, now)
    review = _review(account, command, now, rules.proofs) if command.review_token else None
    for fault in (chosen, review):
        if isinstance(fault, str):
            return fault
    assert not isinstance(chosen, str) and not isinstance(review, str)  # noqa: S101, PT018  # told above
    allocation = spread_payment(account, command.amount_minor, command.currency, chosen, command.plan_id)
    if isinstance(allocation, str):
        return allocation
    if review is not None and review.spread != spread(allocation, command.plan_id):
        return "review_stale"
    return _Terms(method, allocation, review.review_id if review else None)


def spread_payment(
    account: GuarantorAccount,
    amount_minor: int,
    currency: str,
    chosen: Allocation | None,
    plan_id: str | None,
) -> Allocation | RefusalReason:
    """Return how an amount is spread, or why it cannot be paid."""
    if account.opened is None:
        return "not_found"
    if currency != account.opened.currency:
        return "currency_mismatch"
    if amount_minor <= 0:
        return "amount_not_positive"
    if any(share.visit_account_number not in account.visits for share in chosen or ()):
        return "not_found"
    fault = _plan_fault(account, plan_id, amount_minor) if plan_id is not None else None
    return fault or allocate(account, amount_minor, chosen, plan_id)


def _plan_fault(account: GuarantorAccount, plan_id: str, amount_minor: int) -> RefusalReason | None:
    """Return why so much cannot be paid of a plan."""
    plan = account.plans.get(plan_id)
    if plan is None:
        return "not_found"
    if not plan.is_open:
        return "plan_ended"
    return "amount_exceeds_balance" if amount_minor > plan.left_minor else None


def begin(
    account: GuarantorAccount,
    payment_id: str,
    allocation: Allocation,
    method: Method,
    *,
    fingerprint: bytes,
    actor: str,
    now: datetime,
    plan_id: str | None = None,
    instalment: int | None = None,
    review_id: str | None = None,
    guest: GuestPass | None = None,
    correlationid: str | None = None,
) -> Payment:
    """Return a payment that is about to be charged; its key at the processor is its own."""
    assert account.opened is not None  # noqa: S101  # nobody pays an account that was never opened
    return Payment(
        payment_id=payment_id,
        amount_minor=sum(share.amount_minor for share in allocation),
        currency=account.opened.currency,
        method=MethodShown(kind=method.kind, last4=method.last4, brand=method.brand),
        allocation=allocation,
        fingerprint=fingerprint,
        processor_key=digest("charge", account.number, payment_id).hex(),
        submitted_by=actor,
        created_at=now,
        updated_at=now,
        plan_id=plan_id,
        instalment=instalment,
        review_id=review_id,
        guest=guest.subject if guest else None,
        guest_method=method_digest(method.token) if guest else None,
        guest_address=guest.address if guest else None,
        correlationid=correlationid,
    )


def charge(account: GuarantorAccount, payment: Payment, token: str, now: datetime) -> Task:
    """Return the task that charges a payment, once."""
    return Task(
        ChargeMethod(
            payment_id=payment.payment_id,
            account_number=account.number,
            amount_minor=payment.amount_minor,
            currency=payment.currency,
            kind=payment.method.kind,
            token=token,
            key=payment.processor_key,
            send_before=now + SEND_WITHIN,
        ),
        name=payment.payment_id,
    )


def accepted(account: GuarantorAccount, payment: Payment, outcome: Outcome | None = None) -> Event:
    """Return the event that tells of a payment that was taken on."""
    told = PaymentAccepted(**payment_told(account, payment), allocation=payment.allocation)
    return Event(told, outcome, account.number)


class PaymentTold(TypedDict):
    """What every event about a payment says."""

    payment_id: str
    account_number: str
    amount_minor: int
    currency: str
    plan_id: str | None


def payment_told(account: GuarantorAccount, payment: Payment) -> PaymentTold:
    """Return what every event about a payment says of this one."""
    return {
        "payment_id": payment.payment_id,
        "account_number": account.number,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "plan_id": payment.plan_id,
    }


def saved_method(account: GuarantorAccount, method_id: str | None, person: str | None) -> Method | None:
    """Return a method that a person has saved, with its token."""
    saved = account.methods.get(method_id) if method_id else None
    if saved is None or not saved.is_kept or saved.token is None or saved.person_id != person:
        return None
    return Method(kind=saved.kind, token=saved.token, last4=saved.last4, brand=saved.brand)


def _review(
    account: GuarantorAccount, command: SubmitPayment, now: datetime, proofs: Proofs
) -> Review | RefusalReason:
    """Return the review that a payment refers to, or why it is none any more."""
    review = proofs.read(Review, command.review_token)
    if review is None:
        return "review_stale"
    used = any(payment.review_id == review.review_id for payment in account.payments.values())
    if used or expired(review, now):
        return "review_expired"
    same = review.asked == asked(command.amount_minor, command.currency, command.method, command.method_id)
    return (
        review
        if same and (review.account_number, review.version) == (account.number, account.version)
        else "review_stale"
    )


def _fingerprint(command: SubmitPayment, number: str) -> bytes:
    """Return what tells one content from another; what only proves that paying is allowed is no part of it."""
    method = command.method
    shares = [(share.visit_account_number, share.amount_minor) for share in command.allocation or ()]
    return digest(
        number,
        command.amount_minor,
        command.currency,
        (method.kind, method.token, method.last4, method.brand) if method else command.method_id,
        shares,
        bool(command.save_method),
        command.plan_id,
    )
