"""Keeps aiokafka from asking for the cluster's metadata without a pause.

While a partition has no leader, its producer and its consumer ask again as soon as an answer, or none, has come:
hundreds of times a second, which takes a whole core and slows down the very broker that is coming back.
"""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

_PAUSE_S: Final = 0.1


def ask_calmly(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Have a client that has started pause after each time of asking."""
    # Private, since there is no setting for it: `retry_backoff_ms` is not heeded here.
    connections = client.client if isinstance(client, AIOKafkaProducer) else client._client  # noqa: SLF001
    update = connections._metadata_update  # noqa: SLF001

    async def updated(*arguments: Any) -> bool:
        known: bool = await update(*arguments)
        await asyncio.sleep(_PAUSE_S)
        return known

    connections._metadata_update = updated  # noqa: SLF001
