"""The process of the inbox: its settings, and its parts put together."""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import services.inbox
from services.inbox.adapters.clamd import Clamd
from services.inbox.adapters.files import Files, open_store
from services.inbox.api import ROUTERS
from services.inbox.domain import State
from services.inbox.handlers import INBOX
from services.inbox.settings import Settings
from services.inbox.tasks import performers
from shared.clock import Clock
from shared.messaging.handlers import Handlers
from shared.process import Application

_CLAMD_PORT: Final = 3310
_MARGIN: Final = timedelta(seconds=30)


async def handlers(settings: Settings, _clock: Clock, _stack: AsyncExitStack) -> Handlers[State]:
    """Return the handlers, with the scanner that the settings name, if any."""
    url = settings.clamd_url
    if url is None:
        return INBOX
    clamd = Clamd(url.host or "", url.port or _CLAMD_PORT, settings.clamd_timeout_s)
    timeout = timedelta(seconds=settings.clamd_timeout_s) + _MARGIN
    return replace(INBOX, performers=performers(Files(open_store(str(settings.attachments_url))), clamd, timeout))


APPLICATION: Final = Application(
    service=INBOX.service,
    description=services.inbox.__doc__ or "",
    settings=Settings,
    handlers=handlers,
    routers=ROUTERS,
    revisions=Path(__file__).parent / "migrations",
)
