"""The insurance pages: what they show, what they send, and what they say when it is refused."""

import re
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.unit.portal.insurance import coverage, given
from tests.unit.portal.world import World, form

ADD = {
    "coverage_id": "coverage-1",
    "patient_id": "p-1",
    "payer_name": "nm",
    "member_id": "ABC 1",
    "relationship": "self",
    "first_name": "Maria",
    "last_name": "Sandoval",
    "birth_date": "1988-04-17",
}


async def test_the_summary_shows_each_patients_coverages_with_their_state_in_words(world: World) -> None:
    async with world.person() as browser:
        needs = coverage(
            coverage_id="c-2",
            patient_id="p-2",
            status="needs-patient",
            reason="member_not_found",
            payer_name="Harbor",
        )
        given(world, coverage(waits_for_session_end=True), needs, coverage(coverage_id="c-3", status="removed"))
        page = (await browser.get("/insurance")).text
    assert "Needs your attention" in page
    assert "The payer does not know this member ID" in page
    assert "One insurance will be verified when you log out." in page
    assert "One removed insurance" in page
    assert "0.00" not in page
    asked = world.services.calls("GET", "/v1/coverages")[0]
    assert asked.headers["on-behalf-of"] == "person-1"


@pytest.mark.parametrize(
    ("priorities", "turns"),
    [((2, 3, 4), ["first", "second", "third"]), ((1, 1, 3), ["first", "first", "third"]), ((5,), [])],
)
async def test_who_pays_first_is_told_by_the_order_that_is_left(
    world: World, priorities: tuple[int, ...], turns: list[str]
) -> None:
    gone = coverage(coverage_id="c-0", status="removed", priority=1)
    left = [coverage(coverage_id=f"c-{n}", priority=one) for n, one in enumerate(priorities, 1)]
    async with world.person() as browser:
        given(world, *left, gone)
        page = (await browser.get("/insurance")).text
    assert re.findall(r"<dt>Pays</dt><dd>(\w+)</dd>", page) == turns


@pytest.mark.parametrize(
    ("verified_at", "said"),
    [(None, "as soon as the payer has answered."), ("2026-01-02T10:00:00Z", "The payer has not told us about")],
)
async def test_a_payer_that_has_not_answered_yet_has_kept_nothing_back(
    world: World, verified_at: str | None, said: str
) -> None:
    async with world.person() as browser:
        given(world, coverage(verified_at=verified_at))
        page = (await browser.get("/insurance/c-1")).text
    assert said in page
    assert page.count("The payer has not told us about") == (verified_at is not None)


async def test_a_share_of_the_whole_plan_is_called_coinsurance(world: World) -> None:
    share = {
        "kind": "coinsurance",
        "level": "individual",
        "network": "in",
        "service_type": "30",
        "period": "other",
    }
    async with world.person() as browser:
        given(world, coverage(benefits=[share | {"percent": 20, "reported": True}]))
        page = (await browser.get("/insurance")).text
    seen = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "20% Coinsurance" in seen
    assert "The whole plan" not in seen


async def test_all_is_there_in_spanish_too(world: World) -> None:
    async with world.person("es") as browser:
        given(world, coverage())
        page = (await browser.get("/insurance")).text
    assert "Activo" in page
    assert "Agregar seguro" in page


async def test_adding_sends_the_payer_that_the_name_leads_to_and_goes_back_to_the_summary(world: World) -> None:
    async with world.person() as browser:
        given(world, coverage(coverage_id="coverage-1", status="pending", waits_for_session_end=True))
        answer = await browser.post("/insurance/add", data=form(**ADD))
        assert (answer.status_code, answer.headers["location"]) == (303, "/insurance")
        shown = (await browser.get("/insurance")).text
    command = world.producer.sent[0]
    assert command["type"] == "insurance.add-coverage.v1"
    assert (command["subject"], command["actor"]) == ("p-1", "patient:person-1")
    assert command["data"]["payer_id"] == "NEW"
    assert command["data"]["session_id"] == "session-1"
    assert command["data"]["coverage_id"] == "coverage-1"
    assert command["data"]["subscriber"]["birth_date"] == "1988-04-17"
    assert "Your insurance is on file. It will be verified when you log out." in shown


