"""The rules of payments: `decide` says what follows from each message for one guarantor account."""

from datetime import datetime
from typing import Any, assert_never

from services.payments.domain.account import GuarantorAccount
from services.payments.domain.billing import hear
from services.payments.domain.charging import ChargeAnswered
from services.payments.domain.payment import hear_answer, submit
from services.payments.domain.refusal import refuse
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

Heard = BillingFact | PaymentsCommand | ChargeAnswered
"""All that `decide` is given; each names its account."""


def decide(account: GuarantorAccount | None, message: Message[Any], now: datetime) -> Decision[GuarantorAccount]:
    """Return what follows from a message; `now` is the business's time."""
    heard: Heard = message.data
    known = account or GuarantorAccount(heard.account_number)
    match heard:
        case SubmitPayment():
            return submit(known, heard, message.actor, now)
        case ChargeAnswered():
            return hear_answer(known, heard, now)
        case (
            GuarantorAccountOpened()
            | VisitAccountOpened()
            | ChargePosted()
            | AdjustmentPosted()
            | VisitAccountClosed()
            | StatementIssued()
        ):
            return hear(known, heard, message.time)
        case StartPlan() | ChangePlan() | PausePlan() | ResumePlan() | CancelPlan():
            return refuse(known, heard, "not_found")
        case SaveMethod() | RemoveMethod() | RequestRefund() | ApproveRefund() | DeclineRefund():
            return refuse(known, heard, "not_found")
        case _:
            assert_never(heard)
