"""The rules of payments: `decide` says what follows from each message for one guarantor account, or settlement.

`state_key` says which one a message is about, and `named_by` what of it has to be read before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, assert_never

from services.payments.domain import collecting, method, plan, refund, settlement
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.billing import hear
from services.payments.domain.charging import ChargeAnswered
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.paperless import hear_paperless
from services.payments.domain.payer import method_digest
from services.payments.domain.payment import submit
from services.payments.domain.payment_end import hear_answer
from services.payments.domain.plan_history import note_plans
from services.payments.domain.proofs import GuestPass, Proofs, Review
from services.payments.domain.records import WorkKind
from services.payments.domain.refund import RefundAnswered
from services.payments.domain.rules import Rules
from services.payments.domain.settlement import KEY_MARK, CompareLines, ImportSettlement, Settlement
from services.payments.domain.settling_work import settle_work
from services.payments.domain.webhook import HearProcessor, hear_processor
from services.payments.domain.work import SettleWork, tell_settled, work_id
from shared.events.billing import (
    AdjustmentPosted,
    BillingFact,
    ChargePosted,
    GuarantorAccountOpened,
    StatementIssued,
    VisitAccountClosed,
    VisitAccountOpened,
)
from shared.events.envelope import Event, Fact, Message
from shared.events.notifications import PaperlessEnded, PaperlessEnrolled
from shared.events.payments import (
    ApproveRefund,
    DeclineRefund,
    PaymentsCommand,
    RemoveMethod,
    RequestRefund,
    SaveMethod,
    SubmitPayment,
)
from shared.events.plans import CancelPlan, ChangePlan, PausePlan, ResumePlan, StartPlan
from shared.messaging.decision import Decision

State = GuarantorAccount | Settlement

Heard = (
    BillingFact
    | PaymentsCommand
    | ChargeAnswered
    | RefundAnswered
    | InstalmentTimer
    | GraceTimer
    | CompareLines
    | HearProcessor
    | SettleWork
    | PaperlessEnrolled
    | PaperlessEnded
)
"""All that is decided about an account; each names it."""


def state_key(message: Message[Any], proofs: Proofs) -> str:
    """Return the key of the state that a message is about: an account's number, or a settlement's id, marked.

    Its subject may be another, as a guest's is, who may have typed the number of a visit: the account is in
    the guest's token.
    """
    data = message.data
    if isinstance(data, ImportSettlement):
        return KEY_MARK + data.settlement_id
    number: str = data.account_number
    if isinstance(data, SubmitPayment) and data.guest_token and message.actor == "guest":
        guest = proofs.read(GuestPass, data.guest_token)
        return guest.account_number if guest else number
    return number


def decide(state: State | None, message: Message[Any], now: datetime, rules: Rules) -> Decision[State]:
    """Return what follows from a message; `now` is the business's time."""
    if isinstance(state, Settlement):
        if isinstance(message.data, SettleWork):
            return settlement.settle(state, message, now)
        return settlement.import_settlement(state, message, now)
    account = state or GuarantorAccount(message.data.account_number)
    decided = tell_settled(account, _decide(account, message, now, rules))
    return note_plans(account, decided, message.actor, now)


def _decide(  # noqa: C901, PLR0911, PLR0912  # a line for each message is what makes it easy to read
    account: GuarantorAccount, message: Message[Any], now: datetime, rules: Rules
) -> Decision[GuarantorAccount]:
    heard: Heard = message.data
    match heard:
        case SubmitPayment():
            return submit(account, message, now, rules)
        case ChargeAnswered():
            return hear_answer(account, heard, now)
        case (
            GuarantorAccountOpened()
            | VisitAccountOpened()
            | ChargePosted()
            | AdjustmentPosted()
            | VisitAccountClosed()
            | StatementIssued()
        ):
            return hear(account, heard, message.time)
        case StartPlan() | ChangePlan() | PausePlan() | ResumePlan() | CancelPlan():
            return plan.arrange(account, message, now, rules)
        case InstalmentTimer():
            return collecting.fall_due(account, message, now)
        case GraceTimer():
            return collecting.out_of_grace(account, heard, now)
        case SaveMethod():
            return method.save(account, heard, message.actor, now)
        case RemoveMethod():
            return method.remove(account, heard, message.actor)
        case RequestRefund():
            return refund.request(account, message, now, rules)
        case ApproveRefund() | DeclineRefund():
            return refund.decide_request(account, heard, message.actor, now)
        case RefundAnswered():
            return refund.hear_refund(account, heard, now)
        case CompareLines():
            return settlement.compare(account, heard, now)
        case HearProcessor():
            return hear_processor(account, heard)
        case SettleWork():
            return settle_work(account, message, now)
        case PaperlessEnrolled() | PaperlessEnded():
            return hear_paperless(account, heard)
        case _:
            assert_never(heard)


