"""How staff settle the work of an account: each action does what it says, through the same rules as all else."""

from datetime import datetime

from services.payments.domain import payment_end, refund
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.charging import FetchCharge
from services.payments.domain.records import Settled, Work
from services.payments.domain.refusal import refuse
from services.payments.domain.work import SettleWork, fault, settle, tell_ended
from shared.events.envelope import Message
from shared.events.payments import RefusalReason
from shared.messaging.decision import Decision, Task


def settle_work(
    account: GuarantorAccount, message: Message[SettleWork], now: datetime
) -> Decision[GuarantorAccount]:
    """Do what an action says and end the work, or refuse it; a second person may be needed."""
    command, actor = message.data, message.actor
    work = account.work.get(command.work_id)
    reason = fault(work, command, actor)
    if work is None or reason:
        return refuse(account, command, reason or "not_found")
    if work.settled:
        return Decision(account, (tell_ended(work.settled, account.number, "done"),))
    # Before the effect, which would end the work by itself: who did it, and why, stays known.
    ended = Settled(work.work_id, actor, now, command.action, command.note)
    effect = _effect(settle(account, ended), work, command, actor, now)
    if isinstance(effect, str):
        return refuse(account, command, effect)
    about = account.refunds.get(work.about.refund_id or "") or account.payments.get(work.about.payment_id or "")
    chain = about.correlationid if about else None
    events = tuple(event._replace(correlationid=chain) for event in effect.events)
    tasks = tuple(task._replace(correlationid=chain) for task in effect.tasks)
    return Decision(effect.state, (*events, tell_ended(ended, account.number, "done")), tasks)


def _effect(  # noqa: PLR0911  # a case for each action
    account: GuarantorAccount, work: Work, command: SettleWork, actor: str, now: datetime
) -> Decision[GuarantorAccount] | RefusalReason:
    payment = account.payments.get(work.about.payment_id or "")
    refunding = account.refunds.get(work.about.refund_id or "")
    match command.action:
        case "taken" | "post" if payment and payment.status in ("processing", "unknown", "failed"):
            return payment_end.post(account, payment, payment.charge_id, now)
        case "not-taken" if payment:
            return payment_end.fail(account, payment, "not_taken", now)
        case "ask-again" if payment:
            fetch = FetchCharge(
                payment_id=payment.payment_id, account_number=account.number, key=payment.processor_key
            )
            return Decision(account, tasks=(Task(fetch),))
        case "approve" | "decline" if refunding:
            approves = command.action == "approve"
            return refund.agree(account, refunding, actor, now, approves=approves, note=command.note)
        case "made" if refunding and refunding.status == "unknown":
            return refund.refunded(account, refunding, now)
        case "not-made" if refunding and refunding.status == "unknown":
            return refund.not_refunded(account, refunding, "not_made", now)
        case _:
            return Decision(account)
