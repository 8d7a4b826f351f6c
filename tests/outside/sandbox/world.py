"""A sandbox that is really served, and a receiver of its webhooks."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import uvicorn
from aiohttp import ClientSession, ClientTimeout, web
from aiohttp.test_utils import TestServer
from fastapi import FastAPI
from pydantic import SecretStr

from local.ports import free_port
from sandbox.app import create_app
from sandbox.settings import Settings
from shared.settings import KafkaSettings

SECRET = "a secret of the tests"
PORTAL_SECRET = "the portal's secret of the tests"
BEARER = {"Authorization": f"Bearer {SECRET}"}
DAY_S = 86_400
ARRIVAL_S_MAX = 10

Json = dict[str, Any]


class Receiver:
    """Takes webhooks whose signature is right, or answers what the test wants first (`statuses`)."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.signatures: list[str] = []
        self._events: asyncio.Queue[Json] = asyncio.Queue()
        app = web.Application()
        app.router.add_post("/webhooks", self._take)
        self.server = TestServer(app)

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        signature = request.headers["Processor-Signature"]
        sent_at, digest = (part.partition("=")[2] for part in signature.split(","))
        assert digest == hmac.new(SECRET.encode(), f"{sent_at}.".encode() + body, sha256).hexdigest()
        self.signatures.append(signature)
        status = self.statuses.pop(0) if self.statuses else 204
        self._events.put_nowait(await request.json() | {"answered": status})
        return web.Response(status=status)

    async def event(self, within_s: float = ARRIVAL_S_MAX) -> Json:
        """Return the next event that comes, with the status that it was `answered`."""
        return await asyncio.wait_for(self._events.get(), within_s)


@dataclass
class World:
    """A running sandbox as its clients see it."""

    client: ClientSession
    receiver: Receiver
    app: FastAPI | None = None

    async def get(self, path: str, **more: Any) -> tuple[int, Any]:
        """Return status and body."""
        async with self.client.get(path, **more) as answer:
            return answer.status, await answer.json()

    async def post(self, path: str, body: object = None, **more: Any) -> tuple[int, Any]:
        """Return status and body."""
        async with self.client.post(path, json=body, **more) as answer:
            return answer.status, await answer.json()

    async def charge(
        self, key: str, does: str = "tok_ok", *, timeout_s: float = 30, **order: Any
    ) -> tuple[int, Json]:
        """Charge 25.00 to an account, unless `order` says otherwise."""
        kind = "bank_account" if "bank" in does else "card"
        body = {
            "payment_id": "payment-1",
            "account_number": "SBX-1001",
            "amount_minor": 2_500,
            "currency": "USD",
            "method": {"kind": kind, "token": does},
        } | order
        headers = BEARER | {"Idempotency-Key": key}
        timeout = ClientTimeout(total=timeout_s)
        return await self.post("/processor/charges", body, headers=headers, timeout=timeout)

    async def refund(self, key: str, charge_id: str, amount_minor: int) -> tuple[int, Json]:
        """Give back a part of a charge."""
        path, body = f"/processor/charges/{charge_id}/refunds", {"amount_minor": amount_minor}
        return await self.post(path, body, headers=BEARER | {"Idempotency-Key": key})

    async def by_key(self, key: str) -> tuple[int, Json]:
        """Ask what became of a charge."""
        return await self.get(f"/processor/charges/by-key/{key}", headers=BEARER)

    async def happened(self, account_number: str = "SBX-1001") -> list[Json]:
        """List the charges of an account that really happened."""
        status, charges = await self.get("/processor/charges", params={"account_number": account_number})
        assert status == 200
        assert isinstance(charges, list)
        return charges

    async def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        status, _ = await self.post("/clock", {"advance_s": seconds})
        assert status == 200

    async def webhooks(self, mode: str) -> None:
        """Choose how webhooks are sent."""
        assert await self.post("/processor/behaviour", {"webhooks": mode}) == (200, {"webhooks": mode})


@asynccontextmanager
async def served(folder: Path, kafka: KafkaSettings | None = None, **told: Any) -> AsyncIterator[World]:
    """Run a sandbox whose truth is in `folder`, until the context ends; `told` are further settings."""
    receiver = Receiver()
    async with receiver.server:
        port = free_port()
        settings = Settings(
            http_port=port,
            dir=folder,
            processor_secret=SecretStr(SECRET),
            portal_client_secret=SecretStr(PORTAL_SECRET),
            webhook_url=str(receiver.server.make_url("/webhooks")),
            **{name: free_port() for name in ("smtp_port", "smpp_port", "clamd_port")} | told,
        )
        app = create_app(settings, kafka)
        # As its own process: who was never to be answered is not waited for.
        config = uvicorn.Config(app, port=port, log_config=None, timeout_graceful_shutdown=1)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        try:
            async with ClientSession(f"http://127.0.0.1:{port}") as client:
                yield World(client, receiver, app)
        finally:
            await server.shutdown()
