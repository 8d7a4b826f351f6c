"""Puts the portal together and runs it: its pages, its connection to Kafka, and its calls of the services."""

import asyncio
import sys
from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import urlsplit

import uvloop
from aiokafka.errors import KafkaConnectionError
from fastapi import FastAPI
from itsdangerous import URLSafeTimedSerializer
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from portal import (
    billing,
    contacts,
    customer_service,
    guest,
    home,
    live,
    login,
    operations,
    paperless,
    paying,
    planning,
    preferences,
    standing,
)
from portal.basket import router as basket
from portal.bodies import Bodies
from portal.calls import Connections, Services, connections
from portal.commands import Commands, new_producer
from portal.events import Events
from portal.guarding import Shield
from portal.identity import IdentityProvider
from portal.insurance.pages import router as insurance
from portal.messages.pages import router as messages
from portal.problems import HANDLERS
from portal.sessions import Sessions
from portal.settings import PortalSettings
from portal.static_files import OWN, StaticFiles
from portal.visitors import CookieBox
from shared import http, logs
from shared.clock import Clock
from shared.messaging import broker
from shared.paths import Segments
from shared.settings import ClockSettings, KafkaSettings, read
from shared.waiting import until_signal, when_there

_PACKED_FROM_BYTES = 1024

ROUTERS = (
    operations.router,
    login.router,
    live.router,
    preferences.router,
    standing.router,
    home.router,
    billing.router,
    paying.router,
    planning.router,
    guest.router,
    paperless.router,
    customer_service.router,
    contacts.router,
    insurance,
    messages,
    basket,
)


def create_app(
    settings: PortalSettings, out: Connections, commands: Commands, events: Events, clock: Clock
) -> FastAPI:
    """Return the portal as an ASGI app, around what `run` keeps open."""
    app = FastAPI(title="Portal", docs_url=None, redoc_url=None, openapi_url=None, exception_handlers=HANDLERS)
    secret = settings.secret.get_secret_value()
    state = app.state
    state.settings, state.commands, state.events, state.clock = settings, commands, events, clock
    state.identity = IdentityProvider(settings, out.calls)
    state.services = Services(settings, state.identity, out)
    state.sessions = Sessions(commands, settings.idle_s)
    events.on_sign_out = state.sessions.over
    state.static = StaticFiles([settings.assets_dir, OWN])
    state.signer = URLSafeTimedSerializer(secret, salt="live")
    state.cookie_box = CookieBox(secret)
    for router in ROUTERS:
        app.include_router(router, max_body_size=http.BODY_BYTES_MAX)
    app.add_middleware(Bodies)
    app.add_middleware(Segments)
    app.add_middleware(GZipMiddleware, minimum_size=_PACKED_FROM_BYTES)
    app.add_middleware(
        SessionMiddleware,
        secret_key=secret,
        session_cookie="__Host-session" if settings.secure else "session",
        max_age=settings.idle_s,
        same_site="lax",
        https_only=settings.secure,
    )
    app.add_middleware(
        Shield,
        frames=_origin(settings.processor_js_url),
        logout=_origin(settings.oidc_issuer),
        secure=settings.secure,
    )
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.trusted_proxies)
    return app


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


async def run(settings: PortalSettings) -> None:
    """Run until cancelled; then end what pages follow, and finish the requests under way."""
    kafka, made_up = read(KafkaSettings), read(ClockSettings)
    clock = Clock()
    async with AsyncExitStack() as stack:
        out = await stack.enter_async_context(connections())
        await when_there("Kafka", lambda: broker.reach(kafka))
        producer = new_producer(kafka)
        await when_there("Kafka", producer.start, (KafkaConnectionError,))
        stack.push_async_callback(producer.stop)
        events = Events(kafka, settings.idle_s)
        commands = Commands(producer, events, clock, settings.outcome_wait_s)
        app = create_app(settings, out, commands, events, clock)
        listener = http.listen("portal", settings.http_host, settings.http_port)
        stack.push_async_callback(app.state.sessions.tell_ends)
        async with asyncio.TaskGroup() as group:
            if made_up.url is not None:
                await when_there("clock", partial(clock.catch_up, made_up.url))
                group.create_task(clock.follow(made_up.url))
            group.create_task(events.run())
            group.create_task(app.state.sessions.run())
            group.create_task(http.serve(app, listener))
            try:
                await asyncio.Event().wait()
            finally:
                # What pages follow has to end, or serving would wait for it.
                events.close()


def main() -> None:
    """Run the portal with the settings of the environment."""
    logs.configure("portal")
    settings = read(PortalSettings)
    try:
        uvloop.run(until_signal(run(settings)))
    except broker.RefusedError as error:
        sys.exit(f"portal does not start: {error}")