async def test_an_insurance_of_a_payer_that_nobody_knows_is_not_said_to_be_verified(world: World) -> None:
    async with world.person() as browser:
        given(world, coverage(coverage_id="coverage-1", status="needs-staff", reason="unknown_payer"))
        await browser.post("/insurance/add", data=form(**ADD | {"payer_name": "Somewhere Else"}))
        shown = (await browser.get("/insurance")).text
    assert "Your insurance is on file. Our staff will look up the payer." in shown
    assert "when you log out" not in shown


@pytest.mark.parametrize("status", [404, 503])
async def test_an_insurance_that_is_on_file_is_said_to_be_even_if_it_cannot_be_shown(
    world: World, status: int
) -> None:
    async with world.person() as browser:
        given(world, coverage(coverage_id="coverage-1"))
        world.services.answer("GET", "/v1/coverages/coverage-1", {"detail": "-"}, status)
        answer = await browser.post("/insurance/add", data=form(**ADD))
        shown = (await browser.get("/insurance")).text
    assert answer.headers.get("location") == "/insurance"
    assert "Your insurance is on file." in shown


async def test_a_retired_payer_leads_to_its_successor_and_an_unknown_one_is_sent_as_typed(world: World) -> None:
    async with world.person() as browser:
        given(world, coverage(coverage_id="coverage-1"))
        await browser.post("/insurance/add", data=form(**ADD | {"payer_name": "Old Mutual", "patient_id": "p-2"}))
        await browser.post("/insurance/add", data=form(**ADD | {"payer_name": "Somewhere Else"}))
    retired, unknown = world.producer.sent
    assert (retired["data"]["payer_id"], retired["actor"]) == ("NEW", "proxy:person-1")
    assert unknown["data"].get("payer_id") is None
    assert unknown["data"]["payer_name"] == "Somewhere Else"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("member_id", "", "Please fill this in."),
        ("birth_date", "soon", "Please enter a date."),
        ("group_number", "x" * 81, "This is too long"),
    ],
)
async def test_what_does_not_fit_is_said_at_its_field_and_the_rest_stays(
    world: World, field: str, value: str, said: str
) -> None:
    async with world.person() as browser:
        given(world)
        answer = await browser.post(
            "/insurance/add", data=form(**ADD | {"plan_name": "Silver 3"} | {field: value})
        )
    assert answer.status_code == 422
    assert said in answer.text
    assert 'value="Silver 3"' in answer.text
    assert world.producer.sent == []


async def test_a_refusal_says_why_and_keeps_the_key_so_that_sending_again_is_the_same_request(
    world: World,
) -> None:
    async with world.person() as browser:
        given(world)
        world.producer.outcome = ("refused", "insurance.command-refused.v1", {"reason": "duplicate_coverage"})
        answer = await browser.post("/insurance/add", data=form(**ADD))
    assert answer.status_code == 422
    assert "This insurance is on file already." in answer.text
    assert 'name="coverage_id" value="coverage-1"' in answer.text


async def test_without_an_outcome_in_time_the_page_says_that_it_is_being_worked_on(world: World) -> None:
    async with world.person() as browser:
        given(world)
        world.producer.outcome = None
        await browser.post("/insurance/add", data=form(**ADD))
        assert "still being worked on" in (await browser.get("/insurance")).text


@pytest.mark.parametrize(
    ("path", "sent"),
    [("/insurance/add", ADD), ("/insurance/c-1/change", {"plan_name": "Silver"}), ("/insurance/c-1/remove", {})],
)
async def test_a_refusal_that_comes_late_is_told_on_whatever_page_is_open_then(
    world: World, path: str, sent: dict[str, str]
) -> None:
    refused = ("refused", "insurance.command-refused.v1", {"reason": "stale_version"})
    async with world.person() as browser:
        given(world, coverage())
        world.producer.outcome = None
        await browser.post(path, data=form(change_id="x-1", base_version="3", **sent))
        (command,) = world.producer.sent
        world.producer.end("insurance.commands.v1", command, *refused)
        told = [(await browser.get("/insurance")).text for _ in range(2)]
    said = "Somebody changed this in the meantime. Please look at it again."
    assert [said in page for page in told] == [True, False]


