"""The process of insurance: its parts put together as the settings say."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import services.insurance
from services.insurance.adapters.clearinghouse import Clearinghouse
from services.insurance.api import ROUTERS
from services.insurance.domain import State
from services.insurance.handlers import INSURANCE
from services.insurance.sealing import Seal
from services.insurance.settings import Settings
from services.insurance.tasks import performers
from services.insurance.x12.inquiry import Provider
from shared.clock import Clock
from shared.messaging.handlers import Handlers
from shared.process import Application


async def handlers(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Handlers[State]:
    """Return the handlers with the clearinghouse that the settings name."""
    clearinghouse = Clearinghouse(
        str(settings.clearinghouse_url), settings.clearinghouse_timeout_s, settings.payer_calls_per_s
    )
    stack.push_async_callback(clearinghouse.close)
    provider = Provider(
        name=settings.provider_name,
        npi=settings.provider_npi,
        sender_id=settings.sender_id,
        receiver_id=settings.receiver_id,
    )
    seal = Seal(settings.raw_key.get_secret_value())
    performing = performers(clearinghouse, provider, seal, clock.now, settings.clearinghouse_timeout_s)
    return replace(INSURANCE, performers=performing)


APPLICATION: Final = Application(
    service=INSURANCE.service,
    description=services.insurance.__doc__ or "",
    settings=Settings,
    handlers=handlers,
    routers=ROUTERS,
    revisions=Path(__file__).parent / "migrations",
)
