"""What the messages of a batch name, and so has to be read before they are decided about."""

from dataclasses import dataclass, field
from typing import Any

from services.payments.domain.charging import ChargeAnswered
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.payer import method_digest
from services.payments.domain.proofs import GuestPass, Proofs, Review
from services.payments.domain.records import WorkKind
from services.payments.domain.refund import RefundAnswered
from services.payments.domain.settlement import CompareLines
from services.payments.domain.webhook import HearProcessor
from services.payments.domain.work import SettleWork, work_id
from shared.events.billing import AdjustmentPosted, ChargePosted, GuarantorAccountOpened, StatementIssued
from shared.events.envelope import Event, Fact
from shared.events.payments import (
    ApproveRefund,
    DeclineRefund,
    RemoveMethod,
    RequestRefund,
    SaveMethod,
    SubmitPayment,
)
from shared.events.plans import CancelPlan, ChangePlan, PausePlan, ResumePlan, StartPlan


@dataclass(slots=True)
class Named:
    """What the messages of a batch name, and so has to be there when they are decided about."""

    numbers: set[str] = field(default_factory=set)
    heard_of: set[str] = field(default_factory=set)
    payments: list[tuple[str, str]] = field(default_factory=list)
    review_ids: list[str] = field(default_factory=list)
    guests: list[str] = field(default_factory=list)
    guest_methods: list[bytes] = field(default_factory=list)
    postings: list[tuple[str, str, str]] = field(default_factory=list)
    readable: set[str] = field(default_factory=set)
    statement_ids: list[str] = field(default_factory=list)
    with_methods: set[str] = field(default_factory=set)
    with_plans: set[str] = field(default_factory=set)
    plan_ids: list[str] = field(default_factory=list)
    with_refunds: set[str] = field(default_factory=set)
    work_ids: list[str] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)


def name(named: Named, number: str, data: Any, proofs: Proofs) -> None:
    """Note what a message about an account names."""
    named.numbers.add(number)
    match data:
        case SubmitPayment():
            _name_payment(named, number, data, proofs)
        case ChargeAnswered():
            named.payments.append((number, data.payment_id))
            if data.stands != "taken":
                # What came back may be what pays a plan by itself, and a part of it may be refunded.
                named.with_plans.add(number)
                named.with_refunds.add(number)
        case ChargePosted():
            named.heard_of.add(number)
            named.postings.append((number, "charge", data.charge_id))
        case AdjustmentPosted():
            named.heard_of.add(number)
            named.postings.append((number, "adjustment", data.adjustment_id))
        case StatementIssued():
            named.heard_of.add(number)
            named.readable.add(number)
            named.statement_ids.append(data.statement_id)
        case GuarantorAccountOpened():
            named.heard_of.add(number)
            named.readable.add(number)
            # Work about its currency may be over by this.
            named.work_ids.append(work_id("account-currency", number, ""))
        case _:
            _name_arrangement(named, number, data)


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
        named.guests.append(guest.subject)
        named.guest_methods.append(method_digest(asked.method.token))


def _name_arrangement(named: Named, number: str, data: Any) -> None:  # noqa: C901  # a case for each message
    """Note what a message names that is about more than a payment or a fact of the host."""
    match data:
        case StartPlan() | ChangePlan():
            named.with_methods.add(number)
            name_plan(named, number, data.plan_id)
        case PausePlan() | ResumePlan() | CancelPlan() | InstalmentTimer() | GraceTimer():
            name_plan(named, number, data.plan_id)
        case SaveMethod() | RemoveMethod():
            named.with_methods.add(number)
            named.with_plans.add(number)
        case RequestRefund():
            named.with_refunds.add(number)
            named.payments.append((number, data.payment_id))
        case ApproveRefund() | DeclineRefund() | RefundAnswered():
            named.with_refunds.add(number)
        case HearProcessor():
            named.event_ids.append(data.event_id)
            named.payments.append((number, data.payment_id))
            if data.kind.startswith("refund."):
                named.with_refunds.add(number)
        case CompareLines():
            named.payments += [(number, payment_id) for _, payment_id, _ in data.lines]
            named.payments += [(number, payment_id) for payment_id in data.missing]
            kinds: tuple[WorkKind, ...] = ("settlement-missing", "settlement-amount")
            named.work_ids += [
                work_id(kind, number, payment_id) for _, payment_id, _ in data.lines for kind in kinds
            ]
        case SettleWork():
            named.work_ids.append(data.work_id)
        case Fact() | Event():
            named.heard_of.add(number)


def name_plan(named: Named, number: str, plan_id: str) -> None:
    """Note a plan, which is read even when it is over."""
    named.with_plans.add(number)
    named.plan_ids.append(plan_id)
