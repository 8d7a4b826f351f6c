"""What notifications needs beside what every service does."""

from email.headerregistry import Address
from typing import Annotated

from itsdangerous import URLSafeSerializer
from pydantic import AfterValidator, AnyHttpUrl, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.notifications.domain.terms import Terms
from services.notifications.links import Links
from services.notifications.wording import current_hashes
from shared.settings import ServiceSettings

Key = Annotated[SecretStr, Field(min_length=16)]
SmtpUrl = Annotated[str, Field(pattern=r"^smtps?://\S+:\d{1,5}/?$")]


def _mailbox(value: str) -> str:
    try:
        Address(addr_spec=value)
    except ValueError:
        raise ValueError("must be an email address") from None
    return value


class Settings(ServiceSettings):
    """Each field is a variable: `NOTIFICATIONS_` and its name."""

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_", frozen=True)

    smtp_url: SmtpUrl
    mail_from: Annotated[str, AfterValidator(_mailbox)] = "statements@portal.example"
    mail_from_name: str = "Patient Portal"
    email_secret: Key
    sms_url: AnyHttpUrl
    sms_secret: Key
    sms_from: Annotated[str, Field(pattern=r"^\+?[0-9]{3,15}$")] = "+12025550100"
    public_url: AnyHttpUrl
    portal_url: AnyHttpUrl | None = None
    secret: Key
    provider_timeout_s: float = Field(default=10.0, gt=0, le=60)

    def terms(self) -> Terms:
        """Return what the rules are given."""
        return Terms(self.secret.get_secret_value().encode(), current_hashes())

    def links(self) -> Links:
        """Return the addresses that messages hold."""
        public_url = str(self.public_url).rstrip("/")
        portal_url = str(self.portal_url or self.public_url).rstrip("/")
        return Links(public_url, portal_url, URLSafeSerializer(self.secret.get_secret_value(), "unsubscribe"))

    def sender(self) -> Address:
        """Return whom mails are from."""
        return Address(self.mail_from_name, addr_spec=self.mail_from)
