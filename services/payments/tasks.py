"""What payments has done outside: charges, and queries about them. The rules hear what came of each."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from services.payments.adapters.processor import Answer, Processor
from services.payments.domain.charging import ChargeAnswered, ChargeMethod, QueryCharge, time_to_send
from shared.events.envelope import Data
from shared.messaging.handlers import Performer

_UNDER_WAY_MAX: Final = 500


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
        # A task that was held up for a day must not be sent: the processor would not know its key again.
        sent = time_to_send(task, now())
        return _answered(task, await processor.charge(task) if sent else Answer("unknown"))

    async def query(task: QueryCharge, _: str) -> ChargeAnswered:
        return _answered(task, await processor.charge_of_key(task.key))

    return {
        ChargeMethod: Performer(charge, _gave_up, timeout, at_once_max=_UNDER_WAY_MAX),
        QueryCharge: Performer(query, _gave_up, timeout, at_once_max=_UNDER_WAY_MAX),
    }


def _gave_up(task: ChargeMethod | QueryCharge, _: str) -> ChargeAnswered:
    """An attempt before this one may have been received, so nobody can know."""
    return _answered(task, Answer("unknown"))


def _answered(task: ChargeMethod | QueryCharge, answer: Answer) -> ChargeAnswered:
    return ChargeAnswered(
        payment_id=task.payment_id,
        account_number=task.account_number,
        query=task.query if isinstance(task, QueryCharge) else 0,
        result=answer.result,
        charge_id=answer.charge_id,
        reason=answer.reason,
    )
