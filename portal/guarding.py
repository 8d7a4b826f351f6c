"""What protects every page: security headers, and a token in each form that only our own pages can know."""

import base64
import hashlib
import hmac
import re
import secrets
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal import language

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "x-csrf-token"
FILES_MAX: Final = 10
"""How many files a form takes: as many as the inbox takes with a message."""
FILES_BYTES_MAX: Final = 64 * 1024 * 1024
"""How long the body of a form with files may be: the inbox takes 50 MB with a message."""
# Browsers leave out tabs and line breaks, and read a backslash as a slash.
_LOCAL: Final = re.compile(r"/(?![/\\])[^\x00-\x20\\]*")


def csrf_token(request: Request) -> str:
    """Return this browser's token; pages carry it masked."""
    return str(request.session.setdefault("csrf", secrets.token_urlsafe(24)))


def masked(token: str) -> str:
    """Return the token for forms (`csrf_input()`) and for htmx, which sends it as a header; never the same twice.

    A page repeats its address, and the better the two match, the shorter the page is packed: how long it is would
    tell the token, letter by letter.
    """
    letters = token.encode()
    pad = secrets.token_bytes(len(letters))
    return base64.urlsafe_b64encode(pad + _xor(pad, letters)).decode()


def session_mark(request: Request) -> str:
    """Return what is the same on all pages of a session, and tells nothing of its token."""
    return hashlib.sha256(csrf_token(request).encode()).hexdigest()[:16]


class StaleFormError(Exception):
    """The form was not one of ours, or of a session that is over."""


async def check_csrf(request: Request) -> None:
    """Let a changing request through only with the browser's token.

    Raises:
        StaleFormError: it has none, or another.
    """
    if request.method in SAFE:
        return
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        given = str((await request.form()).get(CSRF_FIELD) or "")
    token = csrf_token(request).encode()
    # Pages that were open before a new release have it as it is.
    if not any(hmac.compare_digest(one, token) for one in (_unmasked(given), given.encode())):
        raise StaleFormError


def _unmasked(given: str) -> bytes:
    try:
        both = base64.urlsafe_b64decode(given)
    except ValueError:
        return b""
    return _xor(both[: len(both) // 2], both[len(both) // 2 :])


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))


def page_router(prefix: str = "") -> APIRouter:
    """Return a router for pages: every form sent to it is checked to be one of ours."""
    return APIRouter(prefix=prefix, dependencies=[Depends(check_csrf)], include_in_schema=False)


def asked_path(request: Request) -> str:
    """Return the path that was asked for; what is encoded in it stays encoded."""
    path: bytes = request.scope["raw_path"]
    return path.decode()


def local_path(address: str | None, otherwise: str = "/") -> str:
    """Return a path of this portal to go on to, and never an address of somebody else."""
    return address if address and _LOCAL.fullmatch(address) else otherwise


class Shield:
    """Around everything: security headers, and the language of the request.

    Args:
        app: the portal.
        frames: the origin of the processor's page, which alone may be shown in a frame.
        logout: the origin of the identity provider, to which the form that logs out leads.
        secure: whether browsers reach the portal over TLS only.
    """

    def __init__(self, app: ASGIApp, frames: str, logout: str, *, secure: bool) -> None:
        self._app = app
        self._headers = {
            "cache-control": "no-store",
            "content-security-policy": _policy(frames, logout),
            "cross-origin-opener-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
            "referrer-policy": "same-origin",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
        }
        if secure:
            self._headers["strict-transport-security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        accepted = Headers(scope=scope).get("accept-language", "")
        language.speak(language.choose(request.cookies.get("language"), accepted))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _policy(frames: str, logout: str) -> str:
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            f"frame-src {frames}",
            f"form-action 'self' {logout}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def not_found() -> HTTPException:
    """Return the error for what is not there, or not theirs."""
    return HTTPException(HTTPStatus.NOT_FOUND)
