"""What a process of insurance is told by its environment."""

from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.insurance.sealing import Seal
from services.insurance.x12.inquiry import plain
from shared.settings import ServiceSettings


def _keys(value: SecretStr) -> SecretStr:
    try:
        Seal(value.get_secret_value())
    except ValueError:
        raise ValueError("must be a Fernet key: 32 bytes in url-safe base64; several with commas") from None
    return value


def _name(value: str) -> str:
    if not plain(value):
        raise ValueError("has nothing in it that can be sent")
    return value


Npi = Annotated[str, Field(pattern=r"^[0-9]{10}$")]
EnvelopeId = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9 ]{0,14}$")]


class Settings(ServiceSettings):
    """What insurance needs beside what every service does."""

    model_config = SettingsConfigDict(env_prefix="INSURANCE_", frozen=True)

    clearinghouse_url: AnyHttpUrl
    clearinghouse_timeout_s: float = Field(default=60.0, gt=0, le=120)
    payer_calls_per_s: float = Field(default=50.0, ge=1, le=10_000)
    raw_key: Annotated[SecretStr, AfterValidator(_keys)]
    provider_name: Annotated[str, Field(max_length=60), AfterValidator(_name)] = "PATIENT PORTAL HOSPITAL"
    provider_npi: Npi = "1234567893"
    sender_id: EnvelopeId = "PORTAL"
    receiver_id: EnvelopeId = "CLEARINGHOUSE"
