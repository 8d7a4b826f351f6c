"""The process of notifications: its parts put together."""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import services.notifications
from services.notifications import handlers as notifications
from services.notifications import reads
from services.notifications.adapters.carrier import Carrier
from services.notifications.adapters.mail import Mail
from services.notifications.adapters.smpp import SmppCarrier
from services.notifications.adapters.texts import HttpCarrier
from services.notifications.api import ROUTERS
from services.notifications.domain import State
from services.notifications.domain.rules import Rules
from services.notifications.hearing import Hearing
from services.notifications.settings import Settings
from services.notifications.tasks import Sending, performers
from services.notifications.wording import wording
from shared.clock import Clock
from shared.database import Pool, close, connect
from shared.events.topics import SERVICES
from shared.messaging.handlers import Ask, Handlers, Listener
from shared.process import Application
from shared.waiting import when_there

_CONNECTIONS_MAX: Final = 4
_MARGIN: Final = timedelta(seconds=10)
"""How much longer than the two answers of a mail server an attempt may take, database and all."""


async def handlers(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Handlers[State]:
    """Return the handlers with the providers that the settings name."""
    rules = settings.rules()
    mail = Mail(settings.smtp_url, settings.sender(), settings.provider_timeout_s)
    stack.push_async_callback(mail.close)
    # Its own connections: however many messages go out, the message path has its own.
    url = settings.database_url.get_secret_value()
    pool = await when_there("database", lambda: connect(url, connections_max=_CONNECTIONS_MAX))
    stack.push_async_callback(close, pool)
    carrier: Carrier
    listeners: tuple[Listener, ...] = ()
    if settings.smpp:
        carrier = smpp = _smpp_carrier(settings, pool, clock)
        listeners = (partial(_listen, smpp, pool, rules),)
    else:
        carrier = http = _http_carrier(settings)
        stack.push_async_callback(http.close)
    sending = Sending(pool, mail, carrier, wording(), settings.links(), rules, clock.now)
    timeout = 2 * timedelta(seconds=settings.provider_timeout_s) + _MARGIN
    return replace(
        notifications.handlers(rules, clock.now), performers=performers(sending, timeout), listeners=listeners
    )


async def _listen(carrier: SmppCarrier, pool: Pool, rules: Rules, ask: Ask) -> None:
    hearing = Hearing(pool, ask, rules)
    await carrier.listen(hearing.carrier_receipt, hearing.text)


def _http_carrier(settings: Settings) -> HttpCarrier:
    secret, receipts_url = settings.sms_secret.get_secret_value(), settings.links().receipts
    return HttpCarrier(str(settings.sms_url), secret, settings.sms_from, settings.provider_timeout_s, receipts_url)


def _smpp_carrier(settings: Settings, pool: Pool, clock: Clock) -> SmppCarrier:
    async def note(provider_id: str, reference: str) -> None:
        await reads.note_text(pool, provider_id, reference, clock.now())

    password = settings.sms_secret.get_secret_value()
    return SmppCarrier(str(settings.sms_url), password, settings.sms_from, settings.provider_timeout_s, note)


APPLICATION: Final = Application(
    service=SERVICES["notifications"],
    description=services.notifications.__doc__ or "",
    settings=Settings,
    handlers=handlers,
    routers=ROUTERS,
    revisions=Path(__file__).parent / "migrations",
)
