"""How this process gets into Kafka and, if it does not, why: aiokafka tells nobody but its log."""

import ssl
from typing import Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

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


def security(settings: KafkaSettings) -> BaseSecurity:
    """Return what FastStream needs to connect."""
    context = settings.ssl_context()
    password = settings.sasl_password.get_secret_value() if settings.sasl_password else ""
    username = settings.sasl_username or ""
    match settings.security_protocol.startswith("SASL") and settings.sasl_mechanism:
        case "PLAIN":
            return SASLPlaintext(username, password, ssl_context=context, use_ssl=context is not None)
        case "SCRAM-SHA-256":
            return SASLScram256(username, password, ssl_context=context, use_ssl=context is not None)
        case "SCRAM-SHA-512":
            return SASLScram512(username, password, ssl_context=context, use_ssl=context is not None)
        case _:
            return BaseSecurity(ssl_context=context, use_ssl=context is not None)
