"""Who calls, and who may: OIDC bearer tokens, verified here, and the roles that a route asks for.

    @router.get("/v1/coverages")
    async def coverages(caller: Annotated[Caller, Depends(person)]) -> ...

    @router.get("/v1/work")
    async def work(caller: Annotated[Caller, Depends(staff("billing", "supervisor"))]) -> ...

Every route names `person`, `staff(…)`, `person_or_staff(…)`, `gateway`, `anyone` or `public`; `roles_allowed`
reads it back from the route, for the check that none was forgotten and for the documentation.
"""

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, get_args

import aiohttp
import structlog
from fastapi import Depends, Header, Request
from fastapi.dependencies.models import Dependant
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.problems import Problem
from shared.settings import WebAddress

StaffRole = Literal["billing", "crm", "insurance", "clinical", "clinical-support", "supervisor", "ops"]
GATEWAY: Final = "gateway"

ALGORITHMS: Final = ("RS256", "ES256")
_SIGNATURES: Final = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
LEEWAY_S = 30
KEYS_FRESH_S = 600.0
FETCH_INTERVAL_S = 2.0
FETCH_TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


class AuthSettings(BaseSettings):
    """Whose tokens are accepted (`AUTH_…`): `iss`, `aud`, and where the issuer publishes its keys."""

    model_config = SettingsConfigDict(env_prefix="AUTH_", frozen=True)

    issuer: str = Field(min_length=1)
    audience: str = Field(default="patient-portal", min_length=1)
    jwks_url: WebAddress


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `on_behalf_of` is the person that a gateway calls for, and absent for staff."""

    subject: str
    roles: frozenset[str]
    on_behalf_of: str | None = None

    @property
    def staff_actor(self) -> str:
        """Somebody of the staff, as messages name them."""
        return self.subject if self.subject.startswith("staff:") else f"staff:{self.subject}"


_NAME = re.compile(r"[!-~]{1,120}")
"""What may stand in a message's actor behind the colon."""


class InvalidTokenError(Exception):
    """The token is not one of ours, or not any more."""


class KeysUnavailableError(Exception):
    """No token can be judged: the issuer's keys were never seen."""


