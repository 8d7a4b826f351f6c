"""A payment from its charge to its end, which only the processor's word or a person can bring about.

Nothing is failed or succeeded by silence: while the processor's answer is missing, a payment is `unknown`, its
amount stays reserved, and the processor is asked again and again; in the end a person of the billing pool is.
"""

from datetime import datetime
from typing import Final, assert_never

from services.payments.domain import autopay, instalments, ledger, method
from services.payments.domain.account import GuarantorAccount, booked, tell_balance
from services.payments.domain.charging import (
    KEY_LIFETIME,
    QUERY_WAITS,
    ChargeAnswered,
    QueryCharge,
)
from services.payments.domain.payment import payment_told
from services.payments.domain.records import Payment, WorkKind
from services.payments.domain.refund import kept
from services.payments.domain.work import about_payment, settle_itself
from shared.events.payments import (
    PaymentDisputed,
    PaymentFailed,
    PaymentReturned,
    PaymentSucceeded,
    PaymentUnknown,
)
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

_KNOWN_CODES: Final = instalments.REVOKING | {"R01", "R06", "R08", "R09", "R16", "R20"}
"""The banks' return codes that the rules know what to do about."""


def hear_answer(account: GuarantorAccount, answer: ChargeAnswered, now: datetime) -> Decision[GuarantorAccount]:
    """Bring a payment as far as the processor's answer does; one that comes twice or late does nothing."""
    payment = account.payments[answer.payment_id]
    match answer.result:
        case "succeeded":
            succeeded = succeed(account, payment, answer.charge_id, now)
            return _turned(succeeded, answer, now) if answer.stands != "taken" else succeeded
        case "declined":
            return fail(account, payment, answer.reason or "declined", now)
        case "not_received" if now - payment.created_at >= KEY_LIFETIME:
            return fail(account, payment, "not_received", now)
        case "not_received" | "unknown" if answer.query is None:
            return _unclear(account, payment, now)
        case "not_received" | "unknown":
            return _ask_again(account, payment, answer.query, now)
        case _:
            assert_never(answer.result)


def succeed(
    account: GuarantorAccount, payment: Payment, charge_id: str | None, now: datetime
) -> Decision[GuarantorAccount]:
    """End a payment whose money was taken; of one that had ended, what is new is its charge."""
    if payment.is_open:
        return post(account, payment, charge_id, now)
    if payment.charge_id is None and charge_id is not None:
        # Nothing is refunded without it, and staff look for it.
        payment = replace(payment, charge_id=charge_id)
        account = account.with_payment(payment)
    if payment.status == "failed":
        after, work = about_payment(account, "payment-taken", payment, now)
        return Decision(after, (work,))
    return Decision(account)


def post(
    account: GuarantorAccount, payment: Payment, charge_id: str | None, now: datetime
) -> Decision[GuarantorAccount]:
    """Post the money of a payment, whatever was thought of it before."""
    posted = replace(payment, status="succeeded", reason=None, charge_id=charge_id, updated_at=now)
    posting = ledger.payment(posted.payment_id, posted.allocation, now)
    after, balance = tell_balance(account, booked(account, posted, posting, posted.allocation, 1))
    told = PaymentSucceeded(**payment_told(account, posted), allocation=posted.allocation, method=posted.method)
    after, saved = method.keep_now(_known(after, payment, now), posted.payment_id)
    decided = Decision(after, (Event(told, key=account.number), *balance, *saved))
    return decided.then(instalments.paid(after, posted, now))


def fail(account: GuarantorAccount, payment: Payment, reason: str, now: datetime) -> Decision[GuarantorAccount]:
    """End a payment of which no money was taken."""
    if not payment.is_open:
        return Decision(account)
    ended = replace(payment, status="failed", reason=reason, updated_at=now)
    after = method.drop(_known(account.with_payment(ended), payment, now), payment.payment_id)
    told = PaymentFailed(**payment_told(account, ended), reason=reason)
    decided = Decision(after, (Event(told, key=account.number),))
    if reason in instalments.REVOKING and ended.instalment is not None:
        after, changed = autopay.stop_for(after, ended)
        decided = decided.then(Decision(after, changed))
    return decided.then(instalments.failed(after, ended, reason, now))


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
        events = (Event(PaymentUnknown(**payment_told(account, asked)), key=account.number),)
    after = account.with_payment(asked)
    if query == len(QUERY_WAITS):
        after, work = about_payment(after, "payment-unknown", payment, now)
        return Decision(after, (*events, work))
    again = QueryCharge(
        payment_id=payment.payment_id,
        account_number=account.number,
        key=payment.processor_key,
        query=asked.queries,
    )
    return Decision(after, events, (Task(again, now + QUERY_WAITS[query]),))


