import pytest
from aiohttp import ClientSession
from fastapi import APIRouter
from prometheus_client import CollectorRegistry

from shared.auth import TokenVerifier
from shared.http import access, api
from tests.unit.shared.servers import Identity, served
from tests.unit.shared.small_service import ASYNCAPI, Service, bearer, problem


async def test_a_gateway_calls_on_behalf_of_a_person(client: ClientSession, provider: Identity) -> None:
    headers = bearer(provider.token("gateway", sub="gateway:web"), **{"on-behalf-of": "P-1"})
    async with client.get("/v1/me", headers=headers) as response:
        assert await response.json() == {"subject": "gateway:web", "person": "P-1"}


@pytest.mark.parametrize("named", [{}, {"on-behalf-of": ""}, {"on-behalf-of": "a b"}], ids=str)
async def test_a_gateway_must_say_for_whom_it_calls(
    named: dict[str, str], client: ClientSession, provider: Identity
) -> None:
    async with client.get("/v1/me", headers=bearer(provider.token("gateway"), **named)) as response:
        assert (await problem(response, 400))["reason"] == "on_behalf_of_missing"


async def test_without_a_token_a_call_is_unauthorized(client: ClientSession) -> None:
    async with client.get("/v1/work") as response:
        assert response.headers["www-authenticate"] == "Bearer"
        assert await problem(response, 401) == {
            "type": "urn:problem-type:token_missing",
            "title": "Unauthorized",
            "status": 401,
            "detail": "This call needs a bearer token.",
            "reason": "token_missing",
        }


async def test_with_an_invalid_token_a_call_is_unauthorized(client: ClientSession) -> None:
    async with client.get("/v1/work", headers=bearer("a.b.c")) as response:
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert (await problem(response, 401))["reason"] == "token_invalid"


async def test_staff_with_another_role_are_forbidden(client: ClientSession, provider: Identity) -> None:
    for roles in (["crm", "gateway"], []):
        async with client.get("/v1/work", headers=bearer(provider.token(*roles))) as response:
            assert (await problem(response, 403))["reason"] == "role_missing"
    async with client.get("/v1/work", headers=bearer(provider.token("crm", "supervisor"))) as response:
        assert response.status == 200


async def test_a_route_may_be_for_persons_and_staff(client: ClientSession, provider: Identity) -> None:
    answers = {}
    for role in ("billing", "gateway"):
        headers = bearer(provider.token(role), **{"on-behalf-of": "P-1"})
        async with client.get("/v1/statements", headers=headers) as response:
            answers[role] = (await response.json())["person"]
    assert answers == {"billing": None, "gateway": "P-1"}


async def test_while_tokens_cannot_be_judged_the_call_is_to_be_tried_again(
    service: Service, provider: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "away", True)
    headers = bearer(provider.token("billing"))
    async with (
        served(service.api(provider)) as client,
        client.get("/v1/work", headers=headers) as response,
    ):
        assert (await problem(response, 503))["reason"] == "identity_provider_unavailable"
        assert response.headers["retry-after"] == "2"


async def test_the_openapi_document_tells_roles_and_the_form_of_errors(client: ClientSession) -> None:
    async with client.get("/openapi.json") as response:
        document = await response.json()
    paths = document["paths"]
    assert paths["/v1/me"]["get"]["security"] == [{"bearer": ["gateway"]}]
    assert paths["/v1/work"]["get"]["security"] == [{"bearer": ["billing", "supervisor"]}]
    assert "security" not in paths["/v1/payments"]["post"]
    assert paths["/v1/payments"]["post"]["responses"].keys() == {"200", "default"}
    assert paths["/v1/payments"]["post"]["responses"]["default"]["$ref"] == "#/components/responses/Problem"
    content = document["components"]["responses"]["Problem"]["content"]
    assert content["application/problem+json"]["schema"]["$ref"] == "#/components/schemas/Problem"
    assert {"Problem", "FieldFault", "Payment"} <= document["components"]["schemas"].keys()
    assert [parameter["name"] for parameter in paths["/v1/me"]["get"]["parameters"]] == ["on-behalf-of"]


async def test_the_documentation_pages_load_nothing_from_anywhere(client: ClientSession) -> None:
    async with client.get("/asyncapi.json") as response:
        assert await response.json() == ASYNCAPI
    pages = {}
    for path in ("/docs", "/asyncapi"):
        async with client.get(path) as response:
            assert response.content_type == "text/html"
            pages[path] = await response.text()
            assert not any(word in pages[path] for word in ("<script", "http://", "https://", "src="))
    assert "GET /v1/work" in pages["/docs"]
    assert '<a href="#schemas/Payment">Payment</a>' in pages["/docs"]
    assert "What patients owe &amp; pay." in pages["/docs"]
    assert '<details id="schemas/SubmitPayment">' in pages["/asyncapi"]
    assert '<a href="#schemas/SubmitPayment">SubmitPayment</a>' in pages["/asyncapi"]
    assert "What is &lt;said&gt;." in pages["/asyncapi"]
    for words in ("a &lt;payment&gt;", "receive what &lt;patients&gt; do", "Pay &lt;now&gt;."):
        assert words in pages["/asyncapi"]


async def test_the_access_matrix_is_read_from_the_routes(service: Service, provider: Identity) -> None:
    matrix = {(method, path): sorted(roles or ()) for method, path, roles in access(service.api(provider))}
    assert matrix["GET", "/v1/me"] == ["gateway"]
    assert matrix["GET", "/v1/work"] == ["billing", "supervisor"]
    assert matrix["GET", "/v1/statements"] == ["billing", "gateway"]
    assert matrix["POST", "/v1/payments"] == matrix["GET", "/metrics"] == []


@pytest.mark.parametrize("inner", [False, True])
async def test_a_route_that_does_not_say_who_may_call_it_stops_the_start(inner: bool, provider: Identity) -> None:
    router = APIRouter()

    @router.get("/v1/forgotten")
    async def forgotten() -> None: ...

    if inner:
        outer = APIRouter()
        outer.include_router(router)
        router = outer
    with pytest.raises(ValueError, match="GET /v1/forgotten does not say who may call it"):
        api(
            "Payments",
            "",
            routers=[router],
            verifier=TokenVerifier(provider.settings),
            readiness=Service().readiness,
            registry=CollectorRegistry(),
            asyncapi=ASYNCAPI,
        )
