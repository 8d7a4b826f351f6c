"""The process of notifications: its parts put together."""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import services.notifications
from services.notifications import handlers as notifications
from services.notifications.adapters.mail import Mail
from services.notifications.adapters.texts import Carrier
from services.notifications.api import router
from services.notifications.callbacks import router as callbacks
from services.notifications.domain import State
from services.notifications.settings import Settings
from services.notifications.tasks import Sending, performers
from services.notifications.wording import Wording
from shared.clock import Clock
from shared.database import connect
from shared.events.topics import SERVICES
from shared.messaging.handlers import Handlers
from shared.process import Application

_CONNECTIONS_MAX: Final = 4
_MARGIN: Final = timedelta(seconds=10)
"""How much longer than the two answers of a mail server an attempt may take, database and all."""


async def handlers(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Handlers[State]:
    """Return the handlers with the providers that the settings name."""
    terms = settings.terms()
    mail = Mail(settings.smtp_url, settings.sender(), settings.provider_timeout_s)
    stack.push_async_callback(mail.close)
    secret = settings.sms_secret.get_secret_value()
    carrier = Carrier(str(settings.sms_url), secret, settings.sms_from, settings.provider_timeout_s)
    stack.push_async_callback(carrier.close)
    # Its own connections: however many messages go out, the message path has its own.
    pool = await connect(settings.database_url.get_secret_value(), connections_max=_CONNECTIONS_MAX)
    stack.push_async_callback(pool.close)
    sending = Sending(pool, mail, carrier, Wording(), settings.links(), terms, clock.now)
    timeout = 2 * timedelta(seconds=settings.provider_timeout_s) + _MARGIN
    return replace(notifications.handlers(terms, clock.now), performers=performers(sending, timeout))


APPLICATION: Final = Application(
    service=SERVICES["notifications"],
    description=services.notifications.__doc__ or "",
    settings=Settings,
    handlers=handlers,
    routers=(router, callbacks),
    revisions=Path(__file__).parent / "migrations",
)
