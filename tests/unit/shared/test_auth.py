import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey

from shared import auth
from shared.auth import Caller, InvalidTokenError, KeysUnavailableError, SigningKeys, TokenVerifier
from tests.unit.shared.servers import Identity, identity, rsa_key


@pytest_asyncio.fixture(name="provider")
async def a_provider_of_its_own() -> AsyncIterator[Identity]:
    async with identity() as provider:
        yield provider


@pytest_asyncio.fixture(name="verifier")
async def its_verifier(provider: Identity) -> TokenVerifier:
    return TokenVerifier(provider.settings)


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


async def test_a_good_token_names_its_subject_and_roles(provider: Identity, verifier: TokenVerifier) -> None:
    caller = await verifier.verify(provider.token("billing", "supervisor"))
    assert caller == Caller("staff:ann", frozenset({"billing", "supervisor"}))


async def test_a_token_may_be_signed_on_an_elliptic_curve(provider: Identity, verifier: TokenVerifier) -> None:
    provider.keys.append(ECKey.generate_key("P-256", {"kid": "curve"}))
    assert (await verifier.verify(provider.token("ops", alg="ES256"))).roles == {"ops"}


async def test_a_token_for_several_audiences_is_good_for_each(provider: Identity, verifier: TokenVerifier) -> None:
    assert await verifier.verify(provider.token(aud=["portal", "back-office"]))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "portal"},
        {"exp": int(time.time()) - auth.LEEWAY_S - 1},
        {"nbf": int(time.time()) + 86_400},
        {"iss": None},
        {"aud": None},
        {"exp": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": "ann smith"},
        {"sub": "staff:zoë"},
        {"roles": "billing"},
    ],
    # Not their values: those with times differ from process to process.
    ids="-".join,
)
async def test_a_token_is_refused_whose_claims_do_not_fit(
    claims: dict[str, Any], provider: Identity, verifier: TokenVerifier
) -> None:
    with pytest.raises(InvalidTokenError):
        await verifier.verify(provider.token("billing", **claims))


async def test_a_token_that_expired_within_the_leeway_is_still_good(
    provider: Identity, verifier: TokenVerifier
) -> None:
    assert await verifier.verify(provider.token(exp=int(time.time()) - auth.LEEWAY_S // 2))


async def test_a_token_signed_by_somebody_else_is_refused(provider: Identity, verifier: TokenVerifier) -> None:
    forger = RSAKey.import_key(rsa_key("forger").as_dict(private=True), {"kid": "first"})
    with pytest.raises(InvalidTokenError):
        await verifier.verify(provider.token("billing", key=forger))


async def test_a_token_signed_with_another_algorithm_is_refused(
    provider: Identity, verifier: TokenVerifier
) -> None:
    with pytest.raises(InvalidTokenError):
        await verifier.verify(provider.token("billing", alg="RS512"))


async def test_the_public_key_is_no_shared_secret(provider: Identity, verifier: TokenVerifier) -> None:
    _, payload, _ = provider.token("billing").split(".")
    header = _encoded(json.dumps({"alg": "HS256", "kid": "first"}).encode())
    signature = hmac.digest(rsa_key("first").as_pem(private=False), f"{header}.{payload}".encode(), "sha256")
    with pytest.raises(InvalidTokenError):
        await verifier.verify(f"{header}.{payload}.{_encoded(signature)}")


async def test_an_unsigned_token_is_refused(provider: Identity, verifier: TokenVerifier) -> None:
    _, payload, _ = provider.token("billing").split(".")
    header = _encoded(json.dumps({"alg": "none", "kid": "first"}).encode())
    with pytest.raises(InvalidTokenError):
        await verifier.verify(f"{header}.{payload}.")


@example(header=["alg"], rest="e30.c2ln")
@example(header={"alg": "RS256", "kid": ["first"]}, rest="e30.c2ln")
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64"]), inner),
    ),
    rest=st.text(alphabet="abcXYZ0189-_.="),
)
async def test_whatever_comes_instead_of_a_token_is_refused(
    header: object, rest: str, verifier: TokenVerifier
) -> None:
    encoded = _encoded(json.dumps(header).encode())
    for token in (f"{encoded}.{rest}", rest, str(header)):
        with pytest.raises(InvalidTokenError):
            await verifier.verify(token)


async def test_keys_are_fetched_once_and_kept_while_the_issuer_is_away(
    provider: Identity, verifier: TokenVerifier
) -> None:
    await asyncio.gather(*(verifier.verify(provider.token("billing")) for _ in range(20)))
    provider.away = True
    await verifier.verify(provider.token("billing"))
    assert provider.asked == 1


async def test_while_no_keys_were_ever_seen_no_token_can_be_judged_until_the_issuer_answers(
    provider: Identity, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "FETCH_INTERVAL_S", 0.0)
    provider.away = True
    with pytest.raises(KeysUnavailableError):
        await verifier.verify(provider.token("billing"))
    provider.away = False
    assert await verifier.verify(provider.token("billing"))


async def test_a_key_not_seen_yet_is_fetched(
    provider: Identity, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "FETCH_INTERVAL_S", 0.0)
    await verifier.verify(provider.token("billing"))
    provider.keys.append(rsa_key("second"))
    assert await verifier.verify(provider.token("billing"))
    assert provider.asked == 2


async def test_invented_key_names_do_not_make_us_hammer_the_issuer(
    provider: Identity, verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "FETCH_INTERVAL_S", 60.0)
    await verifier.verify(provider.token("billing"))
    for number in range(5):
        key = RSAKey.import_key(rsa_key("forger").as_dict(private=True), {"kid": f"made-up-{number}"})
        invented = provider.token("billing", key=key)
        with pytest.raises(InvalidTokenError):
            await verifier.verify(invented)
    assert provider.asked == 1


async def test_a_withdrawn_key_is_forgotten_when_the_keys_are_no_longer_fresh(
    provider: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = SigningKeys(provider.settings.jwks_url)
    await keys.including("first")
    monkeypatch.setattr(auth, "FETCH_INTERVAL_S", 0.0)
    monkeypatch.setattr(auth, "KEYS_FRESH_S", 0.0)
    provider.keys = [rsa_key("second")]
    deadline = asyncio.get_running_loop().time() + 5
    while [key.kid for key in await keys.including("first")] != ["second"]:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
