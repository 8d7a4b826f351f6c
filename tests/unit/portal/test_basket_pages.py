"""The in basket: lists, an open item, conflicts, work, search and the stream."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from portal.basket.answers import Item, short
from tests.unit.portal.world import CSRF, World, form

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
BILLING = {"pool": "billing", "name": "Billing", "roles": ["billing"], "open": 2, "oldest_age_s": 7200}
CRM = {"pool": "crm", "name": "Customer service", "roles": ["crm"], "open": 0, "oldest_age_s": None}
PANE = {"hx-request": "true", "hx-target": "detail", "x-csrf-token": CSRF}


def item(**fields: Any) -> dict[str, Any]:
    return {
        "item_id": "i-1",
        "kind": "message",
        "pool": "billing",
        "state": "open",
        "version": 4,
        "subject": "Charged twice",
        "sender": {"name": "Maria Sandoval", "patient_id": "p-1"},
        "patient": {"patient_id": "p-1", "name": "Maria Sandoval", "birth_date": "1988-04-17", "language": "es"},
        "category": "billing-question",
        "holder": None,
        "since": "2026-01-05T10:00:00Z",
        "due_at": "2026-01-05T14:00:00Z",
        "created_at": "2026-01-05T10:00:00Z",
        "updated_at": "2026-01-05T10:00:00Z",
        "about": {"account_number": "A-1", "coverage_id": None},
        "rule_version": 3,
        "why": "Billing answers questions about bills",
        "messages": [
            {
                "message_id": "m-1",
                "from": "patient",
                "author": "Maria Sandoval",
                "body": "Why twice?",
                "at": "2026-01-05T10:00:00Z",
                "attachments": [
                    {
                        "attachment_id": "a-1",
                        "name": "b.png",
                        "content_type": "image/png",
                        "size": 1,
                        "state": "clean",
                    },
                    {
                        "attachment_id": "a-2",
                        "name": "c.png",
                        "content_type": "image/png",
                        "size": 1,
                        "state": "held",
                    },
                ],
            }
        ],
    } | fields


def given(world: World, *items: dict[str, Any]) -> None:
    world.services.answer("GET", "/v1/pools", [CRM, BILLING])
    world.services.answer("GET", "/v1/pools/billing/items", {"items": list(items), "next": "cursor-2"})
    for one in items:
        world.services.answer("GET", f"/v1/items/{one['item_id']}", one)


def read(**fields: Any) -> Item:
    return Item.model_validate(item(**fields))


@pytest.mark.parametrize(
    ("told", "percent", "tone"),
    [
        ({"waited_s": 3_600, "limit_s": 14_400}, 25, "fine"),
        ({"waited_s": 10_800, "limit_s": 14_400}, 75, "soon"),
        ({"waited_s": 20_000, "limit_s": 14_400}, 100, "late"),
        ({"waited_s": 0, "limit_s": 0}, 100, "late"),
        ({}, 50, "fine"),
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


async def test_a_list_that_is_renewed_is_as_long_as_it_was_and_no_longer_than_a_thousand(world: World) -> None:
    async def items(request: web.Request) -> web.Response:
        first, count = int(request.query.get("after", 0)), int(request.query["limit"])
        assert count <= 200
        rows = [item(item_id=f"i-{number}") for number in range(first, first + count)]
        return web.json_response({"items": rows, "next": str(first + count)})

    given(world)
    world.services.answer("GET", "/v1/pools/billing/items", items)
    async with world.staff() as browser:
        renewed = [
            (await browser.get(f"/basket?pool=billing&limit={count}", headers=PANE | {"hx-target": "items"})).text
            for count in (300, 9_999)
        ]
    assert [page.count("data-item=") for page in renewed] == [300, 1_000]
    assert "after=300" in renewed[0]


async def test_without_scripts_too_more_shows_what_comes_after(world: World) -> None:
    given(world, item())
    async with world.staff() as browser:
        page = (await browser.get("/basket?pool=billing&state=open&after=cursor-1")).text
    assert world.services.calls("GET", "/v1/pools/billing/items")[0].query["after"] == "cursor-1"
    assert 'id="items" hx-get="/basket?pool=billing&amp;state=open&amp;after=cursor-1"' in page


async def test_a_change_names_the_version_that_its_author_saw(world: World) -> None:
    given(world, item())
    world.services.answer("POST", "/v1/items/i-1/claim", item(version=5, holder="staff:ann"))
    async with world.staff() as browser:
        answer = await browser.post("/basket/items/i-1/claim?pool=billing", data=form(version="4"))
    assert answer.headers["location"] == "/basket/items/i-1?pool=billing&state=open"
    (claim,) = world.services.calls("POST", "/v1/items/i-1/claim")
    assert claim.headers["If-Match"] == '"4"'
    assert claim.body is None


async def test_a_claim_that_a_colleague_won_names_the_colleague(world: World) -> None:
    given(world, item(holder="staff:bob", version=5))
    told = {"reason": "taken", "detail": "-", "holder": "staff:bob", "lease_ends_at": "2026-01-05T12:15:00Z"}
    world.services.answer("POST", "/v1/items/i-1/claim", told, 409)
    async with world.staff() as browser:
        answer = await browser.post("/basket/items/i-1/claim?pool=billing", data={"version": "4"}, headers=PANE)
    assert answer.status_code == 422
    assert "bob has claimed this." in answer.text


@pytest.mark.parametrize("state", ["waiting", "done"])
async def test_a_reply_that_came_second_shows_the_first_and_keeps_the_draft(world: World, state: str) -> None:
    given(world, item(version=5, state=state))
    newer = {"reply_id": "r-1", "author": "staff:bob", "body": "I corrected it.", "at": "2026-01-05T11:59:00Z"}
    told = {"reason": "stale_version", "detail": "-", "version": 5, "newer_reply": newer}
    world.services.answer("POST", "/v1/items/i-1/reply", told, 412)
    sent = {"version": "4", "body": "My draft"}
    async with world.staff() as browser:
        answer = await browser.post("/basket/items/i-1/reply?pool=billing", data=sent, headers=PANE)
    assert answer.status_code == 422
    assert "bob has just replied." in answer.text
    assert "I corrected it." in answer.text
    assert "My draft</textarea>" in answer.text
    assert 'id="version-reply" value="5"' in answer.text


async def test_what_is_done_can_still_be_replied_to_and_nothing_else_done_to_it(world: World) -> None:
    given(world, item(state="done"))
    async with world.staff() as browser:
        pane = (await browser.get("/basket/items/i-1?pool=billing", headers=PANE)).text
    assert "This is done. A reply opens it again." in pane
    assert re.findall(r'hx-post="/basket/items/i-1/(\w+)', pane) == ["reply"]


async def test_send_and_done_is_a_reply_and_then_done_with_the_version_after_it(world: World) -> None:
    given(world, item(state="done", version=6))
    world.services.answer("POST", "/v1/items/i-1/reply", item(version=5))
    world.services.answer("POST", "/v1/items/i-1/done", item(version=6))
    sent = {"version": "4", "body": "Line\r\ntwo", "then": "done"}
    async with world.staff() as browser:
        await browser.post("/basket/items/i-1/reply?pool=billing", data=sent, headers=PANE)
    assert world.services.calls("POST", "/v1/items/i-1/reply")[0].body == {"body": "Line\ntwo"}
    assert world.services.calls("POST", "/v1/items/i-1/done")[0].headers["If-Match"] == '"5"'


@pytest.mark.parametrize(
    ("action", "typed", "body"),
    [
        ("reassign", {"pool": "crm", "reason": "Not ours"}, {"pool": "crm", "reason": "Not ours"}),
        ("reassign", {"assignee": "bob", "reason": "-"}, {"assignee": "staff:bob", "reason": "-"}),
        ("escalate", {"reason": "Angry"}, {"reason": "Angry"}),
        ("release", {}, None),
        ("done", {}, {}),
    ],
)
async def test_each_action_sends_what_the_inbox_wants(
    world: World, action: str, typed: dict[str, str], body: dict[str, str] | None
) -> None:
    given(world, item())
    world.services.answer("POST", f"/v1/items/i-1/{action}", item(version=5))
    async with world.staff() as browser:
        answer = await browser.post(f"/basket/items/i-1/{action}", data={"version": "4", **typed}, headers=PANE)
    assert answer.status_code == 200
    assert world.services.calls("POST", f"/v1/items/i-1/{action}")[0].body == body


async def test_putting_off_is_counted_by_the_business_clock(world: World) -> None:
    given(world, item())
    world.services.answer("POST", "/v1/items/i-1/postpone", item(version=5))
    async with world.staff() as browser:
        await browser.post("/basket/items/i-1/postpone", data={"version": "4", "hours": "24"}, headers=PANE)
    until = datetime.fromisoformat(world.services.calls("POST", "/v1/items/i-1/postpone")[0].body["until"])
    now = world.app.state.clock.now()
    assert timedelta(hours=23, minutes=59) < until - now <= timedelta(hours=24)


async def test_what_went_to_a_pool_of_others_leaves_the_page(world: World) -> None:
    world.services.answer("POST", "/v1/items/i-1/reassign", item(pool="crm"))
    sent = {"version": "4", "pool": "crm", "reason": "-"}
    async with world.staff() as browser:
        answer = await browser.post("/basket/items/i-1/reassign?pool=billing", data=sent, headers=PANE)
    assert answer.headers["hx-push-url"] == "/basket?pool=billing&state=open"
    above_the_list, empty, nothing = answer.text.partition('<div class="basket-empty">')
    assert 'id="notices" aria-live="polite" hx-swap-oob="true"' in above_the_list
    assert "It is in a pool now that is not yours to see." in above_the_list
    assert empty
    assert "Choose an item to read it." in nothing


async def test_without_scripts_too_what_went_to_a_pool_of_others_leads_to_the_list(world: World) -> None:
    given(world)
    world.services.answer("POST", "/v1/items/i-1/reassign", item(pool="crm"))
    sent = form(version="4", pool="crm", reason="-")
    async with world.staff() as browser:
        answer = await browser.post("/basket/items/i-1/reassign?pool=billing", data=sent)
        page = await browser.get(answer.headers["location"])
    assert answer.headers["location"] == "/basket?pool=billing&state=open"
    above, _, below = page.text.partition('id="items"')
    said = "It is in a pool now that is not yours to see."
    assert (said in above.partition('id="notices"')[2], said in below) == (True, False)


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


async def test_a_file_that_has_been_scanned_meanwhile_can_be_opened_from_the_open_item(world: World) -> None:
    scanned = item()
    for file in scanned["messages"][0]["attachments"]:
        file["state"] = "clean"
    given(world, scanned)
    async with world.staff() as browser:
        news = (await browser.get("/basket/items/i-1/news?seen=m-1", headers=PANE)).text
    assert 'href="/basket/attachments/a-2"' in news
    assert "held until it is scanned" not in news


WORK = {
    "work_id": "w-1",
    "kind": "verification-failed",
    "summary": "A coverage could not be verified",
    "status": "open",
    "actions": [{"name": "verify-again", "label": "x"}, {"name": "override", "label": "x"}],
    "details": [{"label": "Payer", "value": "Harbor"}],
}


async def test_work_shows_what_its_owner_offers_and_settling_it_is_done_with_the_item_too(world: World) -> None:
    raised = item(kind="work", pool="insurance", service="insurance", work_id="w-1", sender=None, messages=[])
    given(world, raised)
    world.services.answer("GET", "/v1/work/w-1", WORK)
    world.services.answer("POST", "/v1/work/w-1/override", WORK | {"status": "settled"})
    world.services.answer("POST", "/v1/items/i-1/done", raised | {"state": "done"})
    async with world.staff("ines", "insurance") as browser:
        shown = (await browser.get("/basket/items/i-1", headers=PANE)).text
        sent = {"action": "override", "status": "active", "note": "Called them", "payer_id": ""}
        await browser.post("/basket/items/i-1/work", data=sent, headers=PANE)
    assert "Verify again" in shown
    assert "Harbor" in shown
    assert "Reply to" not in shown
    told = world.services.calls("POST", "/v1/work/w-1/override")[0].body
    assert told == {"status": "active", "note": "Called them"}
    assert world.services.calls("POST", "/v1/items/i-1/done")[0].headers["If-Match"] == '"4"'


async def test_work_whose_end_the_inbox_has_heard_first_is_settled_all_the_same(world: World) -> None:
    raised = item(kind="work", pool="insurance", service="insurance", work_id="w-1", sender=None, messages=[])
    given(world, raised)
    world.services.answer("GET", "/v1/work/w-1", WORK)
    world.services.answer("POST", "/v1/work/w-1/override", WORK | {"status": "settled"})
    world.services.answer("POST", "/v1/items/i-1/done", {"reason": "item_done", "detail": "-"}, 409)
    async with world.staff("ines", "insurance") as browser:
        answer = await browser.post("/basket/items/i-1/work", data={"action": "override"}, headers=PANE)
    assert answer.status_code == 200


async def test_work_can_be_read_while_its_owner_is_away(world: World) -> None:
    given(world, item(kind="work", service="payments", work_id="w-1", sender=None, patient=None, messages=[]))
    world.services.answer("GET", "/v1/work/w-1", {"detail": "-"}, 503)
    async with world.staff() as browser:
        answer = await browser.get("/basket/items/i-1", headers=PANE)
    assert answer.status_code == 200
    assert "Charged twice" in answer.text


async def test_a_search_that_cannot_be_understood_says_so(world: World) -> None:
    given(world)
    world.services.answer("GET", "/v1/search", {"reason": "bad_query", "detail": "-"}, 400)
    async with world.staff() as browser:
        answer = await browser.get("/basket", params={"q": '"half'})
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
    world.services.answer("GET", "/v1/pools", [BILLING, CRM, provider])
    async with world.staff("sue", "supervisor") as supervisor:
        supervisor.cookies.set("language", "es")
        for path in ("/basket", "/basket/items/i-1", "/basket/figures"):
            page = (await supervisor.get(path)).text
            for name in ("Facturación", "Servicio de atención", "Elena Rivera, MD"):
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
