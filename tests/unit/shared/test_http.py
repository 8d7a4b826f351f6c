import asyncio
import signal
import socket
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from aiohttp import ClientSession, FormData
from prometheus_client import Counter
from structlog.testing import capture_logs
from yarl import URL

from shared.http import BODY_BYTES_MAX, Check, listen, serve
from shared.paths import segment
from tests.unit.shared.servers import Identity, free_port
from tests.unit.shared.small_service import CARD, Service, bearer, problem


async def test_a_raised_problem_is_answered_with_its_extensions(client: ClientSession) -> None:
    async with client.get("/v1/refused") as response:
        assert await problem(response, 409) == {
            "type": "urn:problem-type:account_closed",
            "title": "Conflict",
            "status": 409,
            "detail": "The account is closed.",
            "reason": "account_closed",
            "account_version": 3,
        }


async def test_what_is_not_there_is_a_problem_too(client: ClientSession) -> None:
    async with client.get("/v1/nothing") as response:
        assert (await problem(response, 404))["type"] == "about:blank"
    async with client.put("/v1/accounts/A%2F1/visits/V") as response:
        await problem(response, 405)
        assert response.headers["allow"] == "GET"


async def test_what_a_path_does_not_take_is_refused_with_all_that_it_takes(client: ClientSession) -> None:
    async with client.put("/v1/me") as response:
        await problem(response, 405)
        assert response.headers["allow"] == "DELETE, GET"


async def test_a_database_that_is_away_is_told_as_such(client: ClientSession) -> None:
    async with client.get("/v1/database") as response:
        assert (await problem(response, 503))["reason"] == "database_away"


@pytest.mark.parametrize("path", ["/v1/file", "/v1/late"])
async def test_a_file_or_a_wait_that_fails_is_not_told_as_the_database(path: str, client: ClientSession) -> None:
    with capture_logs() as logged:
        async with client.get(path) as response:
            assert "reason" not in await problem(response, 500)
    assert [line["event"] for line in logged] == ["a call failed by an error that nobody caught"]


@pytest.mark.parametrize("number", ["A/1", "/", "A%2F1", "100% #2?", "ä", "a/visits/b", "visits"])
async def test_an_id_in_a_path_may_hold_any_character(number: str, client: ClientSession) -> None:
    path = f"/v1/accounts/{segment(number)}/visits/{segment(number)}"
    async with client.get(URL(path, encoded=True)) as response:
        assert await response.json() == [number, number]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, [("body.amount_minor", "Field required")]),
        ({"amount_minor": -411111}, [("body.amount_minor", "Input should be greater than 0")]),
        ({"amount_minor": CARD + "x"}, [("body.amount_minor", "Input should be a valid integer, unable to")]),
        ({"amount_minor": 1, "kind": CARD}, [("body.kind", "Input should be 'card' or 'bank_account'")]),
        ({"amount_minor": 1, "last4": CARD}, [("body.last4", "Input is not valid: value_error")]),
        ({"amount_minor": 1, CARD: 1}, [("body.*", "Extra inputs are not permitted")]),
        (
            {"amount_minor": 1, "by_visit": {CARD: "x"}},
            [("body.by_visit.*", "Input should be a valid integer")],
        ),
        (
            {"amount_minor": 1, "allocation": [{"visit_account_number": CARD, "amount_minor": 0}]},
            [
                ("body.allocation.0.visit_account_number", "Input is not valid: uuid_parsing"),
                ("body.allocation.0.amount_minor", "Input should be greater than 0"),
            ],
        ),
    ],
    ids=str,
)
async def test_invalid_input_is_told_by_field_and_never_repeated(
    body: dict[str, Any], fields: list[tuple[str, str]], client: ClientSession
) -> None:
    async with client.post("/v1/payments", json=body) as response:
        document = await problem(response, 422)
        assert document["reason"] == "invalid_data"
        assert "411111" not in await response.text()
    assert len(document["fields"]) == len(fields)
    for told, (name, detail) in zip(document["fields"], fields, strict=True):
        assert told["field"] == name
        assert told["detail"].startswith(detail)


