"""What a page says when something did not get through, and that what was typed stays with who typed it."""

from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from aiokafka.errors import KafkaError

from tests.unit.portal.world import World, form

CHOSEN = {"kind": "non-medical", "category": "billing-question", "account_number": "A-1"}
WRITTEN = {"message_id": "m-1", "subject": "A <b>charge</b>", "body": "Why\ntwice?"}
MARIA = {"patient_id": "p-1", "name": "Maria Sandoval", "relationship": "self"}
FORM_PAGE = "http://portal/messages/new?kind=non-medical&category=billing-question"


class Form(HTMLParser):
    """The form of a page that is sent once more, as a browser reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: list[tuple[str, str]] = []
        self.kept: dict[str, str] = {}
        self._typed = ""
        self.feed(page.partition("<main")[2].partition("</main>")[0])

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        told = dict(given)
        if tag == "form":
            self.action = told["action"]
        if tag in ("input", "textarea"):
            name, value = told["name"] or "", told.get("value") or ""
            self.fields.append((name, value))
            self._typed = name if tag == "textarea" else ""
            if "readonly" in told:
                self.kept[name] = value

    def handle_data(self, data: str) -> None:
        if self._typed:
            self.fields[-1] = (self._typed, data)
            if self._typed in self.kept:
                self.kept[self._typed] = data
            self._typed = ""


def away(world: World) -> None:
    for path in ("/v1/patients", "/v1/threads/t-1", "/v1/accounts/A-1", "/v1/coverages/c-1", "/v1/payers"):
        world.services.answer("GET", path, {"detail": "-"}, 503)
    world.services.answer("GET", "/v1/preferences", {"detail": "-"}, 503)


async def test_a_message_that_could_not_be_sent_is_shown_as_it_was_written_and_sent_by_the_next_try(
    world: World,
) -> None:
    async with world.person() as browser:
        away(world)
        sent = form(**CHOSEN, **WRITTEN, attachment_ids="a-9 held card.png")
        refused = await browser.post("/messages/new", data=sent)
        again = Form(refused.text)
        world.services.answer("GET", "/v1/patients", [MARIA])
        world.services.answer("GET", "/v1/recipients", [])
        world.services.answer("GET", "/v1/accounts/A-1", {"account_number": "A-1"})
        answer = await browser.post(again.action or "", data=dict(again.fields))
    assert refused.status_code == 503
    assert "This was not sent" in refused.text
    assert "Nothing is lost" not in refused.text
    assert dict(again.fields) | form() == sent
    assert answer.status_code == 303
    (command,) = world.producer.sent
    assert (command["data"]["body"], command["data"]["message_id"]) == ("Why\ntwice?", "m-1")
    assert command["data"]["attachment_ids"] == ["a-9"]


async def test_files_that_a_form_brought_itself_are_asked_for_again(world: World) -> None:
    async with world.person() as browser:
        away(world)
        files = [("files", ("card.png", b"abc", "image/png"))]
        refused = await browser.post("/messages/new", data=form(**CHOSEN, **WRITTEN), files=files)
    assert 'enctype="multipart/form-data"' in refused.text
    assert ("files", "") in Form(refused.text).fields


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/messages/t-1", {"message_id": "m-1", "body": "Better"}),
        ("/contact/A-1", {"message_id": "m-1", "subject": "A charge", "body": "Why?"}),
        ("/pay/A-1/review", {"method": "card", "token": "tok_1", "last4": "4242", "amount": "5"}),
        ("/pay/A-1", {"method": "card", "token": "t", "payment_id": "p", "review_token": "r", "total_minor": "5"}),
        ("/plan/A-1", {"plan_id": "plan-1", "monthly": "50"}),
        ("/settings/contacts", {"contact_id": "c", "channel": "email", "address": " "}),
        ("/insurance/add", {"coverage_id": "c-9", "patient_id": "p-1", "member_id": "ZX1"}),
        ("/insurance/c-1/change", {"change_id": "ch-1", "plan_name": "Gold", "note": "From May"}),
        ("/basket/items/i-1/reply?pool=billing", {"version": "3", "body": "We look"}),
    ],
)
async def test_a_service_that_is_away_costs_nothing_of_what_was_typed_and_nobody_says_it_is_done(
    world: World, path: str, fields: dict[str, str]
) -> None:
    away(world)
    world.services.answer("POST", "/v1/items/i-1/reply", {"detail": "-"}, 503)
    async with world.staff() if "basket" in path else world.person() as browser:
        refused = await browser.post(path, data=form(**fields))
    again = Form(refused.text)
    assert refused.status_code == 503
    assert (again.action, dict(again.fields) | form()) == (path, form(**fields))
    assert "Nothing is lost" not in refused.text
    assert world.producer.sent == []


async def test_of_what_kafka_does_not_answer_to_nobody_says_that_it_was_not_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_args: Any, **_options: Any) -> None:
        raise KafkaError

    monkeypatch.setattr(world.producer, "send_and_wait", refuse)
    world.services.answer("GET", "/v1/patients", [MARIA])
    world.services.answer("GET", "/v1/accounts/A-1", {"account_number": "A-1"})
    async with world.person() as browser:
        refused = await browser.post("/messages/new", data=form(**CHOSEN, **WRITTEN))
    assert refused.status_code == 503
    assert "We do not know whether this was sent" in refused.text
    assert "This was not sent" not in refused.text
    again = Form(refused.text)
    assert (again.action, dict(again.fields) | form()) == ("/messages/new", form(**CHOSEN, **WRITTEN))


async def test_a_page_that_cannot_be_shown_is_no_matter_of_something_sent(world: World) -> None:
    away(world)
    async with world.person() as browser:
        shown = await browser.get("/messages/new?kind=medical")
    assert shown.status_code == 503
    assert 'href="/messages/new?kind=medical">Try again' in shown.text
    assert "Nothing is lost" in shown.text
    assert "<form" not in shown.text.partition("<main")[2].partition("</main>")[0]


async def lost(browser: httpx.AsyncClient, **headers: str) -> httpx.Response:
    sent = {"csrf": "of the session before", **CHOSEN, **WRITTEN, "code": "123456"}
    return await browser.post("/messages/new", data=sent, headers={"referer": FORM_PAGE, **headers})


async def test_who_was_signed_out_copies_what_they_typed_and_comes_back_to_the_form(world: World) -> None:
    async with world.visitor() as browser:
        shown = await lost(browser)
        after = await browser.get("/messages/new")
    assert shown.status_code == 403
    assert Form(shown.text).kept == {name: WRITTEN[name] for name in ("subject", "body")}
    assert Form(shown.text).action is None
    assert "/login?next=/messages/new%3Fkind%3Dnon-medical%26category%3Dbilling-question" in shown.text
    assert "reload" not in shown.text
    assert "123456" not in shown.text
    assert "twice?" not in after.text


async def test_who_signed_in_anew_opens_the_form_again(world: World) -> None:
    async with world.person() as browser:
        shown = await lost(browser)
    assert 'href="/messages/new?kind=non-medical&amp;category=billing-question"' in shown.text
    assert Form(shown.text).kept["body"] == WRITTEN["body"]
    assert world.producer.sent == []


async def test_a_session_that_is_over_shows_what_was_typed(world: World) -> None:
    world.app.state.sessions.end("session-left", "person-1", "logout")
    cookie = {"person": {"id": "person-1", "name": "Maria Sandoval", "session": "session-left"}}
    async with world.visitor(cookie=cookie) as browser:
        shown = await browser.post("/messages/new", data=form(**CHOSEN, **WRITTEN), headers={"referer": FORM_PAGE})
    assert shown.status_code == 401
    assert Form(shown.text).kept["body"] == WRITTEN["body"]
    assert "/login?next=/messages/new%3Fkind" in shown.text


async def test_nothing_is_shown_of_what_another_site_sent(world: World) -> None:
    async with world.visitor() as browser:
        shown = await lost(browser, **{"sec-fetch-site": "cross-site", "referer": "http://elsewhere.example/trap"})
    assert shown.status_code == 403
    assert "twice?" not in shown.text
    assert "elsewhere" not in shown.text


async def test_a_script_of_a_page_is_not_led_away_from_what_is_being_typed(world: World) -> None:
    async with world.visitor() as browser:
        answer = await browser.get("/basket", headers={"hx-request": "true", "hx-target": "pools"})
    assert answer.status_code == 401
    assert "hx-redirect" not in answer.headers
