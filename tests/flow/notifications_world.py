"""A process of notifications on real Kafka and PostgreSQL, beside the sandbox's mail server and carrier."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from pydantic import SecretStr, TypeAdapter

from local.infrastructure import Endpoints
from local.ports import free_port
from services.notifications.app import APPLICATION
from services.notifications.settings import Settings
from services.notifications.wording import current_text
from shared import http
from shared.auth import AuthSettings
from shared.events.topics import (
    HOST_BILLING,
    HOST_REGISTRATION,
    NOTIFICATIONS_COMMANDS,
    PAYMENTS_EVENTS,
)
from tests.flow.kit import eventually, move, new_database
from tests.flow.process import Around, Running, running
from tests.outside.sandbox.world import World, served

Json = dict[str, Any]

SECRET = "a secret of the tests, long enough"
TIMEOUT_S = 2.0
numbers = count(1)


class Person:
    """Somebody with a guarantor account, a mailbox and a mobile, all their own."""

    def __init__(self) -> None:
        number = next(numbers)
        self.person_id = f"NP-{number}"
        self.account = f"NG-{number}"
        self.email = f"person{number}@mail.example"
        self.number = f"+1415{2_000_000 + number}"


class Hospital(Around):
    """What is published to notifications and what it says; the mails and texts that arrive; its HTTP."""

    def __init__(self, running: Running, world: World, client: ClientSession) -> None:
        super().__init__(running)
        self.world = world
        self.client = client

    async def tell(self, topic: str, kind: str, key: str, actor: str, data: Json) -> Json:
        """Publish a message; return it."""
        message = {
            "specversion": "1.0",
            "id": f"n-{next(numbers)}",
            "source": "test",
            "type": kind,
            "time": self.clock.now().isoformat(),
            "subject": key,
            "actor": actor,
            "data": data,
        }
        await self.publish(topic, key, json.dumps(message).encode())
        return message

    async def command(self, person: Person, name: str, actor: str | None = None, **data: Any) -> Json:
        """Publish a command of a person and return how it ended."""
        sent = await self.tell(
            NOTIFICATIONS_COMMANDS.name,
            f"notifications.{name}.v1",
            person.person_id,
            actor or f"patient:{person.person_id}",
            {"person_id": person.person_id, **data},
        )
        return await self.outcome(sent["id"])

    async def open_account(self, *persons: Person, account: str | None = None) -> str:
        """Open the account of the first of the persons, whom the others may see it with."""
        first, *others = persons
        number = account or first.account
        data = {
            "account_number": number,
            "guarantor": {"person_id": first.person_id, "first_name": "Ada", "last_name": "Reyes"},
            "viewers": [other.person_id for other in others],
            "affiliate": "north",
            "currency": "USD",
        }
        kind = "billing.guarantor-account-opened.v1"
        await self.tell(HOST_BILLING.name, kind, number, "host:billing", data)
        known = "select exists (select from account where number = $1 and persons = $2)"
        named = json.dumps([person.person_id for person in persons])
        await eventually(lambda: self.pool.fetchval(known, number, named), f"{number} is known")
        return number

    async def register(self, person: Person, time_zone: str, language: str = "en") -> None:
        """Register a patient who has a login."""
        data: Json = {
            "patient_id": f"M-{person.person_id}",
            "person_id": person.person_id,
            "first_name": "Ada",
            "last_name": "Reyes",
            "birth_date": "1980-01-01",
            "sex": "female",
            "postal_code": "60601",
            "affiliate": "north",
            "time_zone": time_zone,
            "language": language,
            "proxies": [],
        }
        kind = "registration.patient-registered.v1"
        await self.tell(HOST_REGISTRATION.name, kind, data["patient_id"], "host:registration", data)
        known = "select exists (select from patient where person_id = $1)"
        await eventually(lambda: self.pool.fetchval(known, person.person_id), "the patient is known")

    async def statement(self, account: str, statement_id: str, *persons: Person) -> Json:
        """Say as payments does that a statement can be read; return what was published."""
        data = {
            "account_number": account,
            "statement_id": statement_id,
            "person_ids": [person.person_id for person in persons],
            "issued_on": "2026-03-01",
            "due_on": "2026-03-26",
        }
        kind = "payments.statement-available.v1"
        return await self.tell(PAYMENTS_EVENTS.name, kind, account, "service:payments", data)

    async def mails(self, person: Person, at_least: int = 0) -> list[Json]:
        """Return the mails that a person got, once there are so many."""
        return await self._arrived(f"/mail/messages?to={person.email}", at_least)

    async def texts(self, person: Person, at_least: int = 0) -> list[Json]:
        """Return the texts that a person got, once there are so many."""
        return await self._arrived(f"/sms/messages?to=%2B{person.number[1:]}", at_least)

    async def _arrived(self, path: str, at_least: int) -> list[Json]:
        async def found() -> list[list[Json]]:
            _, messages = await self.world.get(path)
            return [messages] if len(messages) >= at_least else []

        (messages,) = await eventually(found, f"{at_least} at {path}")
        assert isinstance(messages, list)
        return messages

    async def confirmed(self, person: Person, channel: str) -> str:
        """Add a contact of a person and bring the code that they got; return its id."""
        contact_id = f"{person.person_id}-{channel}"
        address = person.email if channel == "email" else person.number
        added = await self.command(person, "add-contact", contact_id=contact_id, channel=channel, address=address)
        assert added["type"] == "notifications.code-sent.v1", added
        (message,) = await (self.mails if channel == "email" else self.texts)(person, 1)
        done = await self.command(person, "confirm-contact", contact_id=contact_id, code=code_in(message))
        assert done["type"] == "notifications.contact-verified.v1", done
        return contact_id

    async def enrol(self, person: Person, *channels: str, account: str | None = None) -> Json:
        """Confirm contacts of a person and enrol them with alerts there."""
        alerts = {channel: await self.confirmed(person, channel) for channel in channels}
        return await self.enrol_with(person, alerts, account or person.account)

    async def enrol_with(self, person: Person, alerts: Json, account: str, **consent: Any) -> Json:
        consent = {"accepted": True, "text_version": current_text("en").version, **consent}
        return await self.command(
            person, "enrol-paperless", account_number=account, alerts=alerts, consent=consent
        )

    async def said(self, name: str, person: Person, **data: Any) -> Json:
        """Return the first event of a name about a person, once there is one."""

        def found() -> Json | None:
            return next((one for one in self.told(name, person) if data.items() <= one["data"].items()), None)

        event: Json = await eventually(found, f"{name} of {person.person_id}")
        return event

    def told(self, name: str, person: Person) -> list[Json]:
        """Return the events of a name that were told about a person so far."""
        kind = f"notifications.{name}.v1"
        return [one for one in self.heard if one.get("type") == kind and one["subject"] == person.person_id]

    async def behave(self, kind: str, address: str, behaviour: str) -> None:
        """Let an address of the sandbox behave so."""
        status, _ = await self.world.post(f"/{kind}/behaviour", {"address": address, "behaviour": behaviour})
        assert status == 200

    async def advance(self, ahead: timedelta) -> None:
        """Move the world's clock and the service's ahead."""
        await self.world.advance(ahead.total_seconds())
        move(self.clock, ahead)

    async def advance_to(self, hour: int) -> None:
        """Move on until it is this hour, in UTC."""
        now = self.clock.now()
        ahead = (hour - now.hour) % 24
        await self.advance(timedelta(hours=ahead) - timedelta(minutes=now.minute - 1))

    async def token(self) -> dict[str, str]:
        """Return the header that a gateway calls with."""
        gateway = {"sub": "gateway:test", "roles": ["gateway"]}
        _, token = await self.world.post("/identity/token", gateway)
        return {"Authorization": f"Bearer {token['access_token']}"}

    async def holds_nowhere_but_in_contacts(self, *private: str) -> None:
        """Demand that what is private is in no event and in no table but the one for it."""
        assert not any(one in str(self.heard) for one in private)
        tables = await self.pool.fetch("select tablename from pg_tables where schemaname = 'public'")
        for (table,) in tables:
            for one in private if table != "contact" else ():
                found = await self.pool.fetchval(
                    f"select count(*) from {table} t where t::text like '%' || $1 || '%'", one
                )
                assert found == 0, table

    async def preferences(self, person: Person) -> Json:
        """Return what a person sees of their choices."""
        headers = {**await self.token(), "on-behalf-of": person.person_id}
        async with self.client.get("/v1/preferences", headers=headers) as answer:
            assert answer.status == 200
            shown: Json = await answer.json()
            return shown


def code_in(message: Json) -> str:
    """Return the code that a mail or text holds."""
    found = re.search(r"\b\d{6}\b", message["text"])
    assert found, "no code"
    return found[0]


def settings_of(url: str, own: str, smtp_port: int, sms_url: str) -> Settings:
    return TypeAdapter(Settings).validate_python(
        {
            "database_url": url,
            "smtp_url": f"smtp://127.0.0.1:{smtp_port}",
            "email_secret": SECRET,
            "sms_url": sms_url,
            "sms_secret": SECRET,
            "public_url": own,
            "portal_url": "https://portal.example",
            "secret": SECRET,
            "provider_timeout_s": TIMEOUT_S,
        }
    )


@asynccontextmanager
async def hospital(infrastructure: Endpoints, folder: Path, *, smpp: bool = False) -> AsyncIterator[Hospital]:
    """Offer a process of notifications that is really served; it sends texts over HTTP, or over SMPP."""
    url = await new_database(infrastructure)
    port, smtp_port, smpp_port = free_port(), free_port(), free_port()
    own = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        secret = SecretStr(SECRET)
        sandbox = served(
            folder,
            smtp_port=smtp_port,
            smpp_port=smpp_port,
            mail_secret=secret,
            mail_events_url=f"{own}/v1/email/events",
            sms_secret=secret,
            sms_inbound_url=f"{own}/v1/sms/inbound",
        )
        world = await stack.enter_async_context(sandbox)
        async with world.client.get("/") as answer:
            at = answer.url
        over_http = str(at.with_path("/sms/2010-04-01/Accounts/ACtest"))
        sms_url = f"smpp://hospital@127.0.0.1:{smpp_port}" if smpp else over_http
        settings = settings_of(url, own, smtp_port, sms_url)
        issuer = str(at.with_path("/identity"))
        believed = AuthSettings(issuer=issuer, jwks_url=f"{issuer}/jwks")
        process = await stack.enter_async_context(running(APPLICATION, settings, infrastructure, believed))
        client = await stack.enter_async_context(ClientSession(own))
        made = await stack.enter_async_context(Hospital(process, world, client).talking())
        serving = asyncio.create_task(http.serve(process.app, http.listen("notifications", "127.0.0.1", port)))
        # Noon in New York, so that texts go out at once.
        midday = datetime.now(UTC).replace(hour=17, minute=0)  # noqa: TID251  # the test's own clock
        await made.advance((midday - datetime.now(UTC)) % timedelta(days=1))  # noqa: TID251
        yield made
        serving.cancel()
        await asyncio.wait([serving])
