"""What the portal is told by its environment (`PORTAL_…`)."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, DirectoryPath, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.settings import OwnSettings, WebAddress


def _networks(value: str) -> str:
    for one in value.split(",") if value else ():
        ip_network(one.strip())
    return value


class PortalSettings(OwnSettings):
    """Each field is a variable.

    Attributes:
        trusted_proxies: addresses and networks, with commas between several, of who stands in front: they alone
            are believed when they say in `X-Forwarded-For` where a caller comes from.
        secret: signs and encrypts cookies; the same for all processes of the portal.
        public_url: where browsers find the portal; with `https`, cookies are sent over TLS only.
        oidc_issuer: the identity provider, which must tell about itself by OpenID Connect Discovery.
        oidc_client_id: this gateway there, for people's logins and for its own tokens (client credentials).
        processor_js_url: the processor's own page for card and bank numbers, shown in a frame.
        assets_dir: where the files of others are (`local.assets` puts them there).
        idle_s: how long a session lives without a click.
        lifetime_s: how long it lives at most.
        outcome_wait_s: how long a page waits for a command's outcome before it says "still being worked on".
    """

    model_config = SettingsConfigDict(env_prefix="PORTAL_", env_ignore_empty=True, frozen=True)

    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8070, ge=0, le=65535)
    trusted_proxies: Annotated[str, AfterValidator(_networks)] = ""
    public_url: WebAddress
    secret: Annotated[SecretStr, Field(min_length=32)]
    oidc_issuer: WebAddress
    oidc_client_id: str = "portal"
    oidc_client_secret: SecretStr = SecretStr("")
    payments_url: WebAddress
    insurance_url: WebAddress
    inbox_url: WebAddress
    notifications_url: WebAddress
    processor_js_url: WebAddress
    assets_dir: DirectoryPath = Path("assets")
    idle_s: int = Field(default=900, ge=60)
    lifetime_s: int = Field(default=43_200, ge=60)
    outcome_wait_s: float = Field(default=5.0, gt=0, le=30)

    @property
    def secure(self) -> bool:
        """Whether browsers reach the portal over TLS."""
        return self.public_url.startswith("https://")

    @property
    def services(self) -> dict[str, str]:
        """The address of each service by its name."""
        return {
            "payments": self.payments_url,
            "insurance": self.insurance_url,
            "inbox": self.inbox_url,
            "notifications": self.notifications_url,
        }
