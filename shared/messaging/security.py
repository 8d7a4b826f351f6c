"""How FastStream gets into Kafka; aiokafka's own clients are told by the settings themselves."""

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from shared.settings import KafkaSettings


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