async def test_a_body_that_is_not_json_is_told_without_it(client: ClientSession) -> None:
    headers = {"content-type": "application/json"}
    async with client.post("/v1/payments", data=f'{{"card": {CARD}', headers=headers) as response:
        document = await problem(response, 422)
        assert document["fields"][0]["detail"] == "Input is not valid: json_invalid"
        assert CARD not in await response.text()


async def test_a_bug_is_answered_without_details_and_logged_with_the_correlation_id(
    client: ClientSession,
) -> None:
    correlation_id = str(uuid.uuid5(uuid.NAMESPACE_URL, "test"))
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        async with client.get("/v1/broken/G-77", headers={"correlation-id": correlation_id}) as response:
            assert response.headers["correlation-id"] == correlation_id
            assert await problem(response, 500) == {
                "type": "about:blank",
                "title": "Internal Server Error",
                "status": 500,
                "detail": "The service failed; it is logged.",
            }
    (line,) = logged
    assert line["correlation_id"] == correlation_id
    assert (line["log_level"], line["method"], line["route"]) == ("error", "GET", "/v1/broken/{account}")
    assert line["exc_info"] is True


async def test_a_correlation_id_that_is_no_uuid_is_not_taken_up(client: ClientSession) -> None:
    async with client.get("/health/live", headers={"correlation-id": "Jane Doe"}) as response:
        assert uuid.UUID(response.headers["correlation-id"])


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_above_the_limit_is_refused(announced: bool, client: ClientSession) -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 1024):
            yield b" " * 1024

    def body(size: int) -> Any:
        return b" " * size if announced else chunks(size)

    headers = {"content-type": "application/json"}
    async with client.post("/v1/payments", data=body(BODY_BYTES_MAX + 1024), headers=headers) as response:
        assert (await problem(response, 413))["reason"] == "too_large"
        assert response.headers["x-content-type-options"] == "nosniff"
    async with client.post("/v1/payments", data=body(BODY_BYTES_MAX), headers=headers) as response:
        await problem(response, 422)


async def test_a_route_may_allow_larger_bodies(client: ClientSession) -> None:
    headers = {"content-type": "application/octet-stream"}
    async with client.post("/v1/uploads", data=b"x" * 2 * BODY_BYTES_MAX, headers=headers) as response:
        assert await response.json() == 2 * BODY_BYTES_MAX
    async with client.post("/v1/uploads", data=b"x" * 3 * BODY_BYTES_MAX, headers=headers) as response:
        await problem(response, 413)


@pytest.mark.parametrize(
    ("roles", "status", "reason"),
    [(None, 401, "token_missing"), (("forged",), 401, "token_invalid"), (("ops",), 403, "role_missing")],
    ids=["no token", "a bad token", "another role"],
)
async def test_a_body_is_not_read_for_whom_may_not_call(
    roles: tuple[str, ...] | None, status: int, reason: str, client: ClientSession, provider: Identity
) -> None:
    answered = asyncio.Event()

    async def without_end() -> AsyncIterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nGood day'
        await answered.wait()

    headers = {"content-type": "multipart/form-data; boundary=x"}
    if roles is not None:
        headers |= bearer("no token" if roles == ("forged",) else provider.token(*roles))
    async with asyncio.timeout(5), client.post("/v1/forms", data=without_end(), headers=headers) as response:
        assert (await problem(response, status))["reason"] == reason
        answered.set()


async def test_a_body_is_read_for_whom_may_call(client: ClientSession, provider: Identity) -> None:
    form = FormData()
    form.add_field("file", b"x" * BODY_BYTES_MAX, filename="a")
    async with client.post("/v1/forms", data=form, headers=bearer(provider.token("billing"))) as response:
        assert await response.json() == {"name": "a", "size": BODY_BYTES_MAX, "subject": "staff:ann"}


@pytest.mark.parametrize("charset", ["undefined", "idna", "unicode_escape", "latin-1"])
async def test_a_form_is_read_in_utf_8_alone(charset: str, client: ClientSession, provider: Identity) -> None:
    named = "a\\ud800ä.txt"
    form = f'--x\r\ncontent-disposition: form-data; name="file"; filename="{named}"\r\n\r\nab\r\n--x--\r\n'
    headers = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    allowed = bearer(provider.token("billing"))
    async with client.post("/v1/forms", data=form.encode(), headers=headers) as response:
        await problem(response, 401)
    async with client.post("/v1/forms", data=form.encode(), headers=headers | allowed) as response:
        assert (await problem(response, 415))["reason"] == "unknown_charset"
    headers = {"content-type": "multipart/form-data; boundary=x; charset=UTF-8"}
    async with client.post("/v1/forms", data=form.encode(), headers=headers | allowed) as response:
        assert (await response.json())["name"] == named


