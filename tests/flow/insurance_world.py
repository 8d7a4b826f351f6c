"""A process of insurance on real Kafka and PostgreSQL, beside the sandbox's clearinghouse, served over HTTP."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from cryptography.fernet import Fernet
from pydantic import AnyHttpUrl, SecretStr

from local.infrastructure import Endpoints
from services.insurance.app import APPLICATION
from services.insurance.settings import Settings
from shared.events.envelope import Data, Message, write
from shared.events.topics import (
    HOST_REGISTRATION,
    HOST_SCHEDULING,
    INSURANCE_COMMANDS,
    PORTAL_SESSIONS,
)
from tests.flow import process
from tests.flow.kit import eventually, move
from tests.flow.process import Around, Running
from tests.outside.sandbox.world import World
from tests.outside.sandbox.world import served as served_sandbox
from tests.unit.insurance.story import message, registered
from tests.unit.shared.servers import Identity, identity, served

Json = dict[str, Any]

TIMEOUT_S = 1.0

_numbers = count(1)


class Insurance(Around):
    """Gateways, hosts and staff: what they publish and ask, and what insurance tells them."""

    def __init__(self, running: Running, world: World, client: ClientSession, provider: Identity) -> None:
        super().__init__(running)
        self.app = running.app
        self.world = world
        self.client = client
        self.provider = provider

    async def tell(self, topic: str, data: Data, actor: str = "host:registration") -> Message[Data]:
        """Publish a fact."""
        told = message(data, at=self.clock.now(), actor=actor, source=f"test-{next(_numbers)}")
        await self.publish(topic, told.subject, write(told))
        return told

    async def patient(self, **changes: Any) -> tuple[str, str]:
        """Return a patient that insurance knows, and the person who acts for them."""
        number = next(_numbers)
        patient_id, person_id = f"PT-F{number}", f"P-F{number}"
        told = registered(**{"patient_id": patient_id, "person_id": person_id, "proxies": ()} | changes)
        await self.tell(HOST_REGISTRATION.name, told)
        known = "select exists (select from patient where patient_id = $1 and told_at is not null)"
        await eventually(lambda: self.pool.fetchval(known, patient_id), f"{patient_id} is known")
        return patient_id, person_id

    async def command(self, data: Data, actor: str) -> Message[Data]:
        """Publish a command."""
        return await self.tell(INSURANCE_COMMANDS.name, data, actor)

    async def ended(self, session: Data) -> None:
        """Publish something about a session."""
        await self.tell(PORTAL_SESSIONS.name, session, "service:portal")

    async def schedule(self, fact: Data) -> None:
        """Publish something about an appointment."""
        await self.tell(HOST_SCHEDULING.name, fact, "host:scheduling")

    def all_said(self, coverage_id: str, kind: str) -> list[Json]:
        """Return what was said of a kind about a coverage."""
        return [
            one["data"]
            for one in self.heard
            if one.get("type") == f"insurance.{kind}.v1" and one["data"].get("coverage_id") == coverage_id
        ]

    async def said(self, coverage_id: str, kind: str, times: int = 1) -> Json:
        """Return the newest event of a kind about a coverage, once there are so many."""
        await eventually(
            lambda: len(self.all_said(coverage_id, kind)) >= times, f"{times} {kind} about {coverage_id}"
        )
        return self.all_said(coverage_id, kind)[-1]

    async def advance(self, ahead: timedelta) -> None:
        """Move the world's clock and the service's ahead."""
        await self.world.advance(ahead.total_seconds())
        move(self.clock, ahead)

    async def asked(self, member_id: str) -> list[Json]:
        """Return what reached the payer about a member."""
        status, found = await self.world.get("/clearinghouse/requests", params={"member_id": member_id})
        assert status == 200
        requests: list[Json] = found
        return requests

    async def get(self, path: str, *, person: str | None = None, role: str = "gateway") -> tuple[int, Any]:
        """Ask on behalf of a person, or as staff with a role."""
        return await self.call("GET", path, person=person, role=role)

    async def call(
        self, method: str, path: str, body: object = None, *, person: str | None = None, role: str = "gateway"
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.provider.token(role, sub='staff:ines')}"}
        if person:
            headers["on-behalf-of"] = person
        async with self.client.request(method, path, json=body, headers=headers) as found:
            return found.status, await found.json()


@asynccontextmanager
async def running(infrastructure: Endpoints, folder: Path) -> AsyncIterator[Insurance]:
    """Run one process until the context ends."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(served_sandbox(folder))
        async with world.client.get("/") as found:
            clearinghouse = AnyHttpUrl(str(found.url.with_path("/clearinghouse")))
        settings = Settings(
            database_url=SecretStr(infrastructure.databases["insurance"]),
            clearinghouse_url=clearinghouse,
            clearinghouse_timeout_s=TIMEOUT_S,
            raw_key=SecretStr(Fernet.generate_key().decode()),
        )
        provider = await stack.enter_async_context(identity())
        started = await stack.enter_async_context(
            process.running(APPLICATION, settings, infrastructure, provider.settings)
        )
        client = await stack.enter_async_context(served(started.app))
        yield await stack.enter_async_context(Insurance(started, world, client, provider).talking())
