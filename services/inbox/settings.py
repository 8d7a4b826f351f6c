"""What the inbox is told by its environment, beside what every service is."""

from pydantic import AnyUrl, Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """Where files are kept, and who scans them (`INBOX_…`).

    Attributes:
        attachments_url: an object store: `s3://`, `gs://`, `az://` or `file:///…`.
        clamd_url: a ClamAV daemon, `tcp://host:3310`; without one, nothing is scanned, and files stay held.
    """

    model_config = SettingsConfigDict(env_prefix="INBOX_", frozen=True)

    attachments_url: AnyUrl
    clamd_url: AnyUrl | None = None
    clamd_timeout_s: float = Field(default=60.0, gt=0, le=600)
