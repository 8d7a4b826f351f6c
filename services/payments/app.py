"""The process of payments: its settings, and its parts put together."""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import SettingsConfigDict

import services.payments
from services.payments.adapters.processor import Processor
from services.payments.api import router
from services.payments.domain.account import GuarantorAccount
from services.payments.handlers import PAYMENTS
from services.payments.tasks import performers
from shared.clock import Clock
from shared.messaging.handlers import Handlers
from shared.process import Application
from shared.settings import ServiceSettings

_MARGIN: Final = timedelta(seconds=5)


class Settings(ServiceSettings):
    """What payments needs beside what every service does."""

    model_config = SettingsConfigDict(env_prefix="PAYMENTS_", frozen=True)

    processor_url: AnyHttpUrl
    processor_secret: SecretStr
    processor_timeout_s: float = Field(default=10.0, gt=0, le=60)


async def handlers(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Handlers[GuarantorAccount]:
    """Return the handlers with the processor that the settings name."""
    processor = Processor(
        str(settings.processor_url),
        settings.processor_secret.get_secret_value(),
        settings.processor_timeout_s,
    )
    stack.push_async_callback(processor.close)
    timeout = timedelta(seconds=settings.processor_timeout_s) + _MARGIN
    return replace(PAYMENTS, performers=performers(processor, clock.now, timeout))


APPLICATION: Final = Application(
    service=PAYMENTS.service,
    description=services.payments.__doc__ or "",
    settings=Settings,
    handlers=handlers,
    routers=(router,),
    revisions=Path(__file__).parent / "migrations",
)
