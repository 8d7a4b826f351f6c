"""The portal's pages without the rest: services that answer what a test says, and commands that end as it says."""

import base64
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx
from aiohttp import web
from fastapi import FastAPI
from itsdangerous import TimestampSigner

from local.assets import unpacked
from portal.app import create_app
from portal.calls import TIMEOUT_S, connections
from portal.commands import Commands
from portal.events import Events
from portal.settings import PortalSettings
from shared.clock import Clock
from shared.settings import KafkaSettings

SECRET = "a secret of at least thirty-two letters"
CSRF = "csrf-of-the-test"
PROXY = "10.0.0.7"
NUMBERS = count()

Given = Callable[[web.Request], Any]


@dataclass(frozen=True)
class Asked:
    """A call that a service got."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass
class Services:
    """All services behind one address: what they answer by method and path, and what they were asked."""

    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, method: str, path: str, told: Any, status: int = 200) -> None:
        """Say what is answered: JSON, or a function of the request."""
        self.answers[method, path] = told if callable(told) else (status, told)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("openid-configuration"):
            at = f"http://{request.host}"
            return web.json_response(
                {
                    "token_endpoint": f"{at}/token",
                    "authorization_endpoint": f"{at}/login",
                    "issuer": "i",
                    "jwks_uri": "j",
                }
            )
        if request.path == "/token":
            return web.json_response({"access_token": "gateway", "expires_in": 3600})
        is_json = request.content_type == "application/json" and request.can_read_body
        sent = await request.json() if is_json else None
        self.asked.append(Asked(request.method, request.path, dict(request.query), request.headers.copy(), sent))
        told = self.answers.get((request.method, request.path))
        if told is None:
            return web.json_response({"status": 404, "reason": "not_found", "detail": "-"}, status=404)
        if callable(told):
            answered: web.StreamResponse = await told(request)
            return answered
        status, document = told
        return web.json_response(document, status=status)

    def calls(self, method: str, path: str) -> list[Asked]:
        return [asked for asked in self.asked if (asked.method, asked.path) == (method, path)]


class Producer:
    """Takes commands as Kafka would, and has each end at once as `outcome` says."""

    def __init__(self, events: Events) -> None:
        self.sent: list[dict[str, Any]] = []
        self.outcome: tuple[str, str, dict[str, Any]] | None = ("done", "a.done.v1", {})
        self._events = events

    async def send_and_wait(self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]]) -> None:
        assert headers == [("content-type", b"application/cloudevents+json")]
        command = json.loads(value)
        assert key.decode() == command["subject"]
        self.sent.append(command)
        if self.outcome is not None:
            self.end(topic, command, *self.outcome)

    def end(self, topic: str, command: dict[str, Any], outcome: str, kind: str, data: dict[str, Any]) -> None:
        """Have a command end, at once or later."""
        event = {
            "id": f"outcome-of-{command['id']}",
            "type": kind,
            "subject": command["subject"],
            "causationid": command["id"],
            "correlationid": command["id"],
            "outcome": outcome,
            "data": data,
        }
        self._events.take(topic.replace("commands", "events"), json.dumps(event).encode())


@dataclass
class World:
    """The portal, and all that it sees of the world."""

    app: FastAPI
    services: Services
    producer: Producer

    def forget(self) -> None:
        """Begin anew, for the next test."""
        self.services.answers.clear()
        self.services.asked.clear()
        self.producer.sent.clear()
        self.producer.outcome = ("done", "a.done.v1", {})

    def visitor(
        self, *, cookie: dict[str, Any] | None = None, language: str = "en", address: str = "127.0.0.1"
    ) -> httpx.AsyncClient:
        """Return a browser that is logged in as the cookie says, and connects from an address."""
        signed = TimestampSigner(SECRET).sign(
            base64.b64encode(json.dumps({"csrf": CSRF, "began": int(time.time()), **(cookie or {})}).encode())
        )
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(address, 50_000)),
            base_url="http://portal",
            cookies={"session": signed.decode(), "language": language},
        )

    def person(self, language: str = "en") -> httpx.AsyncClient:
        cookie = {"person": {"id": "person-1", "name": "Maria Sandoval", "session": "session-1"}}
        return self.visitor(cookie=cookie, language=language)

    def staff(self, name: str = "ann", *roles: str) -> httpx.AsyncClient:
        return self.visitor(cookie=self.of_staff(name, *roles))

    def of_staff(self, name: str, *roles: str) -> dict[str, Any]:
        """Return the cookie of a member of staff, of a session of its own."""
        token = self.app.state.cookie_box.close(f"token-of-{name}")
        told = {"id": name, "name": name.title(), "roles": list(roles or ("billing",))}
        return {"staff": {**told, "token": token, "session": f"session-{next(NUMBERS)}"}}


@asynccontextmanager
async def portal(call_s: float = TIMEOUT_S) -> AsyncIterator[World]:
    """Run the portal in this process, with services at a real address; a call may take so long."""
    services = Services()
    server = web.Application()
    server.router.add_route("*", "/{path:.*}", services.handle)
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        at = f"http://{host}:{port}"
        settings = PortalSettings(
            trusted_proxies=f"{PROXY},10.1.0.0/16",
            public_url="http://portal",
            secret=SECRET,
            oidc_issuer=at,
            payments_url=at,
            insurance_url=at,
            inbox_url=at,
            notifications_url=at,
            processor_js_url=at,
            assets_dir=unpacked(),
            outcome_wait_s=0.2,
        )
        events = Events(KafkaSettings(bootstrap_servers="nowhere:1"), 900)
        producer = Producer(events)
        async with connections(call_s) as out:
            clock = Clock()
            app = create_app(settings, out, Commands(producer, events, clock, 0.2), events, clock)
            yield World(app, services, producer)
    finally:
        await runner.cleanup()


def form(**fields: str) -> dict[str, str]:
    """Return what a form of ours sends."""
    return {"csrf": CSRF, **fields}


def seen(page: str) -> str:
    """Return the words of a page, without its marks."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())