@dataclass(slots=True)
class Named:
    """The accounts to read with their visits and open payments, and what else of them.

    Attributes:
        accounts: their numbers.
        told_of: those that were told of: they have a row from now on, and plans of their visits are read.
        with_statements: those whose statements are read that nobody was told of yet, beside `statement_ids`.
        with_methods, with_refunds: those whose methods, and refunds, are read.
        with_plans: those whose open plans are read, beside `plan_ids`.
        payments: account and id of payments, which may have ended, or be another account's.
        review_ids: of payments that were submitted with these reviews.
        guests, guest_methods, guest_accounts, guest_addresses: of the charges that guests tried.
        postings: account, kind and cause of those that may be in the ledger.
        work_ids, event_ids: of work, and of events of the processor that were taken up.
        settlements: the messages that are about settlements.
    """

    accounts: set[str] = field(default_factory=set)
    told_of: set[str] = field(default_factory=set)
    with_statements: set[str] = field(default_factory=set)
    statement_ids: list[str] = field(default_factory=list)
    with_methods: set[str] = field(default_factory=set)
    with_plans: set[str] = field(default_factory=set)
    plan_ids: list[str] = field(default_factory=list)
    with_refunds: set[str] = field(default_factory=set)
    payments: list[tuple[str, str]] = field(default_factory=list)
    review_ids: list[str] = field(default_factory=list)
    guests: set[str] = field(default_factory=set)
    guest_methods: set[bytes] = field(default_factory=set)
    guest_accounts: set[str] = field(default_factory=set)
    guest_addresses: set[str] = field(default_factory=set)
    postings: list[tuple[str, str, str]] = field(default_factory=list)
    work_ids: list[str] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    settlements: list[Message[Any]] = field(default_factory=list)


def named_by(messages: Sequence[Message[Any]], proofs: Proofs) -> Named:
    """Return all that messages name."""
    named = Named()
    for message in messages:
        key = state_key(message, proofs)
        if key.startswith(KEY_MARK):
            named.settlements.append(message)
        else:
            _name(named, key, message.data, proofs)
    return named


def _name(  # noqa: C901, PLR0912  # a case for each message
    named: Named, number: str, heard: Heard, proofs: Proofs
) -> None:
    """Note what a message about an account names."""
    named.accounts.add(number)
    if isinstance(heard, Fact | Event):
        named.told_of.add(number)
    match heard:
        case SubmitPayment():
            _name_payment(named, number, heard, proofs)
        case ChargeAnswered():
            named.payments.append((number, heard.payment_id))
            if heard.stands != "taken":
                # What came back may be what pays a plan by itself, and a part of it may be refunded.
                named.with_plans.add(number)
                named.with_refunds.add(number)
            if heard.query is None or heard.stands == "disputed":
                # Staff may have settled the work that this ends.
                named.work_ids += _work_of(number, heard.payment_id, "payment-unknown", "dispute")
        case ChargePosted():
            named.postings.append((number, "charge", heard.charge_id))
        case AdjustmentPosted():
            named.postings.append((number, "adjustment", heard.adjustment_id))
        case StatementIssued():
            named.with_statements.add(number)
            named.statement_ids.append(heard.statement_id)
        case GuarantorAccountOpened():
            named.with_statements.add(number)
            # Work about its currency may be over by this.
            named.work_ids.append(work_id("account-currency", number, ""))
        case VisitAccountOpened() | VisitAccountClosed() | PaperlessEnrolled() | PaperlessEnded():
            pass
        case StartPlan() | ChangePlan():
            named.with_methods.add(number)
            name_plan(named, number, heard.plan_id)
        case PausePlan() | ResumePlan() | CancelPlan() | InstalmentTimer() | GraceTimer():
            name_plan(named, number, heard.plan_id)
        case SaveMethod() | RemoveMethod():
            named.with_methods.add(number)
            named.with_plans.add(number)
        case RequestRefund():
            named.with_refunds.add(number)
            named.payments.append((number, heard.payment_id))
        case ApproveRefund() | DeclineRefund() | RefundAnswered():
            named.with_refunds.add(number)
        case HearProcessor():
            named.event_ids.append(heard.event_id)
            named.payments.append((number, heard.payment_id))
            if heard.about == "refund":
                named.with_refunds.add(number)
        case CompareLines():
            _name_lines(named, number, heard)
        case SettleWork():
            named.work_ids.append(heard.work_id)
        case _:
            assert_never(heard)


def _name_payment(named: Named, number: str, asked: SubmitPayment, proofs: Proofs) -> None:
    """Note what a payment that is submitted names."""
    named.payments.append((number, asked.payment_id))
    if asked.method_id or asked.save_method:
        named.with_methods.add(number)
    if asked.plan_id:
        name_plan(named, number, asked.plan_id)
    if asked.review_token and (review := proofs.read(Review, asked.review_token)):
        named.review_ids.append(review.review_id)
    if asked.method and asked.guest_token and (guest := proofs.read(GuestPass, asked.guest_token)):
        named.guests.add(guest.subject)
        named.guest_methods.add(method_digest(asked.method.token))
        named.guest_accounts.add(number)
        if guest.address:
            named.guest_addresses.add(guest.address)


def _name_lines(named: Named, number: str, compared: CompareLines) -> None:
    """Note the payments of a settlement's lines, and the work that they may end."""
    payment_ids = [payment_id for _, payment_id, _ in compared.lines]
    named.payments += [(number, payment_id) for payment_id in (*payment_ids, *compared.missing)]
    for payment_id in payment_ids:
        named.work_ids += _work_of(
            number, payment_id, "payment-unknown", "settlement-missing", "settlement-amount"
        )


def _work_of(number: str, payment_id: str, *kinds: WorkKind) -> list[str]:
    """Return the ids of work about a payment."""
    return [work_id(kind, number, payment_id) for kind in kinds]


def name_plan(named: Named, number: str, plan_id: str) -> None:
    """Note a plan, which is read even when it is over."""
    named.with_plans.add(number)
    named.plan_ids.append(plan_id)
