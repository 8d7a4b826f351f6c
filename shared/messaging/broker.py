"""Whether Kafka lets this process in and, if not, why: aiokafka tells nobody but its log."""

import ssl
from typing import Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from shared.settings import KafkaSettings

_TIMEOUT_MS: Final = 10_000


class RefusedError(RuntimeError):
    """Kafka is there and does not let this process in; the message says why, in one line."""


async def reach(settings: KafkaSettings) -> None:
    """Ask one of the bootstrap servers something, as the clients will, and hang up.

    Raises:
        RefusedError: TLS, name or password is not right, so that waiting would not help.
        OSError: no server is there, as yet; TimeoutError is one.
    """
    connection = settings.connection()
    away = OSError("no bootstrap server")
    for host, port, _ in collect_hosts(connection.pop("bootstrap_servers")):
        try:
            opened = await create_conn(host, port, request_timeout_ms=_TIMEOUT_MS, **connection)
            try:
                await opened.send(MetadataRequest([]))
            finally:
                opened.close()
        except ssl.SSLError as error:
            raise RefusedError(f"TLS with Kafka fails: {error.reason}") from None
        except KafkaConnectionError:
            raise RefusedError("Kafka hangs up: is KAFKA_SECURITY_PROTOCOL right?") from None
        except KafkaError as error:
            raise RefusedError(f"Kafka does not let us in: {type(error).__name__}") from None
        except OSError as error:
            away = error
        else:
            return
    raise away
