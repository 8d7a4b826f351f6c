"""What insurance has done outside: a payer is asked, and its answer handed to the rules."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from services.insurance.adapters.clearinghouse import LIMIT_WAIT_S, Clearinghouse
from services.insurance.domain.asking import AskPayer, PayerAnswered
from services.insurance.sealing import Seal
from services.insurance.x12.inquiry import Provider, write
from services.insurance.x12.meaning import Meaning, understand
from shared.events.envelope import Data
from shared.messaging.handlers import Performer

_UNDER_WAY_MAX: Final = 5000
_MARGIN_S: Final = 5.0


def performers(
    clearinghouse: Clearinghouse, provider: Provider, seal: Seal, now: Callable[[], datetime], timeout_s: float
) -> Mapping[type[Data], Performer]:
    """Return how each kind of task is done.

    Args:
        clearinghouse: where payers are asked.
        provider: who asks.
        seal: encrypts what is kept of it.
        now: the business's clock.
        timeout_s: of a call.
    """

    async def ask(task: AskPayer, _: str) -> PayerAnswered:
        question = write(task.inquiry, task.verification_id, provider, now())
        reply = await clearinghouse.ask(task.inquiry.payer_id, question)
        if not reply.sent:
            return _answered(task, result="postponed")
        meaning = Meaning("unanswered", reply.failure)
        if reply.failure is None and reply.text is not None:
            meaning = understand(reply.text, task.inquiry, task.verification_id)
        return _answered(
            task,
            **meaning._asdict(),
            request=seal.close(question),
            answer=seal.close(reply.text) if reply.text is not None else None,
        )

    timeout = timedelta(seconds=LIMIT_WAIT_S + timeout_s + _MARGIN_S)
    # When to ask again is the rules' to say, by the day that they have.
    return {AskPayer: Performer(ask, _gave_up, timeout, waits=(), at_once_max=_UNDER_WAY_MAX)}


def _gave_up(task: AskPayer, _: str) -> PayerAnswered:
    return _answered(task, result="unanswered", reason="timeout")


def _answered(task: AskPayer, **said: Any) -> PayerAnswered:
    asked: dict[str, Any] = task.model_dump(include={"patient_id", "coverage_id", "verification_id", "attempt"})
    return PayerAnswered(**asked, **said)
