"""What notifications needs beside what every service does."""

from email.headerregistry import Address
from typing import Annotated, Final, Self

from itsdangerous import URLSafeSerializer
from pydantic import AfterValidator, AnyHttpUrl, AnyUrl, Field, SecretStr, UrlConstraints, model_validator
from pydantic_settings import SettingsConfigDict

from services.notifications.domain.rules import Rules
from services.notifications.links import Links
from services.notifications.wording import current_hashes
from shared.settings import ServiceSettings, of_a_port

_KEY_MIN: Final = 16
Key = Annotated[SecretStr, Field(min_length=_KEY_MIN)]
SmsUrl = Annotated[AnyUrl, UrlConstraints(allowed_schemes=["http", "https", "smpp", "smpps"], host_required=True)]
SmtpUrl = Annotated[str, Field(pattern=r"^smtps?://\S+:\d{1,5}/?$"), AfterValidator(of_a_port)]


def _mailbox(value: str) -> str:
    try:
        Address(addr_spec=value)
    except ValueError:
        raise ValueError("must be an email address") from None
    return value


class Settings(ServiceSettings):
    """Each field is a variable: `NOTIFICATIONS_` and its name.

    `sms_url` also says how the carrier is spoken to: over HTTP, or with `smpp://SYSTEM_ID@host:port` (or `smpps`)
    over SMPP, where `sms_secret` is the password.
    """

    model_config = SettingsConfigDict(env_prefix="NOTIFICATIONS_", frozen=True)

    smtp_url: SmtpUrl
    mail_from: Annotated[str, AfterValidator(_mailbox)] = "statements@portal.example"
    mail_from_name: str = Field(default="Patient Portal", pattern=r"^[^\x00-\x1f\x7f]*$")
    email_secret: Key
    sms_url: SmsUrl
    sms_secret: SecretStr
    sms_from: Annotated[str, Field(pattern=r"^\+?[0-9]{3,15}$")] = "+12025550100"
    public_url: AnyHttpUrl
    portal_url: AnyHttpUrl | None = None
    secret: Key
    provider_timeout_s: float = Field(default=10.0, gt=0, le=60)

    @model_validator(mode="after")
    def _secret_of_carrier(self) -> Self:
        """Let passwords be as short as SMPP has them, but not what signs calls that anybody could make."""
        if not self.smpp and len(self.sms_secret.get_secret_value()) < _KEY_MIN:
            raise ValueError(f"NOTIFICATIONS_SMS_SECRET must have at least {_KEY_MIN} characters")
        return self

    @property
    def smpp(self) -> bool:
        """Whether the carrier of texts is spoken to over SMPP."""
        return self.sms_url.scheme in ("smpp", "smpps")

    def rules(self) -> Rules:
        """Return what the rules are given."""
        return Rules(self.secret.get_secret_value().encode(), current_hashes())

    def links(self) -> Links:
        """Return the addresses that messages hold."""
        public_url = str(self.public_url).rstrip("/")
        portal_url = str(self.portal_url or self.public_url).rstrip("/")
        signer = URLSafeSerializer(self.secret.get_secret_value(), "unsubscribe")
        return Links(public_url=public_url, portal_url=portal_url, signer=signer)

    def sender(self) -> Address:
        """Return whom mails are from."""
        return Address(self.mail_from_name, addr_spec=self.mail_from)
