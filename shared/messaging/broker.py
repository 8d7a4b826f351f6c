"""Whether Kafka lets this process in, or why not, and when it was last heard: aiokafka tells only its log."""

import asyncio
import ssl
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from shared.settings import KafkaSettings

SILENT_S_MAX: Final = 15
"""A broker that has said nothing for longer is away, though it may keep its connections.

It answers each fetch within half a second, be it that there is nothing.
"""

_TIMEOUT_MS: Final = 10_000
_TRIES: Final = 10
# Before, during and after the handshake of TLS.
_HANG_UPS: Final = (
    KafkaConnectionError,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    ssl.SSLEOFError,
)


class RefusedError(RuntimeError):
    """Kafka is there and does not let this process in; the message says why, in one line."""


async def reach(settings: KafkaSettings, *, again_s: float = 0.5) -> None:
    """Ask one of the bootstrap servers something, as the clients will, and hang up.

    A server that hangs up is going down, or expects another protocol. Only the second does it again and again.

    Raises:
        RefusedError: protocol, TLS, name or password is not right, so that waiting would not help.
        OSError: no server is there, as yet; TimeoutError is one.
    """
    for _ in range(_TRIES):
        try:
            await _ask(settings)
        except _HANG_UPS:
            await asyncio.sleep(again_s)
        else:
            return
    raise RefusedError("Kafka hangs up: is KAFKA_SECURITY_PROTOCOL right?")


def heard_at(consumer: AIOKafkaConsumer) -> float:
    """Return when a broker last answered a fetch, be it with nothing, in Unix time; 0 when none has yet."""
    polled_ms = (consumer.last_poll_timestamp(partition) or 0 for partition in consumer.assignment())
    return max(polled_ms, default=0) / 1000


async def _ask(settings: KafkaSettings) -> None:
    connection = settings.connection()
    fault: Exception | None = None
    for host, port, _ in collect_hosts(connection.pop("bootstrap_servers")):
        try:
            opened = await create_conn(host, port, request_timeout_ms=_TIMEOUT_MS, **connection)
            try:
                await opened.send(MetadataRequest([]))
            finally:
                opened.close()
        except _HANG_UPS as error:
            fault = error
        except ssl.SSLError as error:
            raise RefusedError(f"TLS with Kafka fails: {error.reason}") from None
        except KafkaError as error:
            raise RefusedError(f"Kafka does not let us in: {type(error).__name__}") from None
        except OSError as error:
            fault = fault or error
        else:
            return
    raise fault or OSError("no bootstrap server")
