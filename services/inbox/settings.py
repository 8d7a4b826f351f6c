"""What the inbox is told by its environment, beside what every service is."""

from typing import Annotated

from obstore.exceptions import BaseError
from pydantic import AfterValidator, AnyUrl, Field, UrlConstraints
from pydantic_settings import SettingsConfigDict

from services.inbox.adapters.files import open_store
from shared.settings import ServiceSettings

_STORES = ["s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "https", "file"]
"""What the object store's library takes and keeps."""


def _opens(value: AnyUrl) -> AnyUrl:
    """Refuse a store that cannot be made out or a folder that cannot be made; nobody is asked anything yet."""
    try:
        open_store(str(value))
    except (BaseError, OSError, ValueError):
        raise ValueError("must be a store that can be opened, such as s3://bucket or file:///folder") from None
    return value


class Settings(ServiceSettings):
    """Where files are kept, and who scans them (`INBOX_…`).

    Attributes:
        attachments_url: an object store: `s3://`, `gs://`, `az://` or `file:///…`.
        clamd_url: a ClamAV daemon, `tcp://host:3310`; without one, nothing is scanned, and files stay held.
    """

    model_config = SettingsConfigDict(env_prefix="INBOX_", frozen=True)

    attachments_url: Annotated[AnyUrl, UrlConstraints(allowed_schemes=_STORES), AfterValidator(_opens)]
    clamd_url: Annotated[AnyUrl, UrlConstraints(allowed_schemes=["tcp"], host_required=True)] | None = None
    clamd_timeout_s: float = Field(default=60.0, gt=0, le=600)
