"""Who is at the page: a person who logged in, a member of staff, or a guest, and what they can do from a page.

    @router.get("/billing")
    async def billing(request: Request, person: Person) -> Response:
        found = await person.get("payments", "/v1/billing-summary")

`Person`, `Staff` and `Guest` are the dependencies; who has not logged in is sent to do so.
"""

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import aiohttp
from fastapi import Depends, Request
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from portal.calls import Answer, Services
from portal.commands import Commands, Outcome
from portal.sessions import Sessions
from shared.events.envelope import Command

UNATTENDED_HEADER: Final = "x-unattended"
_ENCRYPTION: Final = {"alg": "dir", "enc": "A256GCM"}


class LoginNeededError(Exception):
    """The page is for somebody who has logged in."""


class _Visitor(ABC):
    """What everybody at a page can do: ask a service, and publish a command and wait for its outcome."""

    def __init__(self, request: Request) -> None:
        self._services: Services = request.app.state.services
        self._commands: Commands = request.app.state.commands

    @abstractmethod
    async def _headers(self) -> dict[str, str]: ...

    async def call(self, method: str, service: str, path: str, **options: Any) -> Answer:
        """Ask a service; see `Services.call`. `headers` are added to those that say who asks."""
        headers = await self._headers() | options.pop("headers", {})
        return await self._services.call(service, method, path, headers, **options)

    async def get(self, service: str, path: str, **params: str | int) -> Any:
        """Return what a service shows at a path."""
        return (await self.call("GET", service, path, params=params)).body

    async def post(self, service: str, path: str, body: Any = None) -> Any:
        """Return what a service answers to a body."""
        return (await self.call("POST", service, path, json=body)).body

    @asynccontextmanager
    async def stream(
        self, service: str, path: str, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give a service's news while they come."""
        async with self._services.stream(service, path, {**await self._headers(), **headers}) as response:
            yield response

    @asynccontextmanager
    async def file(self, service: str, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give a file of a service while it comes."""
        async with self._services.file(service, path, await self._headers()) as response:
            yield response


class PersonAtPage(_Visitor):
    """A person who logged in."""

    def __init__(self, request: Request, told: dict[str, str]) -> None:
        super().__init__(request)
        self.id = told["id"]
        self.name = told["name"]
        self.session_id = told["session"]

    async def _headers(self) -> dict[str, str]:
        return await self._services.headers(self.id, None)

    async def ask(self, command: Command, *, subject: str, own: bool = True) -> Outcome:
        """Publish a command and wait for its outcome.

        Args:
            command: what the person asks for.
            subject: the key.
            own: whether it is about the person's own account or record, or about that of another.
        """
        actor = f"patient:{self.id}" if own else f"proxy:{self.id}"
        return await self._commands.ask(command, subject=subject, actor=actor)


class StaffAtPage(_Visitor):
    """A member of staff who logged in; the services judge their own token."""

    def __init__(self, request: Request, told: dict[str, Any], token: str) -> None:
        super().__init__(request)
        self.id: str = told["id"]
        self.name: str = told["name"]
        self.roles: frozenset[str] = frozenset(told["roles"])
        self._token = token

    async def _headers(self) -> dict[str, str]:
        return await self._services.headers(None, self._token)

    async def ask(self, command: Command, *, subject: str) -> Outcome:
        """Publish a command and wait for its outcome."""
        return await self._commands.ask(command, subject=subject, actor=f"staff:{self.id}")


class GuestAtPage(_Visitor):
    """Somebody who has not logged in: the services count tries by the address they come from."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._address = request.client.host if request.client else ""

    async def _headers(self) -> dict[str, str]:
        return await self._services.headers(None, None) | {"x-forwarded-for": self._address}

    async def ask(self, command: Command, *, subject: str) -> Outcome:
        """Publish a command and wait for its outcome."""
        return await self._commands.ask(command, subject=subject, actor="guest")


async def _person(request: Request) -> PersonAtPage:
    told = request.session.get("person")
    sessions: Sessions = request.app.state.sessions
    if told and _too_old(request):
        sessions.end(told["session"], told["id"], "timeout")
    if not told or sessions.ended(told["session"]):
        request.session.pop("person", None)
        raise LoginNeededError
    if _clicked(request):
        sessions.used(told["session"], told["id"])
        _renew(request)
    return PersonAtPage(request, told)


def signed_in(request: Request) -> str | None:
    """Return the session of the person or staff who is there; nothing when it is over."""
    told = request.session.get("person") or request.session.get("staff")
    sessions: Sessions = request.app.state.sessions
    if told is None or _too_old(request) or sessions.ended(told.get("session")):
        return None
    return str(told.get("session"))


async def _person_if_any(request: Request) -> PersonAtPage | None:
    try:
        return await _person(request)
    except LoginNeededError:
        return None


async def _staff(request: Request) -> StaffAtPage:
    told = request.session.get("staff", {})
    sessions: Sessions = request.app.state.sessions
    token = request.app.state.cookie_box.open(told.get("token", ""))
    if token is None or _too_old(request) or sessions.ended(told.get("session")):
        request.session.pop("staff", None)
        raise LoginNeededError
    if _clicked(request):
        _renew(request)
    return StaffAtPage(request, told, token)


def _too_old(request: Request) -> bool:
    began: int = request.session.get("began", 0)
    lifetime_s: int = request.app.state.settings.lifetime_s
    return time.time() > began + lifetime_s


def unattended(request: Request) -> bool:
    """Tell whether an open page asked for this by itself: perhaps nobody looks at it."""
    return UNATTENDED_HEADER in request.headers


def _clicked(request: Request) -> bool:
    """Tell whether somebody asked for this, or an open page by itself, which would keep its session for ever."""
    return not unattended(request) and "text/event-stream" not in request.headers.get("accept", "")


def _renew(request: Request) -> None:
    """Let the cookie live on while its browser is used; it is written when something in it changes."""
    minute = int(time.time()) // 60
    if request.session.get("minute") != minute:
        request.session["minute"] = minute


async def _guest(request: Request) -> GuestAtPage:
    return GuestAtPage(request)


Person = Annotated[PersonAtPage, Depends(_person)]
PersonIfAny = Annotated[PersonAtPage | None, Depends(_person_if_any)]
Staff = Annotated[StaffAtPage, Depends(_staff)]
Guest = Annotated[GuestAtPage, Depends(_guest)]


class CookieBox:
    """Encrypts what a cookie must carry and its browser must not read."""

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(hashlib.sha256(b"cookie-box:" + secret.encode()).digest())

    def close(self, content: str) -> str:
        """Return the content, encrypted."""
        return jwe.encrypt_compact(_ENCRYPTION, content.encode(), self._key)

    def open(self, box: str) -> str | None:
        """Return the content, or nothing when this is no box of ours."""
        try:
            content = jwe.decrypt_compact(box, self._key).plaintext
        except (JoseError, ValueError):
            return None
        return content.decode() if content else None
