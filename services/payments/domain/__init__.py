"""The rules of payments: `decide` says what follows from each message for one guarantor account, or settlement."""

from datetime import datetime
from typing import Any, assert_never

from services.payments.domain import collecting, method, plan, refund, settlement, settling
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.answer import hear_answer
from services.payments.domain.billing import hear
from services.payments.domain.charging import ChargeAnswered
from services.payments.domain.instalment_timer import GraceTimer, InstalmentTimer
from services.payments.domain.paperless import hear_paperless
from services.payments.domain.payment import submit
from services.payments.domain.proofs import GuestPass, Proofs
from services.payments.domain.refund import RefundAnswered
from services.payments.domain.rules import Rules
from services.payments.domain.settlement import KEY_MARK, CompareLines, ImportSettlement, Settlement
from services.payments.domain.webhook import HearProcessor, hear_processor
from services.payments.domain.work import SettleWork, tell_settled
from shared.events.billing import (
    AdjustmentPosted,
    BillingFact,
    ChargePosted,
    GuarantorAccountOpened,
    StatementIssued,
    VisitAccountClosed,
    VisitAccountOpened,
)
from shared.events.envelope import Message
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
    return tell_settled(account, _decide(account, message, now, rules))


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
            return settling.settle_work(account, message, now)
        case PaperlessEnrolled() | PaperlessEnded():
            return hear_paperless(account, heard)
        case _:
            assert_never(heard)
