import base64
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox import identity
from sandbox.people import USERS
from sandbox.scenarios import hospital
from shared.auth import AuthSettings, Caller, InvalidTokenError, TokenVerifier
from tests.outside.sandbox.world import PORTAL_SECRET, Json, World, served

VERIFIER = "a-verifier-of-at-least-43-characters-chosen-by-the-client"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
REDIRECT_URI = "http://127.0.0.1:9/callback?from=login"
ASKED = {
    "response_type": "code",
    "client_id": "portal",
    "redirect_uri": REDIRECT_URI,
    "scope": "openid",
    "state": "the client's state",
    "nonce": "the client's nonce",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@dataclass
class Browser:
    """What a person's browser and the client behind it do."""

    world: World

    async def log_in(self, username: str, word: str = "demo") -> tuple[int, str, str]:
        """Send the form; return status, page, and where it leads."""
        form = {"username": username, "password": word}
        path = "/identity/authorize"
        async with self.world.client.post(path, params=ASKED, data=form, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers.get("Location", "")

    async def code_of(self, username: str) -> str:
        """Log in and return the code that the client gets."""
        status, _, location = await self.log_in(username)
        assert status == 303
        assert location.startswith(f"{REDIRECT_URI}&")
        told = parse_qs(urlsplit(location).query)
        assert told["state"] == [ASKED["state"]]
        return told["code"][0]

    async def exchange(self, code: str, **other: str) -> tuple[int, Json]:
        """Turn the code into tokens, as the client that asked for it unless `other` says otherwise."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": "portal",
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        } | other
        async with self.world.client.post("/identity/token", data=form) as answer:
            return answer.status, await answer.json()


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world)


async def claims_of(world: World, token: str) -> dict[str, Any]:
    """Verify a token with the published keys and return what it says."""
    _, jwks = await world.get("/identity/jwks")
    return jwt.decode(token, KeySet.import_key_set(jwks), algorithms=["ES256"]).claims


async def script_token(world: World, **wanted: object) -> str:
    status, answer = await world.post("/identity/token", wanted)
    assert (status, answer["token_type"]) == (200, "Bearer")
    return str(answer["access_token"])


async def test_discovery_names_the_calls_that_there_are(world: World) -> None:
    status, told = await world.get("/identity/.well-known/openid-configuration")
    assert status == 200
    assert told["code_challenge_methods_supported"] == ["S256"]
    async with world.client.get(f"{told['issuer']}/.well-known/openid-configuration") as answer:
        assert await answer.json() == told
    for endpoint in ("authorization_endpoint", "token_endpoint", "jwks_uri", "end_session_endpoint"):
        async with world.client.options(told[endpoint]) as answer:
            assert answer.status == 405, endpoint


async def test_the_published_keys_are_public(world: World) -> None:
    _, jwks = await world.get("/identity/jwks")
    (key,) = jwks["keys"]
    assert (key["alg"], key["use"]) == ("ES256", "sig")
    assert "d" not in key


async def test_a_services_verifier_accepts_a_scripts_token(world: World) -> None:
    _, told = await world.get("/identity/.well-known/openid-configuration")
    verifier = TokenVerifier(AuthSettings(issuer=told["issuer"], jwks_url=told["jwks_uri"]))
    caller = await verifier.verify(await script_token(world, sub="staff:ann", roles=["billing", "ops"]))
    assert caller == Caller("staff:ann", frozenset({"billing", "ops"}))
    with pytest.raises(InvalidTokenError):
        await verifier.verify(await script_token(world, sub="staff:ann", roles=["billing"], ttl_s=-60))


async def test_tokens_live_by_real_time_for_as_long_as_was_asked(world: World) -> None:
    await world.advance(86_400)
    claims = await claims_of(world, await script_token(world, sub="gateway:test", roles=["gateway"], ttl_s=90))
    assert abs(claims["iat"] - time.time()) < 5
    assert claims["exp"] - claims["iat"] == 90
    again = await claims_of(world, await script_token(world, sub="gateway:test", roles=["gateway"], ttl_s=90))
    assert claims["jti"] != again["jti"]


async def test_a_token_is_still_good_after_a_restart(tmp_path: Path) -> None:
    async with served(tmp_path) as world:
        token = await script_token(world, sub="staff:ann", roles=[])
    async with served(tmp_path) as world:
        assert (await claims_of(world, token))["sub"] == "staff:ann"
    assert (tmp_path / "signing-key.json").stat().st_mode & 0o077 == 0


async def test_a_script_must_say_whom_the_token_is_to_name(world: World) -> None:
    status, problem = await world.post("/identity/token", {"roles": "billing"})
    assert (status, {one["field"] for one in problem["fields"]}) == (422, {"body.sub", "body.roles"})


async def test_the_login_page_has_the_two_fields_and_lists_everybody(world: World) -> None:
    async with world.client.get("/identity/authorize", params=ASKED) as answer:
        page = await answer.text()
    assert answer.content_type == "text/html"
    assert 'name="username"' in page
    assert 'name="password"' in page
    assert all(f"<code>{username}</code>" in page for username in USERS)


async def test_there_is_staff_of_every_role() -> None:
    roles = {role for user in USERS.values() for role in user.roles}
    assert roles == {"billing", "crm", "insurance", "clinical", "clinical-support", "supervisor", "ops"}


async def test_a_wrong_password_shows_the_page_again_with_the_name_as_typed(browser: Browser) -> None:
    for username, word in (("maria", "guessed"), ("<nobody>", "demo")):
        status, page, location = await browser.log_in(username, word)
        assert (status, location) == (401, "")
        assert 'role="alert"' in page
    assert "&lt;nobody&gt;" in page
    assert "<nobody>" not in page


async def test_staff_who_log_in_get_tokens_with_their_roles(browser: Browser) -> None:
    status, tokens = await browser.exchange(await browser.code_of("ann"))
    assert status == 200
    access = await claims_of(browser.world, tokens["access_token"])
    assert (access["aud"], access["sub"], access["roles"]) == ("patient-portal", "staff:ann", ["billing"])
    identity_claims = await claims_of(browser.world, tokens["id_token"])
    assert (identity_claims["aud"], identity_claims["nonce"]) == ("portal", ASKED["nonce"])
    assert (identity_claims["sub"], identity_claims["preferred_username"]) == ("staff:ann", "ann")


async def test_a_patient_who_logs_in_is_named_by_their_person_and_has_no_role(browser: Browser) -> None:
    _, tokens = await browser.exchange(await browser.code_of("maria"))
    told = await claims_of(browser.world, tokens["id_token"])
    assert (told["person_id"], told["name"]) == ("sbx-person-maria", "Maria Sandoval")
    assert (await claims_of(browser.world, tokens["access_token"]))["roles"] == []


async def test_a_guarantor_of_a_made_up_hospital_logs_in_and_nobody_that_there_is_not(browser: Browser) -> None:
    account = next(iter(hospital(7)))
    _, tokens = await browser.exchange(await browser.code_of("h7-000001"))
    told = await claims_of(browser.world, tokens["id_token"])
    assert told["person_id"] == account.guarantor.person_id
    for nobody in ("h7-1", "h77777-000001", "leo"):
        assert (await browser.log_in(nobody))[0] == 401


async def test_a_code_is_good_once(browser: Browser) -> None:
    code = await browser.code_of("maria")
    assert (await browser.exchange(code))[0] == 200
    status, problem = await browser.exchange(code)
    assert (status, problem["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "other",
    [
        {"code_verifier": VERIFIER[::-1]},
        {"client_id": "somebody-else"},
        {"redirect_uri": "http://127.0.0.1:9/elsewhere"},
        {"code": "guessed"},
    ],
)
async def test_a_code_is_good_only_for_who_asked_for_it(browser: Browser, other: dict[str, str]) -> None:
    code = await browser.code_of("maria")
    status, problem = await browser.exchange(**{"code": code} | other)
    assert (status, problem["error"]) == (400, "invalid_grant")


async def test_a_code_expires(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "CODE_TTL_S", 0)
    status, problem = await browser.exchange(await browser.code_of("maria"))
    assert (status, problem["error"]) == (400, "invalid_grant")


async def test_an_exchange_must_be_whole(browser: Browser) -> None:
    code = await browser.code_of("maria")
    for other in ({"code_verifier": ""}, {"grant_type": "password"}):
        status, problem = await browser.exchange(code, **other)
        assert (status, problem["error"]) == (400, "invalid_request")


async def credentials(world: World, **other: str) -> tuple[int, Json]:
    """Ask for the portal's own token, as the portal unless `other` says otherwise."""
    form = {"grant_type": "client_credentials", "client_id": "portal", "client_secret": PORTAL_SECRET} | other
    async with world.client.post("/identity/token", data=form) as answer:
        return answer.status, await answer.json()


async def test_the_portal_gets_a_gateways_token_with_its_secret(world: World) -> None:
    status, tokens = await credentials(world)
    assert status == 200
    claims = await claims_of(world, tokens["access_token"])
    assert (claims["sub"], claims["roles"]) == ("gateway:portal", ["gateway"])


@pytest.mark.parametrize("other", [{"client_secret": "guessed"}, {"client_id": "another"}])
async def test_nobody_else_gets_a_gateways_token(world: World, other: dict[str, str]) -> None:
    status, problem = await credentials(world, **other)
    assert (status, problem["error"]) == (400, "invalid_client")


async def test_who_logs_out_goes_back_to_where_the_client_wants(world: World) -> None:
    asked = {"post_logout_redirect_uri": "http://127.0.0.1:9/bye", "state": "s"}
    async with world.client.get("/identity/logout", params=asked, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "http://127.0.0.1:9/bye?state=s")
    async with world.client.get("/identity/logout") as answer:
        assert "logged out" in await answer.text()
    wrong = {"post_logout_redirect_uri": "javascript:alert(1)"}
    async with world.client.get("/identity/logout", params=wrong, allow_redirects=False) as answer:
        assert answer.status == 422


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code_challenge", None),
        ("code_challenge_method", None),
        ("code_challenge_method", "plain"),
        ("response_type", "token"),
        ("redirect_uri", "javascript:alert(1)"),
        ("redirect_uri", "/callback"),
        ("redirect_uri", "http:///callback"),
        ("redirect_uri", "http://127.0.0.1:9/#fragment"),
        ("client_id", ""),
    ],
)
async def test_a_client_that_asks_wrongly_or_without_pkce_gets_no_login_page(
    world: World, name: str, value: str | None
) -> None:
    asked = {key: told for key, told in (ASKED | {name: value}).items() if told is not None}
    for call in (world.client.get, world.client.post):
        async with call("/identity/authorize", params=asked) as answer:
            problem = await answer.json()
        assert (answer.status, problem["status"]) == (422, 422)
        assert f"query.{name}" in [one["field"] for one in problem["fields"]]
