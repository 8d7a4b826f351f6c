"""A process under test, as a child of the benchmarks: the `kit`, the `naive` way, `bare`, or `payments`."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks import naive
from benchmarks.bare import ANSWERS, QUESTIONS
from benchmarks.intake import HANDLERS
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


def _way(name: str, kafka: str, database_url: str) -> Coroutine[Any, Any, None]:
    match name:
        case "kit":
            return _run(HANDLERS, kafka, database_url)
        case "payments":
            return _run(_payments(), kafka, database_url)
        case "naive":
            return naive.run(kafka, database_url)
        case "bare":
            return _bare(kafka, database_url)
    raise SystemExit(f"no such way: {name}")


if __name__ == "__main__":
    logs.configure("benchmark", level="ERROR")
    uvloop.run(_way(sys.argv[1], os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["INTAKE_DATABASE_URL"]))
