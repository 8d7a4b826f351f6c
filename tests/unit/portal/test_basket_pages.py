"""The in basket: lists, an open item and its news, search and the stream."""

import html
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from portal.basket.answers import STATES, Item, short
from portal.basket.panes import HOURS
from portal.rendering import ENVIRONMENT
from tests.unit.portal.basket import BILLING, CRM, PANE, given, item
from tests.unit.portal.world import World

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def read(**fields: Any) -> Item:
    return Item.model_validate(item(**fields))


@pytest.mark.parametrize(
    ("told", "percent", "tone"),
    [
        ({"waited_s": 3_600, "limit_s": 14_400}, 25, "fine"),
        ({"waited_s": 10_800, "limit_s": 14_400}, 75, "soon"),
        ({"waited_s": 20_000, "limit_s": 14_400}, 100, "late"),
        ({"waited_s": 0, "limit_s": 0}, 100, "late"),
    ],
)
def test_an_items_bar_is_the_part_of_its_time_that_is_used(told: dict[str, int], percent: int, tone: str) -> None:
    limit = read(**told).limit(NOON)
    assert limit is not None
    assert (limit.percent, limit.tone) == (percent, tone)


def test_what_does_not_wait_for_staff_has_no_bar_and_what_is_past_due_is_late() -> None:
    assert read(state="waiting").limit(NOON) is None
    late = read().limit(NOON + timedelta(hours=3))
    assert late is not None
    assert late.tone == "late"


def test_ages_are_one_short_word() -> None:
    assert [short(seconds) for seconds in (5, 300, 7_200, 200_000)] == ["5s", "5m", "2h", "2d"]
    weeks = [short(timedelta(days=days).total_seconds()) for days in (7, 29, 300, 364, 365)]
    assert weeks == ["1w", "4w", "42w", "52w", "1y"]


def test_every_view_and_every_time_to_put_an_item_off_for_is_called_something_of_its_own() -> None:
    words: Any = ENVIRONMENT.get_template("basket/words.html").module
    assert [words.view(state) for state in STATES] == ["Open", "Waiting", "Postponed", "Done"]
    times = [words.hours(count) for count in HOURS]
    assert all(times)
    assert len(set(times)) == len(HOURS)


async def test_the_page_opens_where_something_waits_and_shows_its_list(world: World) -> None:
    given(world, item(urgent=True, urgent_words=["chest pain"], holder="staff:bob"))
    async with world.staff() as browser:
        page = (await browser.get("/basket")).text
    assert "oldest 2h" in page
    assert "nothing waits" in page
    assert "Charged twice" in page
    assert "Urgent words" in page
    assert "bob" in page
    assert "after=cursor-2" in page
    assert (
        world.services.calls("GET", "/v1/pools/billing/items")[0].headers["authorization"] == "Bearer token-of-ann"
    )


async def test_a_script_gets_the_pane_it_asks_for_and_a_browser_the_whole_page(world: World) -> None:
    given(world, item())
    async with world.staff() as browser:
        whole = (await browser.get("/basket/items/i-1?pool=billing")).text
        pane = (await browser.get("/basket/items/i-1?pool=billing", headers=PANE)).text
        rows = (await browser.get("/basket?pool=billing", headers=PANE | {"hx-target": "items"})).text
        pools = (await browser.get("/basket?pool=billing", headers=PANE | {"hx-target": "pools"})).text
    assert "<html" in whole
    for part in (pane, rows, pools):
        assert "<html" not in part
    assert "Why twice?" in whole
    assert "Why twice?" in pane
    assert "Apr 17, 1988" in pane
    assert "/basket/attachments/a-1/preview" in pane
    assert "/basket/attachments/a-2" not in pane
    assert "held until it is scanned" in pane


async def test_a_list_that_is_renewed_is_as_long_as_it_was_and_no_longer_than_two_hundred(world: World) -> None:
    async def items(request: web.Request) -> web.Response:
        first, count = int(request.query.get("after", 0)), int(request.query["limit"])
        rows = [item(item_id=f"i-{number}") for number in range(first, first + count)]
        return web.json_response({"items": rows, "next": str(first + count)})

    given(world)
    world.services.answer("GET", "/v1/pools/billing/items", items)
    async with world.staff() as browser:
        renewed = [
            (await browser.get(f"/basket?pool=billing&limit={count}", headers=PANE | {"hx-target": "items"})).text
            for count in (120, 9_999)
        ]
    assert [page.count("data-item=") for page in renewed] == [120, 200]
    assert "after=120" in renewed[0]


async def test_without_scripts_too_more_shows_what_comes_after(world: World) -> None:
    given(world, item())
    async with world.staff() as browser:
        page = (await browser.get("/basket?pool=billing&state=open&after=cursor-1")).text
    assert world.services.calls("GET", "/v1/pools/billing/items")[0].query["after"] == "cursor-1"
    assert 'id="items" hx-get="/basket?pool=billing&amp;state=open&amp;after=cursor-1"' in page


