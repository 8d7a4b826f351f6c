"""What payments has done outside: charges, refunds, and queries about them. The rules hear what came of each."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from services.payments.adapters.processor import Processor
from services.payments.domain.charging import ChargeAnswer, ChargeAnswered, ChargeMethod, FetchCharge, QueryCharge
from services.payments.domain.refund import MakeRefund, QueryRefund, RefundAnswer, RefundAnswered
from shared.events.envelope import Data
from shared.messaging.handlers import Performer

_UNDER_WAY_MAX: Final = 500
_TOLD_WAITS: Final = tuple(timedelta(seconds=s) for s in (1, 5, 30, 120, 600, 3600, *[6 * 3600] * 12))
"""What the processor told is asked about for days: nothing else would ask."""


def performers(
    processor: Processor, now: Callable[[], datetime], timeout: timedelta
) -> Mapping[type[Data], Performer]:
    """Return how each task is done.

    Args:
        processor: whom to ask.
        now: the business's clock.
        timeout: of a call, longer than the processor's own.
    """

    async def charge(task: ChargeMethod, _: str) -> ChargeAnswered:
        # What was held up for a day must not be sent: the processor would not know its key again.
        sent = now() < task.send_before
        return _answered(task, await processor.charge(task) if sent else ChargeAnswer(result="unknown"))

    async def query(task: QueryCharge | FetchCharge, _: str) -> ChargeAnswered:
        return _answered(task, await processor.charge_of_key(task.key))

    async def refund(task: MakeRefund, _: str) -> RefundAnswered:
        sent = now() < task.send_before
        return _refunded(task, await processor.refund(task) if sent else RefundAnswer(result="unknown"))

    async def query_refund(task: QueryRefund, _: str) -> RefundAnswered:
        return _refunded(task, await processor.refund_of_key(task.key))

    return {
        ChargeMethod: Performer(charge, _gave_up, timeout, at_once_max=_UNDER_WAY_MAX),
        QueryCharge: Performer(query, _gave_up, timeout, at_once_max=_UNDER_WAY_MAX),
        FetchCharge: Performer(query, _gave_up, timeout, _TOLD_WAITS, _UNDER_WAY_MAX),
        MakeRefund: Performer(refund, _refund_given_up, timeout, at_once_max=_UNDER_WAY_MAX),
        QueryRefund: Performer(query_refund, _refund_given_up, timeout, _TOLD_WAITS, _UNDER_WAY_MAX),
    }


def _gave_up(task: ChargeMethod | QueryCharge | FetchCharge, _: str) -> ChargeAnswered:
    """An attempt before this one may have been received, so nobody can know."""
    return _answered(task, ChargeAnswer(result="unknown"))


def _refund_given_up(task: MakeRefund | QueryRefund, _: str) -> RefundAnswered:
    return _refunded(task, RefundAnswer(result="unknown"))


def _answered(task: ChargeMethod | QueryCharge | FetchCharge, answer: ChargeAnswer) -> ChargeAnswered:
    match task:
        case ChargeMethod():
            query: int | None = 0
        case QueryCharge():
            query = task.query
        case FetchCharge():
            query = None
    return ChargeAnswered(
        payment_id=task.payment_id,
        account_number=task.account_number,
        query=query,
        **dict(answer),
    )


def _refunded(task: MakeRefund | QueryRefund, answer: RefundAnswer) -> RefundAnswered:
    return RefundAnswered(
        refund_id=task.refund_id,
        account_number=task.account_number,
        query=task.query if isinstance(task, QueryRefund) else 0,
        **dict(answer),
    )