class SigningKeys:
    """The issuer's public keys, as published at a JWKS URL.

    They are fetched when first needed, when a token names a key not seen yet (at most every
    `FETCH_INTERVAL_S`, or anybody could make us hammer the issuer with invented names), and when they are
    older than `KEYS_FRESH_S`, so that a withdrawn key is not trusted for ever. While the issuer is away, the
    keys last seen remain in use.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: KeySet | None = None
        self._fetched_at = self._asked_at = float("-inf")
        self._fetching = asyncio.Lock()
        self._refresh: asyncio.Task[None] | None = None

    async def claims(self, token: str, rules: jwt.JWTClaimsRegistry) -> dict[str, Any]:
        """Return what a token says that the issuer signed, and that follows the rules.

        Raises:
            InvalidTokenError: it is malformed or forged, or breaks a rule.
            KeysUnavailableError: nobody can tell.
        """
        try:
            header = jws.extract_compact(token.encode(), registry=_SIGNATURES).headers()
            _SIGNATURES.check_header(header)
            keys = await self.including(header.get("kid"))
            claims = jwt.decode(token, keys, registry=_SIGNATURES).claims
            rules.validate(claims)
        except (JoseError, ValueError, TypeError) as error:  # TypeError: a header that is not an object
            raise InvalidTokenError from error
        return claims

    async def including(self, key_id: str | None) -> KeySet:
        """Return the keys, with the one called `key_id` if the issuer has it.

        Raises:
            KeysUnavailableError: there are none.
        """
        named = key_id is None or (self._keys is not None and any(key.kid == key_id for key in self._keys))
        if self._keys is None or not named:
            await self._fetch()
        elif time.monotonic() - self._fetched_at > KEYS_FRESH_S and (
            self._refresh is None or self._refresh.done()
        ):
            self._refresh = asyncio.create_task(self._fetch())
        if self._keys is None:
            raise KeysUnavailableError
        return self._keys

    async def _fetch(self) -> None:
        async with self._fetching:
            if time.monotonic() - self._asked_at < FETCH_INTERVAL_S:
                return
            try:
                self._keys = await self._published()
                self._fetched_at = time.monotonic()
            except (aiohttp.ClientError, TimeoutError, JoseError, ValueError, TypeError, KeyError) as error:
                log.warning("the issuer's signing keys cannot be had", error_type=type(error).__name__)
            finally:
                self._asked_at = time.monotonic()

    async def _published(self) -> KeySet:
        timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.get(self._url) as response,
        ):
            # Issuers differ in the content type they give it.
            return KeySet.import_key_set(await response.json(content_type=None))


class TokenVerifier:
    """Verifies bearer tokens: signature, issuer, audience and lifetime (by real time, whatever our clock)."""

    def __init__(self, settings: AuthSettings) -> None:
        self._keys = SigningKeys(settings.jwks_url)
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def verify(self, token: str) -> Caller:
        """Return whom the token names.

        Raises:
            InvalidTokenError: it is malformed, expired, forged, or meant for somebody else.
            KeysUnavailableError: the issuer cannot be reached, and never was.
        """
        claims = await self._keys.claims(token, self._claims)
        subject, roles = claims["sub"], claims.get("roles", [])
        # Whom no message can name as its actor can do nothing here.
        named = isinstance(subject, str) and _NAME.fullmatch(subject.removeprefix("staff:"))
        if not named or not isinstance(roles, list):
            raise InvalidTokenError
        return Caller(subject, frozenset(role for role in roles if isinstance(role, str)))


_bearer = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    description="An access token of the identity provider. The names listed are roles; one is enough.",
    auto_error=False,
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
OnBehalfOf = Annotated[str | None, Header(description="The person that the gateway calls for.")]


@dataclass(frozen=True)
class Public:
    """Lets anybody in: for what has a proof of its own, such as a signature or a one-time token."""

    async def __call__(self) -> None:
        """Ask for nothing."""


@dataclass(frozen=True)
class RoleCheck:
    """Lets callers in whose token has one of `roles`."""

    roles: frozenset[str]

    async def __call__(self, request: Request, credentials: Credentials) -> Caller:
        """Return the caller.

        Raises:
            Problem: 401 without a valid token, 403 without one of the roles, 503 while none can be judged.
        """
        caller = await _authenticated(request, credentials)
        if not caller.roles & self.roles:
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "Your role does not allow this call.",
                reason="role_missing",
                headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
            )
        return caller


class PersonCheck(RoleCheck):
    """As `RoleCheck`; a gateway also names the person it calls for."""

    async def __call__(
        self, request: Request, credentials: Credentials, on_behalf_of: OnBehalfOf = None
    ) -> Caller:
        """Return the caller.

        Raises:
            Problem: as `RoleCheck`, and 400 when a gateway does not say for whom it calls.
        """
        caller = await super().__call__(request, credentials)
        return calling_for(caller, on_behalf_of) if GATEWAY in caller.roles else caller


def calling_for(gateway: Caller, on_behalf_of: str | None) -> Caller:
    """Return a gateway as it calls for a person; a route for guests too asks this itself, where it is not for one.

    Raises:
        Problem: 400, it does not say for whom it calls.
    """
    if on_behalf_of is None or not _NAME.fullmatch(on_behalf_of):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "A gateway names the person it calls for in the header on-behalf-of.",
            reason="on_behalf_of_missing",
        )
    return replace(gateway, on_behalf_of=on_behalf_of)


public = Public()
person = PersonCheck(frozenset({GATEWAY}))
gateway = RoleCheck(frozenset({GATEWAY}))
"""A gateway, which need not say for whom it calls: for guests, whom nobody knows."""
anyone = RoleCheck(frozenset({GATEWAY, *get_args(StaffRole)}))
"""A gateway for whomever, and all staff: for what is nobody's own."""


def staff(*roles: StaffRole) -> RoleCheck:
    """Let staff in who have one of `roles`."""
    return RoleCheck(frozenset(roles))


def person_or_staff(*roles: StaffRole) -> PersonCheck:
    """Let a gateway in on behalf of a person, and staff who have one of `roles`."""
    return PersonCheck(frozenset({GATEWAY, *roles}))


def roles_allowed(route: Dependant) -> frozenset[str] | None:
    """Return the roles of which a route's caller needs one: none for anybody, None where it does not say."""
    checks = list(_checks(route))
    if not checks:
        return None
    asked = [check.roles for check in checks if isinstance(check, RoleCheck)]
    return frozenset.intersection(*asked) if asked else frozenset()


def _checks(route: Dependant) -> Iterator[RoleCheck | Public]:
    if isinstance(route.call, RoleCheck | Public):
        yield route.call
    for dependency in route.dependencies:
        yield from _checks(dependency)


async def judge(request: Request, route: Dependant) -> None:
    """Do what the route's checks will do, as they do: for what comes before a route asks them.

    Raises:
        Problem: as `RoleCheck`.
    """
    for check in _checks(route):
        if isinstance(check, RoleCheck):
            await RoleCheck.__call__(check, request, await _bearer(request))


async def _authenticated(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    """Return whom a call's token names; it is verified once."""
    if not hasattr(request.state, "caller"):
        request.state.caller = await _verified(request, credentials)
    caller: Caller = request.state.caller
    return caller


async def _verified(request: Request, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    if credentials is None:
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "This call needs a bearer token.",
            reason="token_missing",
            headers={"WWW-Authenticate": "Bearer"},
        )
    verifier: TokenVerifier = request.app.state.verifier
    try:
        return await verifier.verify(credentials.credentials)
    except InvalidTokenError:
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "The bearer token is not valid, or not any more.",
            reason="token_invalid",
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from None
    except KeysUnavailableError:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Tokens cannot be verified while the identity provider does not answer.",
            reason="identity_provider_unavailable",
            headers={"Retry-After": f"{FETCH_INTERVAL_S:.0f}"},
        ) from None
