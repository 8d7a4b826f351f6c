"""Settings from the environment, checked before anything starts.

A setting may also be a file whose name is the variable's in lower case: in `/run/secrets`, where Docker puts them,
or in `/etc/patient-portal/secrets`, where our manifests have Kubernetes put them. The environment wins.

A value that cannot be right, and a name that looks like a setting of the service and is none, stop the start with
one clear line. Settings that could lose messages exist only with their safe values.
"""

import os
import re
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

T = TypeVar("T", bound=BaseSettings)

_PORT_MAX: Final = 65535


def of_a_port(address: str) -> str:
    """Return an address whose port, if it names one, can be a server's.

    Raises:
        ValueError: it cannot; the message repeats nothing of the address, which may hold a password.
    """
    try:
        good = urlsplit(address).port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"its host must be a name or an address, and its port 1 to {_PORT_MAX}")
    return address


WebAddress = Annotated[str, Field(pattern=r"^https?://[^\s/]+\S*$"), AfterValidator(of_a_port)]

# Not `/run/secrets` in Kubernetes, which puts the tokens of service accounts below that.
_SECRETS: Final = (Path("/run/secrets"), Path("/etc/patient-portal/secrets"))

# Kubernetes puts these into every container for each of its services.
_SERVICE_LINK = re.compile(r"^\w+_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$")


_HOST = re.compile(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})")


def _hosts(value: str) -> str:
    found = [_HOST.fullmatch(host) for host in value.split(",")]
    if not all(host and 0 < int(host[1]) <= _PORT_MAX for host in found):
        raise ValueError("must be host:port, several with commas between them")
    return value


def _certificates(value: Path) -> Path:
    try:
        ssl.create_default_context(cafile=value)
    except OSError:
        raise ValueError("must be a file of certificates in PEM") from None
    return value


_PLACE = re.compile(r"(?:[^:@\[\]]*|\[[0-9a-fA-F:.]+\])(?::(\d{1,5}))?")
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _postgresql(value: SecretStr) -> SecretStr:
    """Refuse what asyncpg takes for an address that is away, or fails at without a name."""
    try:
        url = urlsplit(value.get_secret_value())
        told = parse_qs(url.query, strict_parsing=True) if url.query else {}
        places = [_PLACE.fullmatch(place) for place in url.netloc[url.netloc.find("@") + 1 :].split(",")]
    except ValueError:
        told, places = {}, [None]
    good = all(place and 0 < int(place[1] or _PORT_MAX) <= _PORT_MAX for place in places)
    if not good or not re.match(r"postgres(ql)?://\S+", value.get_secret_value()):
        raise ValueError("must be postgresql://user:password@host:port/database")
    if told.get("sslmode", ["prefer"])[-1] not in _SSL_MODES:
        raise ValueError(f"its sslmode must be one of {', '.join(_SSL_MODES)}")
    return value


class KafkaSettings(BaseSettings):
    """How to reach Kafka.

    The last four cannot be chosen, since other values would lose or repeat messages. Nothing reads them; they are
    settings so that who sets one otherwise is told, instead of believing that it counts.
    """

    model_config = SettingsConfigDict(env_prefix="KAFKA_", frozen=True, extra="forbid")

    bootstrap_servers: Annotated[str, AfterValidator(_hosts)]
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Annotated[FilePath, AfterValidator(_certificates)] | None = None

    group_id: str | None = Field(default=None, min_length=1)
    acks: Literal["all"] = "all"
    enable_idempotence: Literal["true"] = "true"
    enable_auto_commit: Literal["false"] = "false"
    auto_offset_reset: Literal["earliest"] = "earliest"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Refuse what is set for a protocol that is not: it would be left out without a word."""
        login = (self.sasl_mechanism, self.sasl_username, self.sasl_password)
        if self.security_protocol.startswith("SASL"):
            if not all(login):
                raise ValueError("SASL needs KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
        elif any(login):
            raise ValueError("KAFKA_SASL_… needs KAFKA_SECURITY_PROTOCOL=SASL_SSL or SASL_PLAINTEXT")
        if self.ssl_cafile and "SSL" not in self.security_protocol:
            raise ValueError("KAFKA_SSL_CAFILE needs KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL")
        return self

    def connection(self) -> dict[str, Any]:
        """Return what aiokafka's clients need to connect."""
        password = self.sasl_password.get_secret_value() if self.sasl_password else None
        return {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context(),
            "sasl_mechanism": self.sasl_mechanism or "PLAIN",
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": password,
        }

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the context for TLS: the broker's certificate is always checked."""
        if "SSL" not in self.security_protocol:
            return None
        return ssl.create_default_context(cafile=self.ssl_cafile)


class DatabaseSettings(BaseSettings):
    """What migrating needs: a service's database, under the prefix of that service."""

    model_config = SettingsConfigDict(frozen=True)

    database_url: Annotated[SecretStr, AfterValidator(_postgresql)]


class OwnSettings(BaseSettings):
    """Settings under a prefix that is a program's own: what is no setting under it is one that was misspelt.

    The other prefixes may be somebody else's too, as those of Kafka's own programs are.
    """


class ServiceSettings(OwnSettings, DatabaseSettings):
    """What every service needs; a service adds its own under the same prefix."""

    http_host: str = Field(default="127.0.0.1", min_length=1)
    http_port: int = Field(default=8080, ge=0, le=65535)


class ClockSettings(BaseSettings):
    """Where a made-up clock is told; never set in production."""

    model_config = SettingsConfigDict(env_prefix="CLOCK_", env_ignore_empty=True, frozen=True)

    url: WebAddress | None = None


def unknown(settings: type[BaseSettings]) -> list[str]:
    """Return the variables of the environment that begin with a class's prefix and are no settings of it."""
    prefix = settings.model_config.get("env_prefix", "")
    names = {
        str(field.validation_alias or f"{prefix}{name}").upper() for name, field in settings.model_fields.items()
    }
    return sorted(
        name
        for name in os.environ
        if name.startswith(prefix) and name not in names and not _SERVICE_LINK.match(name)
    )


def has_secret(name: str) -> bool:
    """Tell whether there is a file for a setting."""
    return any((folder / name).exists() for folder in _SECRETS)


def read(settings: type[T], secrets: Sequence[Path] = _SECRETS, prefix: str | None = None) -> T:
    """Read settings from the environment and from files of secrets, under their own prefix or the given one.

    What cannot be right ends the process with one line for each.
    """
    prefix = prefix or settings.model_config.get("env_prefix", "")
    own = issubclass(settings, OwnSettings)
    faults = [f"{name} is no setting" for name in (unknown(settings) if own else ())]
    try:
        found = settings(_env_prefix=prefix, _secrets_dir=[folder for folder in secrets if folder.is_dir()])
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            place = ".".join(str(part) for part in fault["loc"])
            # An alias is the variable's whole name.
            name = place if place.isupper() else f"{prefix}{place}".upper().rstrip("_")
            faults.append(f"{name}: {fault['msg']}")
    if faults:
        sys.stderr.write("\n".join(faults) + "\n")
        raise SystemExit(2)
    return found
