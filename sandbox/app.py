"""Puts the sandbox together: what it keeps, its routers, and what runs beside them.

A further part of the outside world is one more module with a router here.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

import sandbox
from sandbox import clock, database, host, identity, processor
from sandbox.clock import WorldClock
from sandbox.hospital import SCENARIOS
from sandbox.host import BillingHost
from sandbox.identity import IdentityProvider
from sandbox.ledger import Ledger
from sandbox.people import USERS
from sandbox.settings import Settings
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
        state.identity = IdentityProvider(settings.dir, settings.issuer or own_address, settings.audience)
        state.host = BillingHost(db, kafka)
        url = settings.webhook_url
        state.background = [asyncio.create_task(state.webhooks.run(url))] if url else []
        yield
        for task in state.background:
            task.cancel()
        await asyncio.gather(*state.background, return_exceptions=True)
        await state.host.stop()
        db.close()

    app = FastAPI(
        title="Sandbox",
        description=sandbox.__doc__ or "",
        version="1",
        lifespan=lifespan,
        exception_handlers=problems.HANDLERS,
    )
    for part in (processor, identity, clock, host):
        app.include_router(part.router)

    @app.get("/", tags=["sandbox"])
    async def overview() -> dict[str, Any]:
        """Tell what the sandbox can do."""
        return _overview(app)

    @app.get("/health/ready", tags=["sandbox"])
    async def ready(request: Request) -> JSONResponse:
        """Tell whether the sandbox works: all that runs in the background does."""
        ok = not any(task.done() for task in request.app.state.background)
        return JSONResponse({"ok": ok}, HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE)

    return app


def _overview(app: FastAPI) -> dict[str, Any]:
    calls: dict[str, dict[str, str]] = {}
    for path, methods in app.openapi()["paths"].items():
        for method, call in methods.items():
            calls.setdefault(call["tags"][0], {})[f"{method.upper()} {path}"] = call["description"]
    return {
        "calls": calls,
        "tokens": {name: token.does for name, token in TOKENS.items()},
        "scenarios": SCENARIOS,
        "users": {user.username: user.about for user in USERS.values()},
    }