def _turned(
    succeeded: Decision[GuarantorAccount], answer: ChargeAnswered, now: datetime
) -> Decision[GuarantorAccount]:
    """Go on from a success to what became of it since."""
    account = succeeded.state
    payment = account.payments[answer.payment_id]
    turn = _returned if answer.stands == "returned" else _disputed
    return succeeded.then(turn(account, payment, answer, now))


def _returned(
    account: GuarantorAccount, payment: Payment, answer: ChargeAnswered, now: datetime
) -> Decision[GuarantorAccount]:
    """Owe again what the bank sent back: its visits, and the instalment that it had paid."""
    if payment.status != "succeeded":
        return Decision(account)
    code = answer.reason or "unknown"
    back = replace(payment, status="returned", reason=code, updated_at=now)
    posting = ledger.given_back("return", back.payment_id, back.allocation, now)
    after, balance = tell_balance(account, booked(account, back, posting, back.allocation, -1))
    told = PaymentReturned(**payment_told(account, back), reason=code, allocation=back.allocation)
    decided = Decision(after, (Event(told, key=account.number), *balance))
    if code in instalments.REVOKING:
        after, removed = method.forget(after, back)
        after, changed = autopay.stop_for(after, back)
        decided = decided.then(Decision(after, (*removed, *changed)))
    decided = decided.then(instalments.returned(after, back, back.allocation, code, now))
    if code not in _KNOWN_CODES:
        after, work = about_payment(decided.state, "return-unknown-code", back, now)
        decided = decided.then(Decision(after, (work,)))
    return decided


def _disputed(
    account: GuarantorAccount, payment: Payment, answer: ChargeAnswered, now: datetime
) -> Decision[GuarantorAccount]:
    """Tell how a dispute stands; one that is lost is owed again, and one that is over needs nobody.

    What its holder objects to pays no plan by itself any more; the instalment is reopened with a dispute lost.
    """
    status = answer.dispute_status or "needs_response"
    if payment.status != "succeeded" or payment.dispute_status == status:
        return Decision(account)
    # What is told out of order does not begin anew what is over.
    if payment.dispute_status in ("won", "lost"):
        return Decision(account)
    disputed = replace(payment, dispute_status=status, updated_at=now)
    told = PaymentDisputed(**payment_told(account, disputed), reason=answer.reason, dispute_status=status)
    decided = Decision(account.with_payment(disputed), (Event(told, key=account.number),))
    if status == "lost" or (payment.dispute_status is None and status != "won"):
        after, changed = autopay.stop_for(decided.state, disputed)
        decided = decided.then(Decision(after, changed))
    if status == "lost":
        decided = decided.then(_lost(decided.state, disputed, now))
    if status in ("won", "lost"):
        return decided._replace(state=_over(decided.state, payment, now))
    if payment.dispute_status is None:
        after, work = about_payment(decided.state, "dispute", replace(disputed, reason=answer.reason), now)
        decided = decided.then(Decision(after, (work,)))
    return decided


def _lost(account: GuarantorAccount, payment: Payment, now: datetime) -> Decision[GuarantorAccount]:
    """Owe again what a card holder got back by a dispute; what was refunded is owed again already."""
    after, back = account, kept(account, payment)
    balance: tuple[Event, ...] = ()
    if back:
        posting = ledger.given_back("dispute", payment.payment_id, back, now)
        after, balance = tell_balance(account, booked(account, payment, posting, back, -1))
    decided = Decision(after, balance)
    return decided.then(instalments.returned(after, payment, back, instalments.DISPUTE_LOST, now))


def _unclear(account: GuarantorAccount, payment: Payment, now: datetime) -> Decision[GuarantorAccount]:
    """Ask a person: the processor told of a change, or staff had it asked, and then it could not say."""
    is_asked_no_more = payment.is_open and payment.queries > len(QUERY_WAITS)
    kind: WorkKind = "payment-unknown" if is_asked_no_more else "payment-unclear"
    after, work = about_payment(account, kind, payment, now)
    return Decision(after, (work,))


def _known(account: GuarantorAccount, before: Payment, now: datetime) -> GuarantorAccount:
    """End the work about a payment that is not unknown any more; one that had ended has none."""
    if not before.is_open or before.queries <= len(QUERY_WAITS):
        return account
    return settle_itself(account, "payment-unknown", before.payment_id, now)


def _over(account: GuarantorAccount, before: Payment, now: datetime) -> GuarantorAccount:
    """End the work about a dispute; one that was over when it was first heard of is no work."""
    return account if before.dispute_status is None else settle_itself(account, "dispute", before.payment_id, now)
