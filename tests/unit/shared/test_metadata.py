"""Kafka clients that cannot learn where their partitions are ask again, and not without a pause."""

import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shared.messaging.metadata import ask_calmly


async def test_a_client_pauses_after_each_time_of_asking_in_vain() -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    for kafka, client in ((consumer, consumer._client), (producer, producer.client)):  # noqa: SLF001
        ask_calmly(kafka)
        started = time.monotonic()

        for _ in range(3):
            assert not await client._metadata_update(client.cluster, set())  # noqa: SLF001

        assert time.monotonic() - started >= 0.3
        await kafka.stop()