async def test_a_version_that_no_page_wrote_is_the_present_one(world: World) -> None:
    async with world.person() as browser:
        given(world, coverage())
        told = {"change_id": "x-1", "payer_name": "New Mutual", "plan_name": "Silver", "relationship": "self"}
        await browser.post("/insurance/c-1/change", data=form(**told, base_version="9" * 5_000))
    assert world.producer.sent[0]["data"]["base_version"] == 3


async def test_a_change_names_what_differs_and_the_version_that_was_seen(world: World) -> None:
    async with world.person() as browser:
        given(world, coverage())
        shown = (await browser.get("/insurance/c-1/change")).text
        assert 'name="base_version" value="3"' in shown
        sent = {"change_id": "x-1", "base_version": "3", "payer_name": "New Mutual", "plan_name": "Gold"}
        typed = sent | {"relationship": "self", "member_id": "ZZ 9", "effective_to": "2026-12-31"}
        same = await browser.post("/insurance/c-1/change", data=form(**sent, relationship="self"))
        answer = await browser.post("/insurance/c-1/change", data=form(**typed))
    assert same.status_code == 422
    assert "Nothing here differs" in same.text
    assert answer.headers["location"] == "/insurance/c-1"
    (command,) = world.producer.sent
    changes = {name: value for name, value in command["data"]["changes"].items() if value is not None}
    assert changes == {"member_id": "ZZ 9", "effective_to": "2026-12-31"}
    assert command["data"]["base_version"] == 3


def filled_in(page: str) -> dict[str, str]:
    """Return what a form on a page sends when nothing is typed."""
    sent = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = (re.search(rf' {part}="([^"]*)"', tag) for part in ("name", "value"))
        if name and ('type="radio"' not in tag or " checked" in tag):
            sent[name[1]] = value[1] if value else ""
    return sent


async def test_what_staff_changed_meanwhile_is_not_undone_by_who_did_not_touch_it(world: World) -> None:
    async with world.person() as browser:
        given(world, coverage())
        shown = filled_in((await browser.get("/insurance/c-1/change")).text)
        given(world, coverage(version=4, plan_name="Platinum", relationship="spouse"))
        world.producer.outcome = ("refused", "insurance.command-refused.v1", {"reason": "stale_version"})
        answer = await browser.post("/insurance/c-1/change", data=shown | {"group_number": "G 7"})
        again = filled_in(answer.text)
        world.producer.outcome = ("done", "a.done.v1", {})
        await browser.post("/insurance/c-1/change", data=again)
    assert answer.status_code == 422
    assert "Somebody changed this in the meantime." in answer.text
    told = ("plan_name", "group_number", "relationship", "base_version", "change_id")
    assert {name: again[name] for name in told} == {
        "plan_name": "Platinum",
        "group_number": "G 7",
        "relationship": "spouse",
        "base_version": "4",
        "change_id": shown["change_id"],
    }
    sent = [
        (
            command["data"]["base_version"],
            {name: value for name, value in command["data"]["changes"].items() if value is not None},
        )
        for command in world.producer.sent
    ]
    assert sent == [(3, {"group_number": "G 7"}), (4, {"group_number": "G 7"})]


async def test_a_fault_in_a_form_does_not_make_an_older_version_a_newer_one(world: World) -> None:
    async with world.person() as browser:
        given(world, coverage())
        shown = filled_in((await browser.get("/insurance/c-1/change")).text)
        given(world, coverage(version=4, plan_name="Platinum"))
        answer = await browser.post("/insurance/c-1/change", data=shown | {"payer_name": ""})
    assert answer.status_code == 422
    assert filled_in(answer.text)["base_version"] == "3"


async def test_removing_somebody_elses_coverage_is_not_found_and_sends_nothing(world: World) -> None:
    async with world.person() as browser:
        given(world, coverage())
        mine = await browser.post("/insurance/c-1/remove", data=form(reason="other"))
        theirs = await browser.post("/insurance/c-99/remove", data=form(reason="other"))
    assert (mine.status_code, theirs.status_code) == (303, 404)
    assert [command["data"]["coverage_id"] for command in world.producer.sent] == ["c-1"]


