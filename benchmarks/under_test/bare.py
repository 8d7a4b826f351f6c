"""The bare round trip: each question is answered after one commit. What it costs at the least."""

import os

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.bare import ANSWERS, QUESTIONS
from benchmarks.under_test.running import main


async def _answer() -> None:
    kafka = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    connection = await asyncpg.connect(os.environ["INTAKE_DATABASE_URL"])
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        QUESTIONS.name, bootstrap_servers=kafka, group_id="bare", auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    async for record in consumer:
        await connection.execute("insert into bare (value) values ($1)", record.value)
        await producer.send_and_wait(ANSWERS.name, record.value, key=record.key)


if __name__ == "__main__":
    main(_answer())
