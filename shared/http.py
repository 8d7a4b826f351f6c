"""The HTTP side of a service: `api` builds it around the service's routers, `serve` runs it.

What all services owe their callers and operators is here, once: problem documents, bearer tokens, health,
metrics, documentation, limits and security headers.
"""

import asyncio
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from socket import AF_INET, AF_INET6, create_server, socket
from typing import Any, Final

import structlog
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.routing import APIRoute, iter_route_contexts
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import problems, reference
from shared.auth import TokenVerifier, judge, public, roles_allowed
from shared.paths import Segments
from shared.problems import Problem

BODY_BYTES_MAX: Final = 256 * 1024
READINESS_TIMEOUT_S: Final = 5.0
SHUTDOWN_TIMEOUT_S: Final = 5
# Longer than balancers and clients keep a connection that nobody uses: if the server hung up first, a call that is
# just being sent would get no answer.
IDLE_CONNECTION_S: Final = 75

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a process needs in order to work: whether it has it, and what is wrong if not."""

    ok: bool
    detail: str


Readiness = Callable[[], Awaitable[Mapping[str, Check]]]


def api(
    title: str,
    description: str,
    *,
    routers: Sequence[APIRouter],
    verifier: TokenVerifier,
    readiness: Readiness,
    registry: CollectorRegistry,
    asyncapi: Mapping[str, Any],
) -> FastAPI:
    """Return a service's HTTP API.

    Args:
        title: the service's name, for the documentation.
        description: what it is for.
        routers: its own routes. A body may have `BODY_BYTES_MAX` bytes unless a route says otherwise
            (`max_body_size`).
        verifier: judges bearer tokens.
        readiness: tells by name what the process needs and whether it has it.
        registry: the metrics to show.
        asyncapi: the AsyncAPI document of its topics.

    Raises:
        ValueError: a route does not say who may call it.
    """
    app = _Api(
        title=title,
        description=description,
        version="1",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=problems.HANDLERS,
        responses={"default": {"$ref": "#/components/responses/Problem", "description": "An error."}},
        # FastAPI's own would put URLs, which name accounts, and messages of exceptions into spans.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.verifier = verifier
    app.add_middleware(Gate)
    app.add_middleware(Segments)
    app.add_middleware(Frame)
    app.include_router(_operations(app, readiness, registry, asyncapi))
    for router in routers:
        app.include_router(router, max_body_size=BODY_BYTES_MAX)
    for method, path, roles in access(app):
        if roles is None:
            raise ValueError(f"{method} {path} does not say who may call it: see shared.auth")
    return app


def access(app: FastAPI) -> list[tuple[str, str, frozenset[str] | None]]:
    """Return every call as method, path, and roles of which one is needed (see `auth.roles_allowed`)."""
    return [
        (method, route.path or "", roles_allowed(route.dependant))
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute)
        for method in sorted(route.methods or ())
    ]


class _Api(FastAPI):
    """FastAPI whose OpenAPI document also tells the roles, and the form of errors."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            schema = problems.ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            components = document.setdefault("components", {})
            components.setdefault("schemas", {}).update(schema.pop("$defs"), Problem=schema)
            components["responses"] = {
                "Problem": {
                    "description": "An error.",
                    "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
            }
            for method, path, roles in access(self):
                if roles and (call := document["paths"].get(path, {}).get(method.lower())):
                    call["security"] = [{"bearer": sorted(roles)}]
        return super().openapi()


_NOT_READY: Final[dict[int | str, dict[str, Any]]] = {
    503: {"description": "Something that it needs is not there.", "content": {"application/json": {}}}
}
_METRICS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}
}