async def test_news_of_an_open_item_leave_what_is_typed_alone_and_keep_its_version_when_somebody_wrote(
    world: World,
) -> None:
    given(world, item(version=9))
    async with world.staff() as browser:
        same = (await browser.get("/basket/items/i-1/news?seen=m-1", headers=PANE)).text
        wrote = (await browser.get("/basket/items/i-1/news?seen=m-0", headers=PANE)).text
    assert 'id="version-reply" value="9" hx-swap-oob="true"' in same
    assert "version-reply" not in wrote
    assert "The patient has just written again." in wrote
    for news in (same, wrote):
        assert "<textarea" not in news
        assert 'id="version-reassign" value="9" hx-swap-oob="true"' in news


async def test_earlier_messages_of_an_open_item_come_above_those_that_are_shown(world: World) -> None:
    async def part(request: web.Request) -> web.Response:
        if request.query.get("before") == "a=b":
            [entry] = item()["messages"]
            return web.json_response(item(messages=[{**entry, "message_id": "m-0", "body": "Hello?"}]))
        return web.json_response(item(earlier="a=b"))

    given(world, item())
    world.services.answer("GET", "/v1/items/i-1", part)
    address = "/basket/items/i-1?pool=billing&state=open&before=a%3Db"
    async with world.staff() as browser:
        pane = (await browser.get("/basket/items/i-1?pool=billing", headers=PANE)).text
        earlier = (await browser.get(address, headers=PANE | {"hx-target": "earlier"})).text
        whole = (await browser.get(address)).text
        await browser.get("/basket/items/i-1/news?limit=250", headers=PANE)
    assert f'hx-get="{html.escape(address)}" hx-target="#earlier"' in pane
    assert earlier.strip().startswith("<li")
    assert ("Hello?" in earlier, "Why twice?" in earlier, "before=" in earlier) == (True, False, False)
    assert "These are the first messages." in earlier
    # Without a script: all that there are, up to now.
    assert ("Hello?" in whole, "Why twice?" in whole) == (False, True)
    asked = [one.query.get("limit") for one in world.services.calls("GET", "/v1/items/i-1")]
    assert asked == ["100", "100", "1000", "250"]


async def test_a_file_that_has_been_scanned_meanwhile_can_be_opened_from_the_open_item(world: World) -> None:
    scanned = item()
    for file in scanned["messages"][0]["attachments"]:
        file["state"] = "clean"
    given(world, scanned)
    async with world.staff() as browser:
        news = (await browser.get("/basket/items/i-1/news?seen=m-1", headers=PANE)).text
    assert 'href="/basket/attachments/a-2"' in news
    assert "held until it is scanned" not in news


async def test_a_search_that_cannot_be_understood_says_so_also_when_its_list_is_renewed(world: World) -> None:
    given(world)
    world.services.answer("GET", "/v1/search", {"reason": "bad_query", "detail": "-"}, 400)
    async with world.staff() as browser:
        answers = [
            await browser.get("/basket", params={"q": '"half'}, headers=headers)
            for headers in ({}, PANE | {"hx-target": "items"})
        ]
    for answer in answers:
        assert answer.status_code == 200
        assert "This cannot be searched for." in answer.text


async def test_the_stream_is_passed_on_from_where_the_browser_was(world: World) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        assert request.headers["Last-Event-ID"] == "17"
        return web.Response(body=b"id: 18\nevent: item\ndata: {}\n\n", content_type="text/event-stream")

    world.services.answer("GET", "/v1/stream", stream)
    async with world.staff() as browser:
        answer = await browser.get("/basket/stream", headers={"last-event-id": "17"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == "id: 18\nevent: item\ndata: {}\n\n"


async def test_the_pools_of_the_house_are_called_in_the_language_of_the_reader(world: World) -> None:
    given(world, item())
    provider = {"pool": "provider:d-1", "name": "Elena Rivera, MD"}
    for path in ("/v1/pools", "/v1/figures"):
        world.services.answer("GET", path, [BILLING, CRM, provider])
    async with world.staff("sue", "supervisor") as supervisor:
        supervisor.cookies.set("language", "es")
        for path in ("/basket", "/basket/items/i-1", "/basket/figures"):
            page = (await supervisor.get(path)).text
            for name in ("Facturación", "Servicio al cliente", "Elena Rivera, MD"):
                assert name in page, path
            assert "Customer service" not in page, path


async def test_a_stream_of_somebody_who_is_signed_out_begins_no_login(world: World) -> None:
    async with world.visitor() as browser:
        answer = await browser.get("/basket/stream", headers={"accept": "text/event-stream"})
    assert answer.status_code == 204


async def test_patients_have_no_in_basket(world: World) -> None:
    async with world.person() as browser:
        answer = await browser.get("/basket")
    assert answer.headers["location"] == "/login?next=/basket"
