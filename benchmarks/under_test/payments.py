"""Payments' own handlers, with a processor that says yes at once: what is measured is ours alone."""

from dataclasses import replace

from benchmarks.under_test.running import main, on_the_kit
from services.payments.domain.charging import ChargeAnswered, ChargeMethod
from services.payments.domain.proofs import Proofs
from services.payments.domain.rules import Rules
from services.payments.handlers import payments
from shared.events.envelope import Data
from shared.messaging.handlers import Performer


async def _charge(task: ChargeMethod, _key: str) -> Data:
    return ChargeAnswered(
        payment_id=task.payment_id,
        account_number=task.account_number,
        query=0,
        result="succeeded",
        charge_id=f"charge-{task.payment_id}",
    )


def _gave_up(_task: ChargeMethod, reason: str) -> Data:
    raise AssertionError(reason)


if __name__ == "__main__":
    performers: dict[type[Data], Performer] = {ChargeMethod: Performer(_charge, _gave_up)}
    main(on_the_kit(replace(payments(Rules(Proofs("a secret of the benchmark"))), performers=performers)))