@pytest.mark.parametrize("form_of", ["change", "remove"])
async def test_of_an_insurance_that_was_removed_there_is_no_form_any_more(world: World, form_of: str) -> None:
    async with world.person() as browser:
        given(world, coverage(status="removed"))
        answer = await browser.get(f"/insurance/c-1/{form_of}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/insurance/c-1")


async def test_a_form_of_another_site_changes_nothing(world: World) -> None:
    async with world.person() as browser:
        given(world, coverage())
        answer = await browser.post("/insurance/c-1/remove", data={"csrf": "guessed"})
    assert answer.status_code == 403
    assert world.producer.sent == []


def suggestion(value: str, *ambiguous: int) -> dict[str, Any]:
    return {"value": value, "confidence": 0.98, "ambiguous": list(ambiguous)}


READ = {
    "payer_id": suggestion("NEW"),
    "payer_name": suggestion("New Mutual"),
    "member_id": suggestion("AB017", 2, 3),
    "subscriber": {"first_name": suggestion("Jordan"), "last_name": suggestion("Lee")},
    "rx_bin": suggestion("610014"),
}


async def chosen(browser: httpx.AsyncClient, **files: bytes) -> httpx.Response:
    pictures = {name: (f"{name}.jpg", content, "image/jpeg") for name, content in files.items()}
    kept = form(patient_id="p-2", coverage_id="coverage-7")
    return await browser.post("/insurance/add/card", data=kept, files=pictures)


async def test_a_picture_of_a_card_fills_the_form_in_and_marks_what_is_easily_misread(world: World) -> None:
    sent: list[dict[str, Any]] = []

    async def read(request: web.Request) -> web.Response:
        sent.append({name: getattr(part, "filename", part) for name, part in (await request.post()).items()})
        return web.json_response({"fields": READ})

    async with world.person() as browser:
        given(world)
        world.services.answer("POST", "/v1/card-readings", read)
        answer = await chosen(browser, card_front=b"front", card_back=b"back")
        world.services.answer("POST", "/v1/card-readings", {"fields": {"plan_name": suggestion("Gold")}})
        front_alone = await chosen(browser, card_front=b"front")
    assert (answer.status_code, front_alone.status_code) == (200, 200)
    assert sent == [{"patient_id": "p-2", "file": "card_front.jpg", "back": "card_back.jpg"}]
    for name, value in (("payer_name", "New Mutual"), ("member_id", "AB017"), ("first_name", "Jordan")):
        assert re.search(rf'id="{name}"[^>]* value="{value}"', answer.text)
    assert "AB<mark>0</mark><mark>1</mark>7" in answer.text
    assert '<form method="post" action="/insurance/add" ' in answer.text
    assert "Easily mistaken: the digit 0, the digit 1." in answer.text
    assert re.search(r'id="member_id"[^>]* aria-describedby="member_id-hint', answer.text)
    assert 'name="coverage_id" value="coverage-7"' in answer.text
    assert re.search(r'name="patient_id" value="p-2" checked', answer.text)
    assert 'value="Leo"' in front_alone.text
    assert world.producer.sent == []


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (422, "nothing_read", "Please take it again in good light"),
        (422, "unknown_type", "Please choose a JPEG, PNG, WebP or HEIC picture."),
        (413, None, "This picture is too large."),
        (422, "invented_yesterday", "We could not read this picture."),
        (503, "reader_busy", "Please type in what is on the card."),
    ],
)
async def test_a_picture_that_cannot_be_read_is_told_in_words_above_the_form(
    world: World, status: int, reason: str | None, said: str
) -> None:
    async with world.person() as browser:
        given(world)
        world.services.answer("POST", "/v1/card-readings", {"reason": reason}, status)
        answer = await chosen(browser, card_front=b"front")
    assert answer.status_code == 422
    assert said in answer.text
    assert 'name="member_id"' in answer.text


async def test_without_a_picture_one_is_asked_for_and_a_page_asked_for_again_is_the_empty_form(
    world: World,
) -> None:
    async with world.person("es") as browser:
        given(world)
        answer = await chosen(browser, card_back=b"back")
        again = await browser.get("/insurance/add/card")
    assert "Primero elija una imagen." in answer.text
    assert world.services.calls("POST", "/v1/card-readings") == []
    assert (again.status_code, again.headers["location"]) == (303, "/insurance/add")