def _operations(
    app: FastAPI, readiness: Readiness, registry: CollectorRegistry, asyncapi: Mapping[str, Any]
) -> APIRouter:
    """Return the routes that every service has; they are open, and show nobody's data."""
    router = APIRouter(dependencies=[Depends(public)], tags=["operations"])

    @router.get("/health/live")
    async def live() -> dict[str, bool]:
        """Tell that the process answers."""
        return {"ok": True}

    @router.get("/health/ready", responses=_NOT_READY)
    async def ready() -> JSONResponse:
        """Tell whether the process has all that it needs, and each thing that it needs."""
        try:
            async with asyncio.timeout(READINESS_TIMEOUT_S):
                checks = await readiness()
        except TimeoutError:
            checks = {"checks": Check(ok=False, detail=f"no result within {READINESS_TIMEOUT_S:.0f} s")}
        ok = all(check.ok for check in checks.values())
        return JSONResponse(
            {"ok": ok, "checks": {name: asdict(check) for name, check in checks.items()}},
            HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    @router.get("/metrics", response_class=Response, responses=_METRICS)
    async def metrics(request: Request) -> Response:
        """Show the metrics to Prometheus, in the format that it asks for."""
        return shown_metrics(registry, request)

    @router.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return _html(reference.openapi_page(app.openapi(), "/openapi.json"))

    @router.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi_document() -> JSONResponse:
        return JSONResponse(asyncapi)

    @router.get("/asyncapi", include_in_schema=False)
    async def asyncapi_docs() -> HTMLResponse:
        return _html(reference.asyncapi_page(asyncapi, "/asyncapi.json"))

    return router


def shown_metrics(registry: CollectorRegistry, request: Request) -> Response:
    """Return the metrics in the format that Prometheus asks for; in the oldest one where that cannot be read."""
    try:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
    except (TypeError, ValueError):
        encode, content_type = choose_encoder("")
    return Response(encode(registry), headers={"content-type": content_type})


def _html(page: str) -> HTMLResponse:
    return HTMLResponse(page, headers={"content-security-policy": reference.CONTENT_SECURITY_POLICY})


_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Frame:
    """What surrounds every call: a correlation id, security headers, and an answer even to a bug.

    The caller's `correlation-id` is taken up if it is a UUID; it goes on every log line of the call and back
    in the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        correlation_id = _correlation_id(Headers(scope=scope))
        answer = _Answer(scope, receive, send, correlation_id)
        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            try:
                await self._app(scope, receive, answer.send)
            except Exception:
                route = getattr(scope.get("route"), "path", None)
                log.exception("a call failed by an error that nobody caught", method=scope["method"], route=route)
                if answer.started:
                    raise
                await answer.tell(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed; it is logged."))


def _correlation_id(headers: Headers) -> str:
    try:
        return str(uuid.UUID(headers.get("correlation-id")))
    except (ValueError, TypeError):
        return str(uuid.uuid4())  # noqa: TID251  # a call without an id begins a chain, nothing caused it


class _Answer:
    """The answer to one call on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, correlation_id: str) -> None:
        self.started = False
        self._replaced = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._correlation_id = correlation_id

    async def send(self, message: Message) -> None:
        """Send a part of the application's answer."""
        if message["type"] == "http.response.start" and _is_plain_refusal(message):
            self._replaced = True
            await self.tell(
                Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.", reason="too_large")
            )
        elif not self._replaced:
            await self._send_with_headers(message)

    async def tell(self, problem: Problem) -> None:
        """Send a problem document instead of the application's answer."""
        await problems.response(problem)(self._scope, self._receive, self._send_with_headers)

    async def _send_with_headers(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers["correlation-id"] = self._correlation_id
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _is_plain_refusal(start: Message) -> bool:
    """Tell the one error that Starlette answers by itself: a body that announces itself as too large."""
    content_type = MutableHeaders(scope=start).get("content-type")
    return start["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and content_type != problems.MEDIA_TYPE


class Gate:
    """Lets no body in before it is known that the caller may call: FastAPI reads it before it asks who calls."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one call."""
        judged = False

        async def receive_judged() -> Message:
            nonlocal judged
            route = scope.get("route")
            if not judged and isinstance(route, APIRoute):
                judged = True
                await judge(Request(scope), route.dependant)
                if scope["method"] not in _SAFE and of_another_charset(Headers(scope=scope)):
                    raise Problem(
                        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Forms are sent in UTF-8.", reason="unknown_charset"
                    )
            return await receive()

        await self._app(scope, receive_judged, send)


_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_UTF_8: Final = frozenset({b"utf-8", b"utf8"})


def of_another_charset(headers: Headers) -> bool:
    """Tell whether a form with files names a charset that is not UTF-8, as all forms are (RFC 7578).

    Starlette reads it in any codec of Python that is named, also in those that fail, or make what is no text.
    """
    kind, parameters = parse_options_header(headers.get("content-type"))
    return kind == b"multipart/form-data" and parameters.get(b"charset", b"utf-8").lower() not in _UTF_8


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the process's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(process: str, host: str, port: int) -> socket:
    """Return a socket for `serve`; an address that cannot be had ends the process with a line."""
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else AF_INET)
    except (OSError, UnicodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        sys.exit(f"{process} does not start: it cannot listen on {host}:{port}: {why}")


async def serve(app: FastAPI, listener: socket) -> None:
    """Serve `app` until cancelled; then finish the calls under way, for at most `SHUTDOWN_TIMEOUT_S`."""
    config = uvicorn.Config(
        app,
        access_log=False,
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
        timeout_keep_alive=IDLE_CONNECTION_S,
        ws="none",
    )
    server = _Server(config)
    with listener:
        host, port, *_ = listener.getsockname()
        log.info("serving HTTP", host=host, port=port)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise
