"""The identity provider: OpenID Connect with the authorization code flow and PKCE, and tokens for scripts.

Clients of logins are public and need no registration: PKCE binds a code to who asked for it. The portal has a
secret too, for the token with which it acts for people. Tokens live by real time, whatever the made-up world's
clock says.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import ECKey
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from sandbox.login_page import goodbye, page
from sandbox.people import PASSWORD, User
from sandbox.scenarios import user as user_named
from shared.problems import Problem

ALGORITHM = "ES256"
CLIENT = "portal"
TOKEN_TTL_S = 3600
TOKEN_TTL_S_MAX = 86_400
CODE_TTL_S = 60

Text = Annotated[str, Field(min_length=1, max_length=2048)]


def _web_address(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.fragment:
        raise ValueError("an absolute http address without a fragment is wanted")
    return address


class AuthorizationRequest(BaseModel):
    """What a client asks for when it sends somebody to the login page; PKCE with S256 is required."""

    response_type: Literal["code"]
    client_id: Text
    redirect_uri: Annotated[Text, AfterValidator(_web_address)]
    code_challenge: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    code_challenge_method: Literal["S256"]
    scope: Text = "openid"
    state: Text | None = None
    nonce: Text | None = None


class CodeExchange(BaseModel):
    """The form that turns a code into tokens."""

    grant_type: Literal["authorization_code"]
    code: Text
    redirect_uri: Text
    client_id: Text
    code_verifier: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{43,128}$")]


class ClientCredentials(BaseModel):
    """The form with which a gateway gets a token of its own."""

    grant_type: Literal["client_credentials"]
    client_id: Text
    client_secret: Text


TokenForm: TypeAdapter[CodeExchange | ClientCredentials] = TypeAdapter(
    Annotated[CodeExchange | ClientCredentials, Field(discriminator="grant_type")]
)


class Farewell(BaseModel):
    """Where a client wants a person to go who has logged out."""

    post_logout_redirect_uri: Annotated[Text, AfterValidator(_web_address)] | None = None
    state: Text | None = None


class ScriptToken(BaseModel):
    """Whom a script's token shall name; a `ttl_s` below zero makes one that has expired already."""

    sub: Text
    roles: list[Text] = []
    ttl_s: Annotated[int, Field(ge=-TOKEN_TTL_S_MAX, le=TOKEN_TTL_S_MAX)] = TOKEN_TTL_S


class Tokens(BaseModel):
    """An access token, and who logged in (`id_token`) when it was a person."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - no password, the name of a scheme
    expires_in: int
    id_token: str | None = None


@dataclass(frozen=True)
class Grant:
    """What a code stands for, until `expires_at` (monotonic seconds)."""

    request: AuthorizationRequest
    user: User
    expires_at: float


class IdentityProvider:
    """Signs tokens with a key kept in `folder`, and remembers codes for a minute."""

    def __init__(self, folder: Path, issuer: str, audience: str, client_secret: str) -> None:
        self.issuer = issuer
        self._audience = audience
        self._client_secret = client_secret
        self._key = _signing_key(folder / "signing-key.json")
        self._grants: dict[str, Grant] = {}

    def keys(self) -> dict[str, Any]:
        """Return the public keys, as a JWKS."""
        public = self._key.as_dict(private=False)
        return {"keys": [public | {"use": "sig", "alg": ALGORITHM}]}

    def access_token(self, subject: str, roles: list[str], ttl_s: int) -> str:
        """Return a signed token that names `subject` and its roles to the services."""
        return self._sign(self._audience, subject, ttl_s, {"roles": roles})

    def grant(self, request: AuthorizationRequest, user: User) -> str:
        """Return a code that can be turned into the user's tokens once, within a minute."""
        now = time.monotonic()
        self._grants = {code: grant for code, grant in self._grants.items() if grant.expires_at > now}
        code = secrets.token_urlsafe(32)
        self._grants[code] = Grant(request, user, now + CODE_TTL_S)
        return code

    def exchange(self, form: CodeExchange) -> Tokens:
        """Return the tokens that a code stands for.

        Raises:
            ValueError: the code is unknown, used or expired, or was given to somebody else.
        """
        grant = self._grants.pop(form.code, None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.code_verifier.encode()).digest())
        if (
            grant is None
            or grant.expires_at <= time.monotonic()
            or grant.request.code_challenge != challenge.decode().rstrip("=")
            or (grant.request.client_id, grant.request.redirect_uri) != (form.client_id, form.redirect_uri)
        ):
            raise ValueError("The code is unknown, used or expired, or not this client's.")
        user = grant.user
        told: dict[str, Any] = {
            "nonce": grant.request.nonce,
            "name": user.name,
            "preferred_username": user.username,
        }
        told |= {"person_id": user.person_id, "roles": list(user.roles)}
        claims = {name: value for name, value in told.items() if value is not None}
        return Tokens(
            access_token=self.access_token(user.subject, list(user.roles), TOKEN_TTL_S),
            expires_in=TOKEN_TTL_S,
            id_token=self._sign(form.client_id, user.subject, TOKEN_TTL_S, claims),
        )

    def gateway_token(self, form: ClientCredentials) -> Tokens:
        """Return the token of a gateway that has proven itself.

        Raises:
            ValueError: there is no such gateway, or this is not its secret.
        """
        known = self._client_secret if form.client_id == CLIENT else ""
        if not known or not hmac.compare_digest(form.client_secret.encode(), known.encode()):
            raise ValueError("No client has this id and secret.")
        token = self.access_token(f"gateway:{form.client_id}", ["gateway"], TOKEN_TTL_S)
        return Tokens(access_token=token, expires_in=TOKEN_TTL_S)

    def _sign(self, audience: str, subject: str, ttl_s: int, told: dict[str, Any]) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": audience, "sub": subject, "iat": now, "exp": now + ttl_s}
        claims["jti"] = secrets.token_urlsafe(16)
        header = {"alg": ALGORITHM, "kid": self._key.kid}
        return jwt.encode(header, claims | told, self._key, algorithms=[ALGORITHM])


def _signing_key(path: Path) -> ECKey:
    """Return the key kept at `path`, made when there is none, so that tokens outlive a restart."""
    if path.exists():
        return ECKey.import_key(json.loads(path.read_text()))
    key = ECKey.generate_key("P-256", auto_kid=True)
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(key.as_dict(private=True)))
    draft.rename(path)
    return key


async def _provider(request: Request) -> IdentityProvider:
    provider: IdentityProvider = request.app.state.identity
    return provider


Provider = Annotated[IdentityProvider, Depends(_provider)]
Asked = Annotated[AuthorizationRequest, Query()]

router = APIRouter(prefix="/identity", tags=["identity"])
UNCACHED = {"Cache-Control": "no-store"}


@router.get("/.well-known/openid-configuration")
async def read_configuration(provider: Provider) -> dict[str, str | list[str]]:
    """Tell what this provider can do and where (OpenID Connect Discovery)."""
    issuer = provider.issuer
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "end_session_endpoint": f"{issuer}/logout",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "subject_types_supported": ["public"],
        "scopes_supported": ["openid"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["sub", "name", "preferred_username", "person_id", "roles"],
    }


@router.get("/jwks")
async def read_keys(provider: Provider) -> dict[str, Any]:
    """Publish the keys that tokens are signed with."""
    return provider.keys()


@router.get("/authorize")
async def show_login(_asked: Asked) -> HTMLResponse:
    """Show the login page, with everybody who can log in."""
    return HTMLResponse(page(), headers=UNCACHED)


@router.post("/authorize")
async def log_in(
    asked: Asked, username: Annotated[str, Form()], password: Annotated[str, Form()], provider: Provider
) -> Response:
    """Check the password and send the browser back to the client with a code."""
    user = user_named(username.strip().lower())
    if user is None or password != PASSWORD:
        return HTMLResponse(page(username, failed=True), HTTPStatus.UNAUTHORIZED, UNCACHED)
    return _back(asked.redirect_uri, code=provider.grant(asked, user), state=asked.state)


@router.get("/logout")
async def log_out(farewell: Annotated[Farewell, Query()]) -> Response:
    """Send who has logged out back to the client; nobody stays logged in here (RP-Initiated Logout)."""
    if farewell.post_logout_redirect_uri is None:
        return HTMLResponse(goodbye(), headers=UNCACHED)
    return _back(farewell.post_logout_redirect_uri, state=farewell.state)


@router.post("/token", response_model_exclude_none=True)
async def issue_token(request: Request, response: Response, provider: Provider) -> Tokens:
    """Give tokens for a code or a secret (form), or to scripts for anybody (JSON `{sub, roles, ttl_s?}`)."""
    response.headers.update(UNCACHED)
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return _granted(provider, dict(await request.form()))
    try:
        wanted = ScriptToken.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors()]
        ) from error
    token = provider.access_token(wanted.sub, wanted.roles, wanted.ttl_s)
    return Tokens(access_token=token, expires_in=wanted.ttl_s)


def _back(address: str, **told: str | None) -> RedirectResponse:
    """Send the browser to an address with what it is to be told there."""
    query = urlencode({name: value for name, value in told.items() if value is not None})
    mark = "&" if urlsplit(address).query else "?"
    return RedirectResponse(f"{address}{mark}{query}" if query else address, HTTPStatus.SEE_OTHER, UNCACHED)


def _granted(provider: IdentityProvider, form: dict[str, Any]) -> Tokens:
    """Give what a form asks for; the problem's `error` is the one that OAuth wants (RFC 6749, 5.2)."""
    try:
        asked = TokenForm.validate_python(form)
    except ValidationError as error:
        fields = ", ".join(str(fault["loc"][-1]) for fault in error.errors() if fault["loc"]) or "grant_type"
        raise Problem(HTTPStatus.BAD_REQUEST, f"Not valid: {fields}.", error="invalid_request") from error
    try:
        return provider.gateway_token(asked) if isinstance(asked, ClientCredentials) else provider.exchange(asked)
    except ValueError as error:
        code = "invalid_client" if isinstance(asked, ClientCredentials) else "invalid_grant"
        raise Problem(HTTPStatus.BAD_REQUEST, str(error), error=code) from error