@pytest.mark.parametrize("path", ["/v1/refused", "/v1/broken/G-77", "/health/live", "/docs", "/v1/nothing"])
async def test_every_answer_has_the_security_headers(path: str, client: ClientSession) -> None:
    with capture_logs():
        response = await client.get(path)
    async with response:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in response.headers


async def test_a_process_that_answers_is_alive_even_when_it_is_not_ready(
    service: Service, client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(service.checks, "broker", Check(ok=False, detail="no answer for 30 s"))
    async with client.get("/health/live") as response:
        assert response.status == 200
    async with client.get("/health/ready") as response:
        assert response.status == 503
        assert await response.json() == {
            "ok": False,
            "checks": {
                "database": {"ok": True, "detail": "answers"},
                "broker": {"ok": False, "detail": "no answer for 30 s"},
            },
        }
    service.checks["broker"] = Check(ok=True, detail="answers")
    async with client.get("/health/ready") as response:
        assert (response.status, (await response.json())["ok"]) == (200, True)


async def test_a_check_that_hangs_means_not_ready(
    service: Service, client: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.http.READINESS_TIMEOUT_S", 0.05)
    monkeypatch.setattr(service, "hangs", True)
    async with client.get("/health/ready") as response:
        assert response.status == 503
        assert not (await response.json())["ok"]


async def test_metrics_come_in_the_format_that_is_asked_for(service: Service, client: ClientSession) -> None:
    Counter("payments_accepted", "Payments accepted.", registry=service.registry).inc(3)
    async with client.get("/metrics") as response:
        assert "payments_accepted_total 3.0" in await response.text()
        assert response.content_type == "text/plain"
    async with client.get("/metrics", headers={"accept": "application/openmetrics-text"}) as response:
        assert (await response.text()).endswith("# EOF\n")
        assert response.content_type == "application/openmetrics-text"
    async with client.get("/metrics", headers={"accept": "text/plain;version=first"}) as response:
        assert (response.status, response.content_type) == (200, "text/plain")


async def test_when_cancelled_the_server_finishes_the_call_under_way(
    service: Service, provider: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "entered", asyncio.Event())
    monkeypatch.setattr(service, "finish", asyncio.Event())
    port = free_port()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    serving = asyncio.create_task(serve(service.api(provider), listen("test", "127.0.0.1", port)))
    async with asyncio.timeout(5), ClientSession(f"http://127.0.0.1:{port}") as client:
        call = asyncio.create_task(client.get("/v1/slow"))
        await service.entered.wait()
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
        serving.cancel()
        await asyncio.sleep(0)
        service.finish.set()
        async with await call as response:
            assert await response.json() == "done"
        with pytest.raises(asyncio.CancelledError):
            await serving
    with socket.create_server(("127.0.0.1", port)):
        pass  # the address is free again


async def test_a_call_that_never_ends_does_not_hold_up_the_end(
    service: Service, provider: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.http.SHUTDOWN_TIMEOUT_S", 0)
    monkeypatch.setattr(service, "entered", asyncio.Event())
    monkeypatch.setattr(service, "finish", asyncio.Event())
    port = free_port()
    serving = asyncio.create_task(serve(service.api(provider), listen("test", "127.0.0.1", port)))
    async with ClientSession(f"http://127.0.0.1:{port}") as client:
        call = asyncio.create_task(client.get("/v1/slow"))
        await service.entered.wait()
        serving.cancel()
        ended, _ = await asyncio.wait([serving], timeout=5)
        service.finish.set()
        assert ended
        async with await call as response:
            assert response.status == 500


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid", ".."])
def test_an_address_that_cannot_be_had_ends_the_process_with_a_line(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            listen("payments", host, port)
    assert str(ended.value.code).startswith(f"payments does not start: it cannot listen on {host}:{port}: ")
