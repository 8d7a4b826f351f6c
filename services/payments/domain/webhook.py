"""What the processor tells by webhooks: never believed, only a reason to ask it how things stand.

That an event was taken up, and the asking that follows, are written together: none is lost, none counts twice.
"""

from typing import ClassVar, Literal

from services.payments.domain import refund
from services.payments.domain.account import GuarantorAccount
from services.payments.domain.charging import FetchCharge
from services.payments.domain.refusal import refuse
from shared.events.envelope import Command, Id
from shared.events.payments import WebhookTaken
from shared.frozen import replace
from shared.messaging.decision import Decision, Event, Task

HeardOf = Literal["payment", "refund"]
"""What the processor tells of."""


class HearProcessor(Command):
    """The processor says that something became of a payment, or of a refund of it."""

    TYPE: ClassVar[str] = "payments.hear-processor.v1"
    event_id: Id
    account_number: Id
    payment_id: Id
    about: HeardOf


def hear_processor(account: GuarantorAccount, command: HearProcessor) -> Decision[GuarantorAccount]:
    """Ask the processor, once for each event."""
    payment = account.payments.get(command.payment_id)
    if payment is None:
        return refuse(account, command, "not_found")
    told = WebhookTaken(event_id=command.event_id, account_number=account.number, payment_id=payment.payment_id)
    taken = Event(told, "done", account.number)
    if command.event_id in account.webhooks:
        return Decision(account, (taken,))
    after = replace(
        account, webhooks=account.webhooks | {command.event_id}, taken=(*account.taken, command.event_id)
    )
    if command.about == "refund":
        made = [one for one in account.refunds.values() if one.payment_id == payment.payment_id and one.counts]
        asking = [
            Task(refund.query(account, one), name=one.refund_id, correlationid=one.correlationid)
            for one in made
            if one.status != "requested"
        ]
        return Decision(after, (taken,), tuple(asking))
    fetch = FetchCharge(payment_id=payment.payment_id, account_number=account.number, key=payment.processor_key)
    return Decision(after, (taken,), (Task(fetch, correlationid=payment.correlationid),))
