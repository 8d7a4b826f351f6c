"""What the tests of `shared` run against: an identity provider, and an API that is really served."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web
from aiohttp.test_utils import TestServer
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from shared.auth import AuthSettings
from shared.http import listen, serve

ISSUER = "https://identity.example"
AUDIENCE = "back-office"


@cache
def rsa_key(key_id: str) -> RSAKey:
    """Return the key of that name; they are slow to make."""
    return RSAKey.generate_key(2048, {"kid": key_id})


class Identity:
    """An identity provider: signs tokens, publishes its keys, and can be away."""

    def __init__(self) -> None:
        self.keys: list[RSAKey | ECKey] = [rsa_key("first")]
        self.away = False
        self.asked = 0
        app = web.Application()
        app.router.add_get("/jwks", self._publish)
        self.server = TestServer(app)

    async def _publish(self, _request: web.Request) -> web.Response:
        self.asked += 1
        if self.away:
            raise web.HTTPServiceUnavailable
        return web.json_response(KeySet(list(self.keys)).as_dict())

    @property
    def settings(self) -> AuthSettings:
        return AuthSettings(issuer=ISSUER, audience=AUDIENCE, jwks_url=str(self.server.make_url("/jwks")))

    def token(self, *roles: str, key: RSAKey | ECKey | None = None, alg: str = "RS256", **claims: Any) -> str:
        """Return a good token; `claims` change it, and those that are None are left out."""
        key = key or self.keys[-1]
        now = int(time.time())
        told = {"iss": ISSUER, "aud": AUDIENCE, "sub": "staff:ann", "iat": now, "exp": now + 60} | claims
        told = {name: value for name, value in told.items() if value is not None}
        return jwt.encode({"alg": alg, "kid": key.kid}, {"roles": list(roles)} | told, key, algorithms=[alg])


@asynccontextmanager
async def identity() -> AsyncIterator[Identity]:
    provider = Identity()
    await provider.server.start_server()
    try:
        yield provider
    finally:
        await provider.server.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[ClientSession]:
    """Serve `app` and give a client whose addresses are relative to it."""
    port = free_port()
    serving = asyncio.create_task(serve(app, listen("test", "127.0.0.1", port)))
    await asyncio.sleep(0)  # it listens from its first step on
    try:
        async with ClientSession(f"http://127.0.0.1:{port}", timeout=ClientTimeout(total=5)) as client:
            yield client
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
