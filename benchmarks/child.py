"""A process under test, as a child of the benchmarks: `kit`, the `naive` way of a job, `bare`, or a service."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from cryptography.fernet import Fernet

from benchmarks import naive
from benchmarks.bare import ANSWERS, QUESTIONS
from benchmarks.intake import HANDLERS
from services.inbox.handlers import INBOX
from services.insurance.adapters.clearinghouse import Clearinghouse
from services.insurance.handlers import INSURANCE
from services.insurance.sealing import Seal
from services.insurance.tasks import performers
from services.insurance.x12.inquiry import Provider
from services.notifications.domain.messages import AlertAnswered, SendAlert
from services.notifications.domain.terms import Terms
from services.notifications.handlers import handlers as notifications
from services.notifications.wording import current_hashes
from services.payments.adapters.processor import Answer
from services.payments.domain.charging import ChargeAnswered, ChargeMethod
from services.payments.domain.proofs import Proofs
from services.payments.domain.rules import Rules
from services.payments.handlers import payments
from shared import logs
from shared.clock import Clock
from shared.database import connect
from shared.events.envelope import Data
from shared.messaging.handlers import Handlers, Performer
from shared.messaging.run import Messaging
from shared.process import spare_collections
from shared.settings import KafkaSettings

_PAYER_TIMEOUT_S: Final = 60.0
_PAYER_CALLS_PER_S: Final = 10_000.0
"""What a payer allows is its own to say: here it allows as much as comes."""


async def _run(handlers: Handlers[Any], kafka: str, database_url: str) -> None:
    """Run handlers on the kit until a signal."""
    pool = await connect(database_url)
    settings = KafkaSettings(bootstrap_servers=kafka)
    messaging = Messaging(handlers, settings, database_url, Clock(), pool)
    spare_collections()
    running = asyncio.create_task(messaging.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    await asyncio.wait([running])


def _payments() -> Handlers[Any]:
    """Return payments with a processor that says yes at once: what is measured is ours alone."""

    async def charge(task: ChargeMethod, _key: str) -> Data:
        answer = Answer("succeeded", f"charge-{task.payment_id}")
        return ChargeAnswered(
            payment_id=task.payment_id,
            account_number=task.account_number,
            query=0,
            result=answer.result,
            charge_id=answer.charge_id,
        )

    def gave_up(_task: ChargeMethod, reason: str) -> Data:
        raise AssertionError(reason)

    return replace(
        payments(Rules(Proofs("a secret of the benchmark"))), performers={ChargeMethod: Performer(charge, gave_up)}
    )


def _notifications() -> Handlers[Any]:
    """Return notifications with a mail server that takes a mail at once."""

    async def send(task: SendAlert, _key: str) -> Data:
        return AlertAnswered(
            alert_id=task.alert_id, account_number=task.account_number, attempt=task.attempt, result="sent"
        )

    def gave_up(_task: SendAlert, reason: str) -> Data:
        raise AssertionError(reason)

    terms = Terms(b"a secret of the benchmark", current_hashes())
    handled = notifications(terms, Clock().now)
    return replace(handled, performers={SendAlert: Performer(send, gave_up)})


async def _insurance(kafka: str, database_url: str) -> None:
    """Run insurance as it is, with a clearinghouse that the benchmark offers."""
    clearinghouse = Clearinghouse(os.environ["CLEARINGHOUSE_URL"], _PAYER_TIMEOUT_S, _PAYER_CALLS_PER_S)
    provider = Provider("BENCHMARK HOSPITAL", "1234567893", "PORTAL", "CLEARINGHOUSE")
    seal = Seal(Fernet.generate_key().decode())
    performing = performers(clearinghouse, provider, seal, Clock().now, _PAYER_TIMEOUT_S)
    try:
        await _run(replace(INSURANCE, performers=performing), kafka, database_url)
    finally:
        await clearinghouse.close()


async def _bare(kafka: str, database_url: str) -> None:
    """Answer each question after one commit: what a round trip costs at the least."""
    connection = await asyncpg.connect(database_url)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        QUESTIONS.name, bootstrap_servers=kafka, group_id="bare", auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    async for record in consumer:
        await connection.execute("insert into bare (value) values ($1)", record.value)
        await producer.send_and_wait(ANSWERS.name, record.value, key=record.key)


_ON_THE_KIT: Final[dict[str, Callable[[], Handlers[Any]]]] = {
    "kit": lambda: HANDLERS,
    "payments": _payments,
    "inbox": lambda: INBOX,
    "notifications": _notifications,
}


def _way(arguments: list[str], kafka: str, database_url: str) -> Coroutine[Any, Any, None]:
    match arguments:
        case [name] if name in _ON_THE_KIT:
            return _run(_ON_THE_KIT[name](), kafka, database_url)
        case ["insurance"]:
            return _insurance(kafka, database_url)
        case ["naive", job]:
            return naive.run(job, kafka, database_url)
        case ["bare"]:
            return _bare(kafka, database_url)
    raise SystemExit(f"no such way: {arguments}")


if __name__ == "__main__":
    logs.configure("benchmark", level="ERROR")
    uvloop.run(_way(sys.argv[1:], os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["INTAKE_DATABASE_URL"]))
