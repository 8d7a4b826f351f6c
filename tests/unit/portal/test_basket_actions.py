"""Working in the in basket: what each action sends, conflicts, work, and what is kept when it fails."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.portal.basket import BILLING, CRM, PANE, given, item
from tests.unit.portal.world import World, form

MOVED = "It is in a pool now that is not yours to see."


async def test_a_change_names_the_version_that_its_author_saw(world: World) -> None:
    given(world, item())
    world.services.answer("POST", "/v1/items/i-1/claim", item(version=5, holder="staff:ann"))
    async with world.staff() as browser:
        answer = await browser.post("/basket/items/i-1/claim?pool=billing", data=form(version="4"))
    assert answer.headers["location"] == "/basket/items/i-1?pool=billing&state=open"
    (claim,) = world.services.calls("POST", "/v1/items/i-1/claim")
    assert claim.headers["If-Match"] == '"4"'
    assert claim.body is None


@pytest.mark.parametrize("version", ["4\r\nx: y", "9" * 5_000, "four", ""])
async def test_a_version_that_no_page_wrote_is_older_than_any(world: World, version: str) -> None:
    given(world, item())
    world.services.answer("POST", "/v1/items/i-1/postpone", {"reason": "stale_version", "detail": "-"}, 412)
    async with world.staff() as browser:
        sent = {"version": version, "hours": version}
        answer = await browser.post("/basket/items/i-1/postpone", data=sent, headers=PANE)
    assert answer.status_code == 422
    assert "Somebody changed this in the meantime." in answer.text
    (postponed,) = world.services.calls("POST", "/v1/items/i-1/postpone")
    assert postponed.headers["If-Match"] == '"0"'


@pytest.mark.parametrize("kind", ["message", "work"])
async def test_what_is_asked_for_twice_by_mistake_is_nothing_else_the_second_time(world: World, kind: str) -> None:
    async def buttons(**fields: Any) -> list[tuple[bool, str]]:
        given(world, item(kind=kind, **fields))
        async with world.staff() as browser:
            pane = (await browser.get("/basket/items/i-1", headers=PANE)).text
        shown = pane.partition('id="item-buttons"')[2].partition("</header>")[0]
        told = re.findall(r"<(?:button|a) ([^>]*)>([A-Z]\w+)", shown)
        return [("disabled" in marks, label) for marks, label in told]

    free, held = await buttons(), await buttons(holder="staff:ann")
    assert free[0] == (False, "Claim")
    assert held == [(True, "Claim"), *free[1:], (False, "Release")]


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


@pytest.mark.parametrize(
    ("holder", "named", "said"),
    [
        ("staff:bob", None, "This has changed, and bob has claimed it."),
        (None, "staff:bob", "This has changed, and bob has claimed it."),
        ("staff:ann", None, "Somebody changed this in the meantime."),
        (None, None, "Somebody changed this in the meantime."),
    ],
)
async def test_a_reply_to_what_has_changed_says_which_colleague_holds_it_now(
    world: World, holder: str | None, named: str | None, said: str
) -> None:
    given(world, item(version=5, holder=holder))
    told = {"reason": "stale_version", "detail": "-", "version": 5, "newer_reply": None, "holder": named}
    world.services.answer("POST", "/v1/items/i-1/reply", told, 412)
    async with world.staff() as browser:
        sent = {"version": "4", "body": "My draft"}
        answer = await browser.post("/basket/items/i-1/reply?pool=billing", data=sent, headers=PANE)
    assert answer.status_code == 422
    assert said in answer.text
    assert "My draft</textarea>" in answer.text


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


async def test_how_long_an_item_was_to_be_put_off_stays_chosen_when_that_fails(world: World) -> None:
    given(world, item())
    world.services.answer("POST", "/v1/items/i-1/postpone", {"reason": "taken", "detail": "-"}, 409)
    sent = {"version": "4", "panel": "postpone", "hours": "72"}
    async with world.staff() as browser:
        answer = await browser.post("/basket/items/i-1/postpone", data=sent, headers=PANE)
        fresh = await browser.get("/basket/items/i-1", headers=PANE)
    chosen = [re.findall(r'value="(\d+)" selected', page.text) for page in (answer, fresh)]
    assert chosen == [["72"], ["24"]]


async def test_what_went_to_a_pool_of_others_leaves_the_page(world: World) -> None:
    world.services.answer("POST", "/v1/items/i-1/reassign", item(pool="crm"))
    sent = {"version": "4", "pool": "crm", "reason": "-"}
    async with world.staff() as browser:
        answer = await browser.post("/basket/items/i-1/reassign?pool=billing", data=sent, headers=PANE)
    assert answer.headers["hx-push-url"] == "/basket?pool=billing&state=open"
    above_the_list, empty, nothing = answer.text.partition('<div class="basket-empty">')
    assert 'id="notices" aria-live="polite" hx-swap-oob="true"' in above_the_list
    assert MOVED in above_the_list
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
    assert (MOVED in above.partition('id="notices"')[2], MOVED in below) == (True, False)


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


@pytest.mark.parametrize(("action", "optional"), [("taken", True), ("override", False), ("settle", True)])
async def test_a_note_is_optional_where_nobody_vouches_for_anything(
    world: World, action: str, optional: bool
) -> None:
    given(world, item(kind="work", service="payments", work_id="w-1", sender=None, patient=None, messages=[]))
    offered = [{"name": action, "label": "x"}]
    world.services.answer("GET", "/v1/work/w-1", WORK | {"actions": offered})
    async with world.staff() as browser:
        shown = (await browser.get("/basket/items/i-1", headers=PANE)).text
    label = shown.partition('for="work-note">')[2].partition("</label>")[0]
    assert ("(optional)" in label) is optional


async def test_work_whose_end_the_inbox_has_heard_first_is_settled_all_the_same(world: World) -> None:
    raised = item(kind="work", pool="insurance", service="insurance", work_id="w-1", sender=None, messages=[])
    given(world, raised)
    world.services.answer("GET", "/v1/work/w-1", WORK)
    world.services.answer("POST", "/v1/work/w-1/override", WORK | {"status": "settled"})
    world.services.answer("POST", "/v1/items/i-1/done", {"reason": "item_done", "detail": "-"}, 409)
    async with world.staff("ines", "insurance") as browser:
        answer = await browser.post("/basket/items/i-1/work", data={"action": "override"}, headers=PANE)
    assert answer.status_code == 200


async def test_work_that_could_not_be_settled_keeps_what_was_chosen_and_typed(world: World) -> None:
    given(world, item(kind="work", pool="insurance", service="insurance", work_id="w-1", sender=None, messages=[]))
    world.services.answer("GET", "/v1/work/w-1", WORK)
    world.services.answer("POST", "/v1/work/w-1/override", {"reason": "stale_version", "detail": "-"}, 409)
    sent = {"action": "override", "status": "inactive", "note": "Called them"}
    async with world.staff("ines", "insurance") as browser:
        answer = await browser.post("/basket/items/i-1/work", data=sent, headers=PANE)
    assert answer.status_code == 422
    assert '<option value="inactive" selected>' in answer.text
    assert "Called them</textarea>" in answer.text


async def test_work_can_be_read_while_its_owner_is_away(world: World) -> None:
    given(world, item(kind="work", service="payments", work_id="w-1", sender=None, patient=None, messages=[]))
    world.services.answer("GET", "/v1/work/w-1", {"detail": "-"}, 503)
    async with world.staff() as browser:
        answer = await browser.get("/basket/items/i-1", headers=PANE)
    assert answer.status_code == 200
    assert "Charged twice" in answer.text


async def test_work_of_a_service_that_has_no_pages_here_can_be_read_and_claimed(world: World) -> None:
    given(world, item(kind="work", service="scheduling", work_id="w-1", sender=None, patient=None, messages=[]))
    async with world.staff() as browser:
        answer = await browser.get("/basket/items/i-1", headers=PANE)
    assert answer.status_code == 200
    assert "Charged twice" in answer.text
    assert "/basket/items/i-1/claim" in answer.text


@pytest.mark.parametrize("sent", [None, "reply", "claim", "work"])
async def test_an_item_that_a_colleague_moves_to_others_says_so_and_what_is_typed_stays(
    world: World, sent: str | None
) -> None:
    given(world)
    async with world.staff() as browser:
        if sent is None:
            answer = await browser.get("/basket/items/i-1/news?seen=m-1", headers=PANE)
        else:
            typed = {"version": "4", "body": "A long answer", "action": "accept"}
            answer = await browser.post(f"/basket/items/i-1/{sent}", data=typed, headers=PANE)
        list_after = (await browser.get("/basket")).text
    assert answer.status_code == (422 if sent else 200)
    assert answer.headers["hx-reswap"] == "none"
    assert MOVED in answer.text.partition('id="item-banner" aria-live="polite" hx-swap-oob="true"')[2]
    assert "<form" not in answer.text
    assert MOVED not in list_after


async def test_an_item_that_is_still_in_the_list_though_it_went_to_others_says_so_when_it_is_opened(
    world: World,
) -> None:
    given(world)
    async with world.staff() as browser:
        answer = await browser.get("/basket/items/i-1?pool=billing", headers=PANE)
        whole = await browser.get("/basket/items/i-1?pool=billing")
    assert MOVED in answer.text
    assert answer.headers["hx-push-url"] == "/basket?pool=billing&state=open"
    assert whole.status_code == 404


@pytest.mark.parametrize("pool", ["billing", "unroutable", "closed"])
async def test_who_gives_an_item_to_a_colleague_leaves_it_in_its_pool_unless_they_choose_another(
    world: World, pool: str
) -> None:
    given(world, item(pool=pool))
    pools = [CRM, {"pool": "closed", "name": "Closed", "active": False}, {"pool": "unroutable", "name": "-"}]
    world.services.answer("GET", "/v1/pools", [*pools, BILLING])
    async with world.staff("sue", "supervisor") as browser:
        pane = (await browser.get("/basket/items/i-1", headers=PANE)).text
    choices = re.findall(r'<option value="([^"]*)"( selected)?', pane.partition("reassign-pool")[2])
    offered = [name for name, _ in choices[: choices.index(("1", ""))]]
    assert offered == [one for one in ("", "crm", "billing", "insurance") if one != pool]
    assert not any(selected for _, selected in choices[: len(offered)])
