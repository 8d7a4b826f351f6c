"""What the sandbox is told by its environment."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import SECRETS, WebAddress

PREFIX = "SANDBOX_"

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Each field is a variable: `SANDBOX_` and its name, or the alias that it has.

    `dir` is the folder for what must survive a restart. Without `webhook_url` no webhooks of the processor are
    sent, without `mail_events_url` and `sms_inbound_url` nothing of the mail and SMS providers; `mail_secret` and
    `sms_secret` sign what they send. Without `portal_client_secret` the portal gets no token of its own. `issuer`
    is the sandbox's own address unless it is set.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    http_host: str = "127.0.0.1"
    http_port: Port = 8090
    smtp_port: Port = 8025
    smpp_port: Port = 2775
    clamd_port: Port = 3310
    dir: Path
    processor_secret: Annotated[SecretStr, Field(min_length=1)]
    webhook_url: WebAddress | None = None
    mail_secret: SecretStr = SecretStr("")
    mail_events_url: WebAddress | None = None
    sms_secret: SecretStr = SecretStr("")
    sms_inbound_url: WebAddress | None = None
    portal_client_secret: SecretStr = SecretStr("")
    issuer: WebAddress | None = Field(None, validation_alias="AUTH_ISSUER")
    audience: str = Field("patient-portal", validation_alias="AUTH_AUDIENCE")


class SettingsError(ValueError):
    """The environment is not good to start with; the message names each variable at fault, and no value."""


def read() -> Settings:
    """Return the settings.

    Raises:
        SettingsError: a variable is missing, bad, or starts with `SANDBOX_` and is not known.
    """
    known = {_variable(field.validation_alias or name) for name, field in Settings.model_fields.items()}
    strangers = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    faults = [f"{name} is no setting" for name in strangers]
    try:
        settings = Settings(_secrets_dir=SECRETS if SECRETS.is_dir() else None)
    except ValidationError as error:
        faults += [f"{_variable(fault['loc'][0])}: {fault['msg']}" for fault in error.errors()]
    if faults:
        raise SettingsError("; ".join(faults))
    return settings


def _variable(field: object) -> str:
    """Return the variable of a field, which is told by its name or by its alias."""
    name = str(field)
    return name if name.isupper() else f"{PREFIX}{name.upper()}"
