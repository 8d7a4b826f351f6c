"""Who may open and send what at the portal: every route, with every kind of visitor, against what is meant."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any, Final

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from itsdangerous import TimestampSigner

from portal.guarding import FILES_BYTES_MAX
from tests.unit.portal.world import CSRF, SECRET, World

PUBLIC: Final = {
    "GET /",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /static/{version}/{name}",
    "GET /login",
    "GET /login/callback",
    "POST /logout",
    "POST /preferences",
    "GET /pay-my-bill",
    "GET /pay-my-bill/challenge",
    "POST /pay-my-bill",
}
"""For everybody: nothing of anybody is shown, or it is what the visitor has just typed."""
GUEST: Final = {
    "GET /pay-my-bill/amount",
    "POST /pay-my-bill/review",
    "POST /pay-my-bill/pay",
    "GET /pay-my-bill/payments/{payment_id}",
}
"""For who has looked the bill up in this browser, whether logged in or not."""
PERSON: Final = {
    "GET /notices",
    "GET /billing",
    "GET /billing/{number}",
    "GET /billing/{number}/payments",
    "GET /billing/{number}/statements",
    "GET /billing/{number}/plan",
    "GET /statements/{statement_id}.pdf",
    "GET /payments/{payment_id}",
    "GET /payments/{payment_id}/receipt.pdf",
    "GET /pay/{number}",
    "POST /pay/{number}/review",
    "POST /pay/{number}",
    "GET /plan/{number}",
    "GET /plan/{number}/quote",
    "POST /plan/{number}",
    "GET /plan/{number}/{plan_id}",
    "POST /plan/{number}/{plan_id}",
    "POST /plan/{number}/{plan_id}/pause",
    "POST /plan/{number}/{plan_id}/resume",
    "POST /plan/{number}/{plan_id}/cancel",
    "GET /paperless/{number}",
    "POST /paperless/{number}",
    "GET /contact/{number}",
    "POST /contact/{number}",
    "GET /settings",
    "POST /settings/contacts",
    "GET /settings/contacts/{contact_id}",
    "POST /settings/contacts/{contact_id}",
    "POST /settings/contacts/{contact_id}/resend",
    "POST /settings/contacts/{contact_id}/remove",
    "POST /settings/paperless/{number}/end",
    "POST /settings/methods/{number}/{method_id}/remove",
    "GET /insurance",
    "GET /insurance/payers",
    "GET /insurance/add",
    "POST /insurance/add",
    "GET /insurance/add/card",
    "POST /insurance/add/card",
    "GET /insurance/{coverage_id}",
    "GET /insurance/{coverage_id}/change",
    "POST /insurance/{coverage_id}/change",
    "GET /insurance/{coverage_id}/remove",
    "POST /insurance/{coverage_id}/remove",
    "GET /messages",
    "GET /messages/new",
    "POST /messages/new",
    "POST /messages/urgency",
    "POST /messages/uploads",
    "HEAD /messages/uploads/{upload_id}",
    "PATCH /messages/uploads/{upload_id}",
    "GET /messages/attachments/{attachment_id}",
    "GET /messages/{thread_id}",
    "POST /messages/{thread_id}",
}
STAFF: Final = {
    "GET /basket",
    "GET /basket/items/{item_id}",
    "GET /basket/items/{item_id}/news",
    "GET /basket/stream",
    "GET /basket/attachments/{attachment_id}",
    "GET /basket/attachments/{attachment_id}/preview",
    "POST /basket/items/{item_id}/work",
    "POST /basket/items/{item_id}/{action}",
}
SUPERVISOR: Final = {"GET /basket/figures"}
SIGNED: Final = {"GET /live/{signed}"}
"""For who was given the address by a page, in the same session: nobody invents one."""

WITH_FILES: Final = {
    "POST /insurance/add",
    "POST /insurance/add/card",
    "POST /messages/new",
    "POST /messages/{thread_id}",
}
"""Forms that may be long."""

AS_GUEST: Final = ("Bearer gateway", None)
NUMBERS: Final = count()
MIB: Final = 1024 * 1024
SAMPLES: Final = {"version": "1", "name": "portal.css", "action": "claim"}
TYPED: Final = {
    "payment_id": "A-2",
    "review_token": "r",
    "total_minor": "500",
    "method": "card",
    "token": "tok_ok",
}
SAFE: Final = {"GET", "HEAD", "OPTIONS"}
PROOF: Final = {"csrf": CSRF}
BILL: Final = {
    "account_number": "A-1",
    "currency": "USD",
    "guest_token": "g",
    "balance_minor": 500,
    "subject": "A-1",
}
PAYING: Final = {"id": "A-1", "command": "c", "amount_minor": 500, "currency": "USD", "method": {"kind": "card"}}
ROLES: Final = ("billing", "crm", "insurance", "clinical", "clinical-support", "supervisor", "ops")
KINDS: Final[dict[str, set[str]]] = {
    "nobody": PUBLIC,
    "somebody who has logged out": PUBLIC,
    "staff whose token is not sealed by us": PUBLIC,
    "guest": PUBLIC | GUEST,
    "patient": PUBLIC | PERSON,
    "proxy": PUBLIC | PERSON,
    **{role: PUBLIC | STAFF | (SUPERVISOR if role == "supervisor" else set()) for role in ROLES},
}


async def visiting(world: World, kind: str) -> httpx.AsyncClient:
    """Return the browser of such a visitor, for one request: some of them end the session."""
    close = world.app.state.cookie_box.close
    match kind:
        case "nobody":
            return world.visitor()
        case "guest":
            return world.visitor(cookie={"bill": close(json.dumps(BILL)), "paying": PAYING})
        case "patient" | "proxy":
            return world.visitor(cookie=person(kind, f"session-{next(NUMBERS)}"))
        case "somebody who has logged out":
            world.app.state.sessions.end("session-over", "patient", "logout")
            world.forget()
            return world.visitor(cookie=person("patient", "session-over"))
        case "staff whose token is not sealed by us":
            return world.visitor(
                cookie={
                    "staff": {"id": "ann", "name": "Ann", "roles": ["supervisor"], "token": "t", "session": "s-1"}
                }
            )
        case role:
            return world.staff("ann", role)


def person(person_id: str, session_id: str) -> dict[str, Any]:
    return {"person": {"id": person_id, "name": "Maria Sandoval", "session": session_id}}


def routes(world: World) -> list[str]:
    return [
        f"{method} {route.path}"
        for route in iter_route_contexts(world.app.routes)
        if isinstance(route.original_route, APIRoute)
        for method in route.methods or ()
    ]


def changing(world: World) -> Iterator[str]:
    return (route for route in routes(world) if route.split()[0] not in SAFE)


async def send(browser: httpx.AsyncClient, route: str, proof: dict[str, str]) -> httpx.Response:
    method, path = route.split()
    for name in [part.partition("}")[0] for part in path.split("{")[1:]]:
        path = path.replace(f"{{{name}}}", SAMPLES.get(name, "A-1"))
    async with browser:
        return await browser.request(method, path, data=None if method in SAFE else TYPED | proof)


def is_kept_out(world: World, answer: httpx.Response) -> bool:
    """Tell whether a visitor was sent away, by the portal itself."""
    if world.services.asked or world.producer.sent:
        return False
    onward = answer.headers.get("location", "")
    return answer.status_code in {401, 404} or onward == "/pay-my-bill" or onward.startswith("/login?next=")


def test_every_route_says_who_may_use_it(world: World) -> None:
    meant = [*PUBLIC, *GUEST, *PERSON, *STAFF, *SUPERVISOR, *SIGNED]
    assert sorted(routes(world)) == sorted(meant)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_visitor_gets_what_is_meant_for_them_in_their_own_name_and_nothing_else(
    world: World, kind: str
) -> None:
    own = ("Bearer token-of-ann", None) if kind in ROLES else ("Bearer gateway", kind)
    asked = set()
    for route in routes(world):
        answer = await send(await visiting(world, kind), route, PROOF)
        assert is_kept_out(world, answer) == (route not in KINDS[kind]), f"{route}: {answer.status_code}"
        names = {(one.headers["authorization"], one.headers.get("on-behalf-of")) for one in world.services.asked}
        assert names <= {AS_GUEST if "/pay-my-bill" in route else own}, route
        actors = {one["actor"] for one in world.producer.sent}
        assert actors <= {"guest" if "/pay-my-bill" in route else f"patient:{kind}"}, route
        asked |= names
        world.forget()
    assert asked == ({AS_GUEST} if KINDS[kind] <= PUBLIC | GUEST else {AS_GUEST, own})


@pytest.mark.parametrize("kind", ["nobody", "guest", "patient", "supervisor"])
@pytest.mark.parametrize("proof", [{}, {"csrf": ""}, {"csrf": "of another browser"}])
async def test_what_changes_something_needs_a_form_of_ours(world: World, kind: str, proof: dict[str, str]) -> None:
    for route in changing(world):
        answer = await send(await visiting(world, kind), route, proof)
        assert answer.status_code == 403, route
        assert not world.services.asked, route
        assert not world.producer.sent, route


@pytest.mark.parametrize("announced", [True, False])
async def test_nobody_can_send_more_than_a_form_holds(world: World, *, announced: bool) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="f"\r\n\r\n'
        for _ in range(FILES_BYTES_MAX // MIB + 1):
            yield b"x" * MIB
            taken += MIB

    for route in changing(world):
        taken = 0
        method, path = route.split()
        length = {"content-length": str(FILES_BYTES_MAX + 1)} if announced else {}
        headers = {"content-type": "multipart/form-data; boundary=b", **length}
        async with world.person() as browser:
            answer = await browser.request(method, path, content=endless(), headers=headers)
        assert answer.status_code == 413, route
        assert "Go back, leave out some of the files and try again." in answer.text, route
        assert taken <= (0 if announced else FILES_BYTES_MAX if route in WITH_FILES else MIB), route


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("path", ["/nowhere", "/messages/new/further/nowhere"])
async def test_nothing_that_is_sent_to_an_unknown_address_is_read(world: World, path: str, kind: str) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(4):
            taken += MIB
            yield b"x" * MIB

    async with world.person() as browser:
        answer = await browser.post(path, content=endless(), headers={"content-type": kind})
    assert (answer.status_code, taken) == (404, 0)
    assert "We cannot find this" in answer.text


async def test_what_is_too_large_is_told_in_the_language_of_the_person(world: World) -> None:
    async with world.person("es") as browser:
        answer = await browser.post("/preferences", content=b"x" * MIB)
        fragment = await browser.post("/preferences", content=b"x" * MIB, headers={"hx-request": "true"})
    assert "quite algunos archivos" in answer.text
    assert answer.headers["content-security-policy"]
    assert ("quite algunos archivos" in fragment.text, "<html" in fragment.text) == (True, False)


@pytest.mark.parametrize("kind", ["multipart/form-data", "application/x-www-form-urlencoded"])
async def test_of_a_form_that_cannot_be_read_nothing_is_shown(world: World, kind: str) -> None:
    headers = {"content-type": kind, "x-csrf-token": CSRF}
    async with world.visitor() as browser:
        answer = await browser.post("/messages/new", content=b"body=" + b"x" * (MIB + 1), headers=headers)
    assert answer.status_code == 401
    assert "What you typed" not in answer.text


async def test_a_cookie_that_we_did_not_sign_is_none(world: World) -> None:
    told = base64.b64encode(json.dumps({"csrf": CSRF, **person("patient", "session-1")}).encode())
    forged = TimestampSigner(SECRET[::-1]).sign(told).decode()
    for route in PERSON:
        browser = world.visitor()
        browser.cookies.set("session", forged)
        answer = await send(browser, route, PROOF)
        assert is_kept_out(world, answer) or answer.status_code == 403, route


@pytest.mark.parametrize("kind", ["guest", "patient"])
@pytest.mark.parametrize("wrong", [{"token": ""}, {"method": ""}, {"payment_id": "x" * 1000}])
async def test_a_payment_that_no_page_of_ours_offers_is_refused_in_words(
    world: World, kind: str, wrong: dict[str, str]
) -> None:
    world.services.answer("GET", "/v1/accounts/A-1", {"account_number": "A-1", "currency": "USD"})
    route = "POST /pay-my-bill/pay" if kind == "guest" else "POST /pay/{number}"
    answer = await send(await visiting(world, kind), route, PROOF | wrong)
    assert answer.status_code == 422
    assert "does not fit" in answer.text
    assert not world.producer.sent
