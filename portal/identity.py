"""The identity provider: OpenID Connect with the authorization code flow and PKCE, and our own token."""

import asyncio
import base64
import hashlib
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import structlog
from joserfc import jwt

from portal.settings import PortalSettings
from shared.auth import LEEWAY_S, InvalidTokenError, KeysUnavailableError, SigningKeys

RENEW_BEFORE_S: Final = 60.0
AGAIN_S = 1.0

log = structlog.get_logger(__name__)


class IdentityAwayError(Exception):
    """The identity provider does not answer, or not as it should."""


class NotLoggedInError(Exception):
    """The identity provider's answer does not prove who somebody is."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a browser to log in: what only it and we know until it comes back."""

    state: str
    nonce: str
    verifier: str


class IdentityProvider:
    """The provider that `oidc_issuer` names; what it tells about itself is asked once."""

    def __init__(self, settings: PortalSettings, http: aiohttp.ClientSession) -> None:
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._client_secret = settings.oidc_client_secret.get_secret_value()
        self._back = f"{settings.public_url}/login/callback"
        self._home = settings.public_url
        self._http = http
        self._told: dict[str, Any] | None = None
        self._keys: SigningKeys | None = None
        self._token = ""
        self._token_until = self._renew_at = self._renewed_at = float("-inf")
        self._renewal: asyncio.Task[None] | None = None

    async def login_page(self) -> tuple[str, dict[str, str]]:
        """Return the address of the login page, and the attempt to keep in the browser's session until it is back.

        Raises:
            IdentityAwayError: the provider does not tell where that is.
        """
        attempt = Attempt(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "scope": "openid",
            "client_id": self._client_id,
            "redirect_uri": self._back,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        return f"{(await self._about())['authorization_endpoint']}?{urlencode(asked)}", asdict(attempt)

    async def who(self, kept: dict[str, str], state: str, code: str) -> tuple[dict[str, Any], str]:
        """Return the claims about who logged in, and their access token.

        Args:
            kept: the attempt, from the browser's session; empty when there was none.
            state: what the browser brings back.
            code: what the provider gave it.

        Raises:
            NotLoggedInError: this proves nothing: another browser's answer, an old code, a bad signature.
            IdentityAwayError: the provider does not answer.
        """
        if not kept or not secrets.compare_digest(kept["state"].encode(), state.encode()):
            raise NotLoggedInError
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "client_id": self._client_id,
            "code_verifier": kept["verifier"],
        }
        told = await self._tokens(form)
        claims = await self._verified(str(told.get("id_token", "")), kept["nonce"])
        return claims, str(told["access_token"])

    async def farewell(self) -> str:
        """Return where a browser goes to log out at the provider too, or home when it has no such page."""
        try:
            page = (await self._about()).get("end_session_endpoint")
        except IdentityAwayError:
            page = None
        query = urlencode({"client_id": self._client_id, "post_logout_redirect_uri": f"{self._home}/"})
        return f"{page}?{query}" if page else "/"

    async def gateway_token(self) -> str:
        """Return this gateway's own token, good for a while; the services ask for it with `on-behalf-of`.

        It is renewed in time, once for all who ask meanwhile; until it ends, nobody waits for the new one.

        Raises:
            IdentityAwayError: the provider does not give one.
        """
        now = time.monotonic()
        if now > max(self._renew_at, self._renewed_at + AGAIN_S) and (
            self._renewal is None or self._renewal.done()
        ):
            self._renewal = asyncio.create_task(self._renew())
        if now > self._token_until and self._renewal is not None:
            # Whoever waits leaves it to the others when their request ends.
            await asyncio.shield(self._renewal)
        if now > self._token_until:
            raise IdentityAwayError
        return self._token

    async def _renew(self) -> None:
        asked_at = time.monotonic()
        form = {"grant_type": "client_credentials", "client_id": self._client_id}
        try:
            told = await self._tokens(form | {"client_secret": self._client_secret})
            token, lives_s = str(told["access_token"]), float(told["expires_in"])
        except (IdentityAwayError, NotLoggedInError, KeyError, TypeError, ValueError) as error:
            log.warning("the gateway's own token cannot be had", error_type=type(error).__name__)
        else:
            self._token, self._token_until = token, asked_at + lives_s
            self._renew_at = self._token_until - RENEW_BEFORE_S
        finally:
            self._renewed_at = time.monotonic()

    async def _about(self) -> dict[str, Any]:
        if self._told is None:
            address = f"{self._issuer}/.well-known/openid-configuration"
            try:
                async with self._http.get(address, raise_for_status=True) as response:
                    self._told = dict(await response.json())
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise IdentityAwayError from error
        return self._told

    async def _tokens(self, form: dict[str, str]) -> dict[str, Any]:
        endpoint = (await self._about())["token_endpoint"]
        try:
            async with self._http.post(endpoint, data=form) as response:
                told = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise IdentityAwayError from error
        if not response.ok or "access_token" not in told:
            raise NotLoggedInError
        return dict(told)

    async def _verified(self, id_token: str, nonce: str) -> dict[str, Any]:
        if self._keys is None:
            self._keys = SigningKeys((await self._about())["jwks_uri"])
        rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            return await self._keys.claims(id_token, rules)
        except KeysUnavailableError as error:
            raise IdentityAwayError from error
        except InvalidTokenError as error:
            raise NotLoggedInError from error
