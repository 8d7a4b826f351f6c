"""What the portal asks of the identity provider: who logged in, and its own token."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from portal import identity as portal_identity
from portal.identity import IdentityAwayError, IdentityProvider, NotLoggedInError
from shared import auth
from tests.unit.portal.world import World
from tests.unit.shared.servers import Identity, identity, rsa_key

ATTEMPT = {"state": "s", "nonce": "n", "verifier": "v"}

Answer = Callable[[], Any]


class Provider:
    """An identity provider that answers for tokens as a test says."""

    def __init__(self, keys: Identity) -> None:
        self.keys = keys
        self.answer: Answer = dict
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._about)
        app.router.add_post("/token", self._token)
        self.server = TestServer(app)

    @property
    def issuer(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    def id_token(self, **claims: Any) -> str:
        told = {"iss": self.issuer, "aud": "portal", "nonce": "n", "sub": "person-1"} | claims
        return self.keys.token(**told)

    async def _about(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"token_endpoint": f"{self.issuer}/token", "jwks_uri": self.keys.settings.jwks_url}
        )

    async def _token(self, _request: web.Request) -> web.Response:
        self.asked += 1
        await self.answers.wait()
        return web.json_response(self.answer())


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[Provider]:
    async with identity() as keys:
        provider = Provider(keys)
        await provider.server.start_server()
        yield provider
        provider.answers.set()
        await provider.server.close()


@pytest_asyncio.fixture
async def asking(provider: Provider, world: World) -> AsyncIterator[IdentityProvider]:
    """The portal's side."""
    settings = world.app.state.settings.model_copy(update={"oidc_issuer": provider.issuer})
    async with aiohttp.ClientSession() as http:
        yield IdentityProvider(settings, http)


async def test_who_logs_in_after_the_provider_changed_its_key_is_known_at_once(
    provider: Provider, asking: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "FETCH_INTERVAL_S", 0.0)
    provider.answer = lambda: {"access_token": "a", "id_token": provider.id_token()}
    assert (await asking.who(ATTEMPT, "s", "code"))[1] == "a"
    provider.keys.keys = [rsa_key("second")]
    claims, _ = await asking.who(ATTEMPT, "s", "code")
    assert claims["sub"] == "person-1"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another"},
        {"nonce": "of another try"},
        {"exp": 1},
        {"sub": ""},
    ],
)
async def test_what_proves_nothing_logs_nobody_in(
    provider: Provider, asking: IdentityProvider, claims: dict[str, Any]
) -> None:
    provider.answer = lambda: {"access_token": "a", "id_token": provider.id_token(**claims)}
    with pytest.raises(NotLoggedInError):
        await asking.who(ATTEMPT, "s", "code")


@pytest.mark.parametrize("token", ["", "a.b.c", "{}", 5, None])
async def test_what_is_no_token_logs_nobody_in(
    provider: Provider, asking: IdentityProvider, token: object
) -> None:
    provider.answer = lambda: {"access_token": "a", "id_token": token}
    with pytest.raises(NotLoggedInError):
        await asking.who(ATTEMPT, "s", "code")


async def test_all_who_need_the_gateways_token_at_once_ask_for_it_once(
    provider: Provider, asking: IdentityProvider
) -> None:
    provider.answer = lambda: {"access_token": "own", "expires_in": 600}
    one_of_them = asyncio.create_task(asking.gateway_token())
    others = [asyncio.create_task(asking.gateway_token()) for _ in range(20)]
    await asyncio.sleep(0)
    one_of_them.cancel()
    assert await asyncio.gather(*others) == ["own"] * 20
    assert await asking.gateway_token() == "own"
    assert provider.asked == 1


async def test_a_token_that_is_still_good_is_used_while_the_provider_hangs(
    provider: Provider, asking: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portal_identity, "AGAIN_S", 0.0)
    provider.answer = lambda: {"access_token": "old", "expires_in": portal_identity.RENEW_BEFORE_S - 1}
    assert await asking.gateway_token() == "old"
    provider.answers.clear()
    provider.answer = lambda: {"access_token": "new", "expires_in": 600}
    async with asyncio.timeout(10):
        while provider.asked < 2:
            assert await asking.gateway_token() == "old"
            await asyncio.sleep(0)
        assert await asking.gateway_token() == "old"
        provider.answers.set()
        while await asking.gateway_token() != "new":
            await asyncio.sleep(0)
    assert provider.asked == 2


@pytest.mark.parametrize("answer", [{}, {"access_token": "a"}, {"access_token": "a", "expires_in": "soon"}])
async def test_a_token_that_cannot_be_had_is_not_asked_for_by_everybody(
    provider: Provider, asking: IdentityProvider, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.answer = lambda: answer
    for _ in range(3):
        with pytest.raises(IdentityAwayError):
            await asking.gateway_token()
    assert provider.asked == 1
    monkeypatch.setattr(portal_identity, "AGAIN_S", 0.0)
    provider.answer = lambda: {"access_token": "own", "expires_in": 600}
    assert await asking.gateway_token() == "own"
