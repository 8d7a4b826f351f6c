"""The process of payments: its settings, and its parts put together."""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import services.payments
from services.payments.adapters.processor import Processor
from services.payments.api import ROUTERS
from services.payments.domain import State
from services.payments.handlers import payments
from services.payments.settings import Settings
from services.payments.tasks import performers
from shared.clock import Clock
from shared.events.topics import SERVICES
from shared.messaging.handlers import Handlers
from shared.process import Application

__all__ = ["APPLICATION", "Settings", "handlers"]

_MARGIN: Final = timedelta(seconds=5)


async def handlers(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Handlers[State]:
    """Return the handlers with the processor that the settings name."""
    processor = Processor(
        str(settings.processor_url),
        settings.processor_secret.get_secret_value(),
        settings.processor_timeout_s,
    )
    stack.push_async_callback(processor.close)
    timeout = timedelta(seconds=settings.processor_timeout_s) + _MARGIN
    return replace(payments(settings.rules()), performers=performers(processor, clock.now, timeout))


APPLICATION: Final = Application(
    service=SERVICES["payments"],
    description=services.payments.__doc__ or "",
    settings=Settings,
    handlers=handlers,
    routers=ROUTERS,
    revisions=Path(__file__).parent / "migrations",
)
