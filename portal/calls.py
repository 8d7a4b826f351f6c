"""Calls of the services' HTTP APIs: on behalf of a person with the gateway's own token, or with a staff member's.

A problem document becomes one `ServiceProblem`, a service that does not answer one `ServiceAwayError`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar

import aiohttp
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import UploadFile

from portal.identity import IdentityProvider
from portal.settings import PortalSettings

TIMEOUT_S: Final = 10.0
QUIET_S: Final = 60.0
"""A stream, or a file that is drawn first, says something at least this often, or it is dead."""
CALLS_MAX: Final = 100
STREAMS_MAX: Final = 500
FILES_MAX: Final = 100
"""How many are under way at once; the next waits for its connection as long as a call may take."""
ASIDE_S: Final = 4.0
"""How long a page waits for a part that it can do without."""

_PIECE_BYTES: Final = 64 * 1024

_Part = TypeVar("_Part")


class Answered(BaseModel):
    """A part of what a service answers, as pages read it: fields that it adds are ignored."""

    model_config = ConfigDict(frozen=True)


class ServiceAwayError(Exception):
    """A service does not answer, or fails."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.service = service


class ServiceProblem(Exception):  # noqa: N818  # a problem document, as RFC 9457 calls it
    """A service says no: its problem document."""

    def __init__(self, service: str, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(service, status)
        self.service = service
        self.status = status
        self.document = document

    @property
    def reason(self) -> str:
        """The stable name of what is wrong, or nothing."""
        return str(self.document.get("reason") or "")

    @property
    def detail(self) -> str:
        """One sentence in English."""
        return str(self.document.get("detail") or "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered: JSON, or bytes of another kind."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Connections:
    """Connections to others, by how long they are needed: no page waits while many read streams and files.

    Attributes:
        calls: for what a page asks and waits for.
        streams: for news, as long as a page is open.
        files: for downloads, as long as a slow line takes.
    """

    calls: aiohttp.ClientSession
    streams: aiohttp.ClientSession
    files: aiohttp.ClientSession


@asynccontextmanager
async def connections(call_s: float = TIMEOUT_S) -> AsyncIterator[Connections]:
    """Keep connections; a call may take so long, and so may each connection.

    A file may be drawn first, behind others.
    """
    timeout = aiohttp.ClientTimeout
    async with (
        _session(CALLS_MAX, timeout(total=call_s)) as calls,
        _session(STREAMS_MAX, timeout(connect=call_s, sock_connect=call_s, sock_read=QUIET_S)) as streams,
        _session(FILES_MAX, timeout(connect=call_s, sock_connect=call_s, sock_read=QUIET_S)) as files,
    ):
        yield Connections(calls, streams, files)


def _session(connections_max: int, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections_max), timeout=timeout)


class Services:
    """The services' HTTP APIs."""

    def __init__(self, settings: PortalSettings, identity: IdentityProvider, out: Connections) -> None:
        self._addresses = settings.services
        self._identity = identity
        self._out = out

    async def headers(self, person_id: str | None, token: str | None) -> dict[str, str]:
        """Return what proves who asks: staff by their own token, others through the gateway's."""
        if token is not None:
            return {"authorization": f"Bearer {token}"}
        of_gateway = {"authorization": f"Bearer {await self._identity.gateway_token()}"}
        return of_gateway if person_id is None else of_gateway | {"on-behalf-of": person_id}

    async def call(
        self, service: str, method: str, path: str, headers: Mapping[str, str], **options: Any
    ) -> Answer:
        """Ask a service; `options` are those of aiohttp (`json`, `params`, `data`).

        Raises:
            ServiceProblem: it says no.
            ServiceAwayError: it says nothing, or fails.
        """
        async with self._asked(self._out.calls, service, method, path, headers, **options) as response:
            try:
                json = response.content_type.endswith("json")
                body = await response.json(content_type=None) if json else await response.read()
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise ServiceAwayError(service) from error
            return Answer(response.status, response.headers, body)

    def stream(
        self, service: str, path: str, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Give a service's news while they come; raises as `call` does, also when too many follow them."""
        return self._asked(self._out.streams, service, "GET", path, headers)

    def file(
        self, service: str, path: str, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Give a file while it comes, however long that takes; raises as `call` does, also when too many load."""
        return self._asked(self._out.files, service, "GET", path, headers)

    @asynccontextmanager
    async def _asked(
        self,
        out: aiohttp.ClientSession,
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        **options: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        address = self._addresses.get(service)
        if address is None:  # work may be raised by one that has no pages here
            raise ServiceAwayError(service)
        url = f"{address}{path}"
        try:
            response = await out.request(method, url, headers=headers, allow_redirects=False, **options)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceAwayError(service) from error
        async with response:
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise await _failure(service, response)
            yield response


async def pieces(file: UploadFile) -> AsyncIterator[bytes]:
    """Give a file of a form, to be sent on.

    The file itself is the form's to close: aiohttp would, in a thread of its own, while the form does.
    """
    while piece := await file.read(_PIECE_BYTES):
        yield piece


async def aside(part: Awaitable[_Part]) -> _Part | None:
    """Return a part that a page can do without; nothing when its service is away or slow, or says no."""
    try:
        async with asyncio.timeout(ASIDE_S):
            return await part
    except (ServiceAwayError, ServiceProblem, TimeoutError):
        return None


async def _failure(service: str, response: aiohttp.ClientResponse) -> Exception:
    try:
        document = {} if response.method == "HEAD" else await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return ServiceAwayError(service)
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR or not isinstance(document, dict):
        return ServiceAwayError(service)
    return ServiceProblem(service, response.status, document)
