"""Puts the sandbox together: what it keeps, its routers, and what runs beside them.

A further part of the outside world is one more module with a router here.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import State

import sandbox
from sandbox import card_form, clearinghouse, clock, database, host, identity, mail, processor, scanner, sms
from sandbox.arrivals import Arrivals
from sandbox.clearinghouse import MEMBERS, Clearinghouse
from sandbox.clock import WorldClock
from sandbox.host import Hosts
from sandbox.identity import IdentityProvider
from sandbox.ledger import Ledger
from sandbox.mail import MailServer
from sandbox.people import USERS
from sandbox.receipts import Receipts, Signer
from sandbox.scanner import ScannerServer
from sandbox.scenarios import SCENARIOS
from sandbox.settings import Settings
from sandbox.smpp import SmppServer
from sandbox.sms import Carrier, Told
from sandbox.tokens import TOKENS
from sandbox.webhooks import Webhooks
from shared import problems
from shared.settings import KafkaSettings


def create_app(settings: Settings, kafka: KafkaSettings | None) -> FastAPI:
    """Return the sandbox as an ASGI app; it opens its folder when it starts and closes it when it ends.

    Without `kafka` the host systems are silent.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        db = database.connect(settings.dir)
        secret = settings.processor_secret.get_secret_value()
        own_address = f"http://{settings.http_host}:{settings.http_port}/identity"
        state = app.state
        state.processor_secret = secret
        state.clock = WorldClock(db)
        state.webhooks = Webhooks(db, state.clock, secret)
        state.ledger = Ledger(db, state.webhooks)
        state.identity = IdentityProvider(
            settings.dir,
            settings.issuer or own_address,
            settings.audience,
            settings.portal_client_secret.get_secret_value(),
        )
        state.hosts = Hosts(db, kafka)
        state.clearinghouse = Clearinghouse(db)
        state.scanner = ScannerServer()
        await state.scanner.start(settings.http_host, settings.clamd_port)
        mail_server, running = await _mail_and_texts(state, db, settings)
        url = settings.webhook_url
        running += [state.webhooks.run(url)] if url else []
        state.background = [asyncio.create_task(one) for one in running]
        yield
        await mail_server.stop()
        await state.scanner.stop()
        for task in state.background:
            task.cancel()
        await asyncio.gather(*state.background, return_exceptions=True)
        await state.hosts.stop()
        db.close()

    app = FastAPI(
        title="Sandbox",
        description=sandbox.__doc__ or "",
        version="1",
        lifespan=lifespan,
        exception_handlers=problems.HANDLERS,
    )
    for part in (processor, card_form, clearinghouse, mail, sms, scanner, identity, clock, host):
        app.include_router(part.router)

    @app.get("/", tags=["sandbox"])
    async def overview() -> dict[str, Any]:
        """Tell what the sandbox can do."""
        return _overview(app, settings)

    @app.get("/health/ready", tags=["sandbox"])
    async def ready(request: Request) -> JSONResponse:
        """Tell whether the sandbox works: all that runs in the background does."""
        ok = not any(task.done() for task in request.app.state.background)
        return JSONResponse({"ok": ok}, HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE)

    return app


async def _mail_and_texts(
    state: State, db: sqlite3.Connection, settings: Settings
) -> tuple[MailServer, list[Coroutine[Any, Any, None]]]:
    """Make what mails and texts need, and listen for both; return what then runs."""
    state.arrivals = Arrivals(db)
    state.sms_secret = settings.sms_secret.get_secret_value()
    mail_secret = settings.mail_secret.get_secret_value()
    smpp_server = SmppServer(state.arrivals)
    secrets: dict[Signer, str] = {"mail": mail_secret, "sms": state.sms_secret}
    state.receipts = Receipts(db, state.clock, secrets, smpp_server.deliver)

    def inbound() -> Told | None:
        if smpp_server.bound is not None:
            return "smpp", smpp_server.bound
        return ("sms", settings.sms_inbound_url) if settings.sms_inbound_url is not None else None

    state.carrier = Carrier(state.arrivals, state.receipts, state.clock, inbound)
    mail_server = MailServer(state.arrivals, state.receipts, state.clock, settings.mail_events_url)
    await mail_server.start(settings.http_host, settings.smtp_port)
    await smpp_server.start(settings.http_host, settings.smpp_port)
    return mail_server, [state.receipts.run(), smpp_server.run(state.carrier)]


def _overview(app: FastAPI, settings: Settings) -> dict[str, Any]:
    calls: dict[str, dict[str, str]] = {}
    for path, methods in app.openapi()["paths"].items():
        for method, call in methods.items():
            calls.setdefault(call["tags"][0], {})[f"{method.upper()} {path}"] = call["description"]
    return {
        "calls": calls,
        "listens": {
            "smtp": f"smtp://{settings.http_host}:{settings.smtp_port}",
            "smpp": f"smpp://{settings.http_host}:{settings.smpp_port}",
            "clamd": f"tcp://{settings.http_host}:{settings.clamd_port}",
        },
        "tokens": {name: token.does for name, token in TOKENS.items()},
        "members": MEMBERS,
        "scenarios": SCENARIOS,
        "users": {user.username: user.about for user in USERS.values()},
    }
