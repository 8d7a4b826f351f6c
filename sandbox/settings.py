"""What the sandbox is told by its environment."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import OwnSettings, WebAddress

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(OwnSettings):
    """Each field is a variable: `SANDBOX_` and its name, or the alias that it has.

    `dir` is the folder for what must survive a restart. Without `webhook_url` no webhooks of the processor are
    sent, without `mail_events_url` and `sms_inbound_url` nothing of the mail and SMS providers; `mail_secret` and
    `sms_secret` sign what they send. Without `portal_client_secret` the portal gets no token of its own. `issuer`
    is the sandbox's own address unless it is set.
    """

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", env_ignore_empty=True, frozen=True)

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
