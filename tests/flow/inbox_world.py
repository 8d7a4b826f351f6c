"""A process of the inbox on real Kafka and PostgreSQL, with gateways, hosts and staff around it."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any

from aiohttp import ClientSession, FormData
from pydantic import AnyUrl, SecretStr

from local.infrastructure import Endpoints
from sandbox.scanner import ScannerServer
from services.inbox.app import APPLICATION
from services.inbox.settings import Settings
from shared.events.topics import HOST_REGISTRATION, HOST_SCHEDULING, INBOX_COMMANDS
from tests.flow.kit import eventually, move
from tests.flow.process import Around, Running, running
from tests.unit.shared.servers import Identity, identity, served

Json = dict[str, Any]

_numbers = count(1)
_RUN = token_hex(3)
"""Told apart from other runs, which external infrastructure may have seen."""


class Answer:
    """What the service answered over HTTP."""

    def __init__(self, status: int, body: Any, headers: Any) -> None:
        self.status = status
        self.body = body
        self.etag: str | None = headers.get("etag")
        self.headers = headers


class Inbox(Around):
    """The running service, and all who talk to it."""

    def __init__(self, running: Running, client: ClientSession, provider: Identity) -> None:
        super().__init__(running)
        self.client = client
        self._provider = provider

    # Messages

    async def tell(self, topic: str, kind: str, key: str, actor: str, data: Json, **envelope: Any) -> str:
        """Publish a message; return its id."""
        message = {
            "specversion": "1.0",
            "id": f"m-{_RUN}-{next(_numbers)}",
            "source": "test",
            "type": kind,
            "time": self.clock.now().isoformat(),
            "subject": key,
            "actor": actor,
            "data": data,
            **envelope,
        }
        await self.publish(topic, key, json.dumps(message).encode())
        return str(message["id"])

    async def patient(self, **changes: Any) -> str:
        """Register a patient with their own login, whose id ends the same way; return the patient's id."""
        number = next(_numbers)
        patient_id = f"PT-{_RUN}-{number}"
        data = {
            "patient_id": patient_id,
            "person_id": f"person-{patient_id}",
            "first_name": "Ana",
            "last_name": "Ruiz",
            "birth_date": "1980-02-03",
            "sex": "female",
            "postal_code": "02139",
            "affiliate": "north",
            "time_zone": "America/New_York",
            "language": "es",
            "proxies": [f"proxy-{patient_id}"],
            **changes,
        }
        await self.tell(
            HOST_REGISTRATION.name, "registration.patient-registered.v1", patient_id, "host:registration", data
        )
        await eventually(
            lambda: self.pool.fetchval(
                "select true from patient where patient_id = $1 and told_at is not null", patient_id
            ),
            "the patient is known",
        )
        return patient_id

    async def booked(self, patient_id: str, provider_id: str, in_days: float = 3, **changes: Any) -> None:
        """Book an appointment, and wait until the inbox knows."""
        data = {
            "appointment_id": f"A-{_RUN}-{next(_numbers)}",
            "patient_id": patient_id,
            "provider_id": provider_id,
            "provider_name": f"Dr. {provider_id}",
            "affiliate": "north",
            "starts_at": (self.clock.now() + timedelta(days=in_days)).isoformat(),
            **changes,
        }
        kind = "scheduling.appointment-booked.v1"
        await self.tell(HOST_SCHEDULING.name, kind, patient_id, "host:scheduling", data)
        await eventually(
            lambda: self.pool.fetchval(
                "select true from appointment where appointment_id = $1", data["appointment_id"]
            ),
            "the appointment is known",
        )

    async def requested(self, patient_id: str, provider_id: str, request_id: str) -> None:
        """Ask a patient for a document, and wait until the inbox knows."""
        data = {
            "request_id": request_id,
            "patient_id": patient_id,
            "provider_id": provider_id,
            "affiliate": "north",
            "what": "Your record of vaccinations",
        }
        kind = "scheduling.document-requested.v1"
        await self.tell(HOST_SCHEDULING.name, kind, patient_id, "host:scheduling", data)
        await eventually(
            lambda: self.pool.fetchval("select true from document_request where request_id = $1", request_id),
            "the request is known",
        )

    async def send(self, patient_id: str, actor: str | None = None, **changes: Any) -> str:
        """Send a patient's message; return the id of the command."""
        data = {
            "message_id": f"MSG-{next(_numbers)}",
            "patient_id": patient_id,
            "kind": "non-medical",
            "category": "billing-question",
            "subject": "My bill",
            "body": "What is this charge?",
            **changes,
        }
        actor = actor or f"patient:person-{patient_id}"
        return await self.tell(INBOX_COMMANDS.name, "inbox.send-message.v1", patient_id, actor, data)

    async def sent(self, patient_id: str, **changes: Any) -> Json:
        """Send a message and return what its outcome says."""
        event = await self.outcome(await self.send(patient_id, **changes))
        data: Json = event["data"]
        return data

    async def said(self, kind: str, **about: Any) -> Json:
        """Return what the newest event of a kind about something says, once there is one."""

        def found() -> Json | None:
            of_kind = (one for one in reversed(self.heard) if one.get("type") == f"inbox.{kind}.v1")
            return next((one["data"] for one in of_kind if one["data"].items() >= about.items()), None)

        data: Json = await eventually(found, f"{kind} about {about}")
        return data

    def kinds(self, item_id: str) -> list[str]:
        """Return the kinds of all events about an item, as they came."""
        kinds = (one["type"] for one in self.heard if one.get("data", {}).get("item_id") == item_id)
        return [kind.removeprefix("inbox.").removesuffix(".v1") for kind in kinds]

    # HTTP

    def headers(self, who: str, role: str, version: int | str | None = None) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._provider.token(role, sub=who)}"}
        if role == "gateway":
            headers["on-behalf-of"] = who
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return headers

    async def get(self, path: str, who: str = "staff:ann", role: str = "billing") -> Answer:
        """Ask as staff with a role, or on behalf of a person with the role `gateway`."""
        async with self.client.get(path, headers=self.headers(who, role)) as found:
            body = await found.json() if "json" in found.content_type else await found.read()
            return Answer(found.status, body, found.headers)

    async def post(
        self,
        path: str,
        body: Json | FormData | None = None,
        who: str = "staff:ann",
        role: str = "billing",
        version: int | None = None,
        method: str = "POST",
    ) -> Answer:
        """Change something."""
        how: Json = {"data": body} if isinstance(body, FormData) else {"json": body} if body is not None else {}
        headers = self.headers(who, role, version)
        async with self.client.request(method, path, headers=headers, **how) as found:
            return Answer(found.status, await found.json(), found.headers)

    def advance(self, ahead: timedelta) -> None:
        """Move the business's clock ahead."""
        move(self.clock, ahead)


@asynccontextmanager
async def running_inbox(
    infrastructure: Endpoints, folder: Path, scanner: ScannerServer | None = None
) -> AsyncIterator[Inbox]:
    """Run a process of the inbox; files are kept in `folder`."""
    scanner = scanner or ScannerServer()
    async with AsyncExitStack() as stack:
        await scanner.start("127.0.0.1", 0)
        stack.push_async_callback(scanner.stop)
        settings = Settings(
            database_url=SecretStr(infrastructure.databases["inbox"]),
            attachments_url=AnyUrl(folder.as_uri()),
            clamd_url=AnyUrl(f"tcp://127.0.0.1:{scanner.port}"),
        )
        provider = await stack.enter_async_context(identity())
        process = await stack.enter_async_context(
            running(APPLICATION, settings, infrastructure, provider.settings)
        )
        client = await stack.enter_async_context(served(process.app))
        yield await stack.enter_async_context(Inbox(process, client, provider).talking())
