"""Makes the contract's topics in a Kafka cluster; those that are there stay as they are."""

from collections.abc import Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.events.topics import Topic


async def create(connection: dict[str, Any], topics: Sequence[Topic], *, replication: int = 1) -> list[str]:
    """Create topics that are missing, with the contract's partitions and limits; return their names."""
    admin = AIOKafkaAdminClient(**connection)
    await admin.start()
    try:
        there = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in there]
        if not missing:
            return []
        response = await admin.create_topics(
            [
                NewTopic(
                    topic.name,
                    topic.partitions,
                    replication,
                    topic_configs={
                        "retention.ms": str(topic.retention_ms),
                        "max.message.bytes": str(topic.message_bytes_max),
                        # Else retention goes by the time that a writer gives: old facts would be gone in minutes.
                        "message.timestamp.type": "LogAppendTime",
                        "min.insync.replicas": str(max(1, replication - 1)),
                    },
                )
                for topic in missing
            ]
        )
        for name, code, *_ in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(name)
        return [topic.name for topic in missing]
    finally:
        await admin.close()
