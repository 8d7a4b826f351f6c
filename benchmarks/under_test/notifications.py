"""Notifications' own handlers, with a mail server that takes a mail at once: what is measured is ours alone."""

from dataclasses import replace

from benchmarks.under_test.running import main, on_the_kit
from services.notifications.domain.internal import AlertAnswered, SendAlert
from services.notifications.domain.rules import Rules
from services.notifications.handlers import handlers
from services.notifications.wording import current_hashes
from shared.clock import Clock
from shared.events.envelope import Data
from shared.messaging.handlers import Performer


async def _send(task: SendAlert, _key: str) -> Data:
    return AlertAnswered(
        alert_id=task.alert_id, account_number=task.account_number, attempt=task.attempt, result="sent"
    )


def _gave_up(_task: SendAlert, reason: str) -> Data:
    raise AssertionError(reason)


if __name__ == "__main__":
    rules = Rules(b"a secret of the benchmark", current_hashes())
    main(on_the_kit(replace(handlers(rules, Clock().now), performers={SendAlert: Performer(_send, _gave_up)})))
