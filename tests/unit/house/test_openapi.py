"""What each service's OpenAPI document tells those who make a client of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.unit.house.test_access import MEANT, built
from tests.unit.shared.servers import Identity, identity


@pytest.fixture(scope="module", name="provider")
async def an_identity_provider() -> AsyncIterator[Identity]:
    async with identity() as provider:
        yield provider


@pytest.fixture(params=MEANT, name="calls")
def its_calls(request: pytest.FixtureRequest, provider: Identity) -> dict[str, dict[str, Any]]:
    paths = built(request.param, provider).openapi()["paths"]
    return {
        f"{method.upper()} {path}": call for path, methods in paths.items() for method, call in methods.items()
    }


def test_all_that_is_answered_has_a_content_type_and_each_error_is_a_problem(
    calls: dict[str, dict[str, Any]],
) -> None:
    for name, call in calls.items():
        answers = call["responses"]
        assert answers.pop("default")["$ref"] == "#/components/responses/Problem", name
        without_body = {status for status, answer in answers.items() if not answer.get("content")}
        expected = {"201", "204"} if "/resumable" in name else {"204"}
        assert without_body <= expected | ({"200"} if name.startswith("HEAD") else set()), name
        errors = {status for status in answers if status >= "400"}
        assert errors <= ({"503"} if name == "GET /health/ready" else set()), name


def test_what_can_be_sent_is_told(calls: dict[str, dict[str, Any]]) -> None:
    for name, call in calls.items():
        sent = call.get("parameters", [])
        assert [one["name"] for one in sent if one["in"] != "path" and not one.get("description")] == [], name
        # These are told by the body, the answers and the security scheme.
        assert {one["name"].lower() for one in sent} & {"accept", "content-type", "authorization"} == set(), name


_READ_FIRST = {"after", "before", "language", "q", "token", "version"}
"""What the database is asked for only once it was read, or for nothing of it."""


def test_a_text_in_an_address_is_none_that_the_database_cannot_keep(calls: dict[str, dict[str, Any]]) -> None:
    for name, call in calls.items():
        for one in call.get("parameters", []):
            kinds = one["schema"].get("anyOf", [one["schema"]])
            open_to_all = [
                kind for kind in kinds if kind.get("type") == "string" and not {"pattern", "enum"} & set(kind)
            ]
            assert one["in"] == "header" or one["name"] in _READ_FIRST or open_to_all == [], (name, one["name"])


@pytest.mark.parametrize(
    ("service", "name", "content_type"),
    [
        ("insurance", "GET /fhir/Coverage", "application/fhir+json"),
        ("inbox", "GET /v1/stream", "text/event-stream"),
        ("inbox", "GET /v1/attachments/{attachment_id}/preview", "image/jpeg"),
        ("notifications", "GET /v1/unsubscribe/{token}", "text/html"),
        ("notifications", "POST /v1/sms/inbound", "application/xml"),
        ("payments", "GET /v1/statements/{statement_id}.pdf", "application/pdf"),
    ],
)
async def test_what_is_not_json_is_told_as_what_it_is(
    service: str, name: str, content_type: str, provider: Identity
) -> None:
    method, _, path = name.partition(" ")
    answer = built(service, provider).openapi()["paths"][path][method.lower()]["responses"]["200"]
    assert list(answer["content"]) == [content_type]
