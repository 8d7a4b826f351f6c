"""The HTTP API of payments, served on a real database and with real rules, without Kafka and the processor."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession
from pydantic import AnyHttpUrl, SecretStr

from local.infrastructure import Endpoints
from services.payments.app import APPLICATION
from services.payments.settings import Settings
from shared.clock import Clock
from shared.database import Pool
from shared.messaging.handling import Handling
from shared.migrations import upgrade
from shared.process import assemble
from shared.settings import KafkaSettings
from tests.outside.sandbox.world import SECRET
from tests.unit.shared.servers import Identity, identity, served

Json = dict[str, Any]


@dataclass
class Api:
    """The served API, the rules and the database behind it, and their clock."""

    client: ClientSession
    provider: Identity
    pool: Pool
    clock: Clock
    handling: Handling[Any]

    def headers(self, person: str | None, role: str) -> dict[str, str]:
        """Return what proves who calls."""
        subject = "gateway:test" if role == "gateway" else f"staff:{person or 'ann'}"
        headers = {"Authorization": f"Bearer {self.provider.token(role, sub=subject)}"}
        return headers | {"on-behalf-of": person} if person and role == "gateway" else headers

    async def get(self, path: str, *, person: str | None = None, role: str = "gateway") -> tuple[int, Any]:
        """Ask on behalf of a person, or as staff with a role."""
        async with self.client.get(path, headers=self.headers(person, role)) as found:
            return found.status, await found.json()

    async def pdf(self, path: str, *, person: str) -> tuple[int, bytes]:
        """Ask for a document."""
        async with self.client.get(path, headers=self.headers(person, "gateway")) as found:
            return found.status, await found.read()

    async def post(
        self, path: str, body: object = None, *, person: str | None = None, role: str = "gateway", **headers: str
    ) -> tuple[int, Any]:
        """Send on behalf of a person, or as staff."""
        sent = self.headers(person, role) | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.post(path, json=body, headers=sent) as found:
            return found.status, await found.json(content_type=None)


def settings_of(url: str, processor_url: str = "http://127.0.0.1:1", /, **limits: float) -> Settings:
    """Return the settings of a process of payments."""
    return Settings(
        database_url=SecretStr(url),
        processor_url=AnyHttpUrl(processor_url),
        processor_secret=SecretStr(SECRET),
        secret=SecretStr(SECRET),
        guest_challenge_cost=1,
        **limits,  # type: ignore[arg-type]  # limits are all numbers
    )


@asynccontextmanager
async def served_payments(infrastructure: Endpoints, **limits: float) -> AsyncIterator[Api]:
    """Serve the API with these limits, until the context ends."""
    url, kafka, clock = (
        infrastructure.databases["payments"],
        KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        Clock(),
    )
    await upgrade(url, APPLICATION.revisions)
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(identity())
        own = settings_of(url, **limits)
        messaging, app = await assemble(APPLICATION, own, kafka, provider.settings, clock, stack)
        client = await stack.enter_async_context(served(app))
        yield Api(client, provider, messaging.pool, clock, messaging.handling)
