"""A patient's message from the topic to a pool, and what staff do with it, on real Kafka and PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from asyncpg import RestrictViolationError

from local.infrastructure import Endpoints
from services.inbox.reads import PAGE
from services.inbox.telling import KEPT
from shared.events.topics import INBOX_COMMANDS, INSURANCE_EVENTS
from tests.flow.inbox_world import Inbox, Json, running_inbox


@pytest.fixture(scope="module", name="inbox")
async def the_inbox(infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inbox]:
    async with running_inbox(infrastructure, tmp_path_factory.mktemp("files")) as inbox:
        yield inbox


async def test_a_message_goes_to_its_pool_and_is_claimed_answered_and_done(inbox: Inbox) -> None:
    patient = await inbox.patient()

    routed = await inbox.sent(patient, about={"account_number": "G-1"})

    assert (routed["pool"], routed["rule_version"] >= 1) == ("billing", True)
    item = routed["item_id"]
    listed = await inbox.get("/v1/pools/billing/items?limit=200")
    (row,) = [one for one in listed.body["items"] if one["item_id"] == item]
    assert (row["state"], row["holder"]) == ("open", None)
    assert row["sender"] == {"patient_id": patient, "name": "Ana Ruiz"}
    assert row["about"] == {**dict.fromkeys(row["about"]), "account_number": "G-1"}
    shown = await inbox.get(f"/v1/items/{item}")
    assert (shown.etag, shown.body["version"]) == ('"1"', 1)
    assert [one["body"] for one in shown.body["messages"]] == ["What is this charge?"]

    claimed = await inbox.post(f"/v1/items/{item}/claim", version=1)
    assert (claimed.status, claimed.body["holder"], claimed.etag) == (200, "staff:ann", '"2"')
    replied = await inbox.post(f"/v1/items/{item}/reply", {"body": "It is for the visit."}, version=2)
    assert (replied.status, replied.body["state"]) == (200, "waiting")
    done = await inbox.post(f"/v1/items/{item}/done", version=3)
    assert (done.status, done.body["state"], done.body["holder"]) == (200, "done", None)

    said = await inbox.said("item-done", item_id=item)
    assert said["pool"] == "billing"
    assert inbox.kinds(item) == ["message-routed", "item-claimed", "item-replied", "item-done"]
    thread = await inbox.get(f"/v1/threads/{routed['thread_id']}", f"person-{patient}", "gateway")
    assert thread.body["state"] == "closed"
    assert [(one["from"], one["author"]) for one in thread.body["messages"]] == [
        ("patient", "You"),
        ("staff", "Care team"),
    ]


async def test_of_many_who_claim_at_once_one_wins_and_the_others_learn_who(inbox: Inbox) -> None:
    item = (await inbox.sent(await inbox.patient()))["item_id"]

    answers = await asyncio.gather(
        *(inbox.post(f"/v1/items/{item}/claim", who=f"staff:s{n}", version=1) for n in range(12))
    )

    (winner,) = [one.body["holder"] for one in answers if one.status == 200]
    lost = [one for one in answers if one.status != 200]
    assert {(one.status, one.body["reason"], one.body["holder"]) for one in lost} == {(409, "taken", winner)}
    await inbox.said("item-claimed", item_id=item)
    assert inbox.kinds(item).count("item-claimed") == 1
    refused = await inbox.post(f"/v1/items/{item}/release", who="staff:other", version=2)
    assert (refused.status, refused.body["reason"]) == (409, "taken")
    freed = await inbox.post(f"/v1/items/{item}/release", who=winner, version=2)
    assert (freed.status, freed.body["holder"]) == (200, None)


async def test_a_reply_to_what_was_answered_meanwhile_is_refused_with_the_newer_reply(inbox: Inbox) -> None:
    item = (await inbox.sent(await inbox.patient()))["item_id"]
    path = f"/v1/items/{item}"
    await inbox.post(f"{path}/reply", {"body": "First."}, version=1)

    late = await inbox.post(f"{path}/reply", {"body": "Second."}, who="staff:bob", version=1)
    missing = await inbox.post(f"{path}/reply", {"body": "Third."}, who="staff:bob")

    assert (late.status, late.body["reason"], late.body["version"]) == (412, "stale_version", 2)
    assert (late.body["newer_reply"]["body"], late.body["newer_reply"]["author"]) == ("First.", "staff:ann")
    assert (missing.status, missing.body["reason"]) == (428, "version_missing")
    shown = await inbox.get(path)
    assert [one["body"] for one in shown.body["messages"]][1:] == ["First."]


async def test_a_claim_runs_out_and_its_draft_is_not_sent(inbox: Inbox) -> None:
    item = (await inbox.sent(await inbox.patient()))["item_id"]
    await inbox.post(f"/v1/items/{item}/claim", version=1)

    inbox.advance(timedelta(minutes=16))

    late = await inbox.post(f"/v1/items/{item}/reply", {"body": "Draft."}, version=2)
    assert (late.status, late.body["reason"]) == (409, "lease_expired")
    told = await inbox.said("item-released", item_id=item)
    assert told["reason"] == "lease_expired"
    again = await inbox.post(f"/v1/items/{item}/claim", version=2)
    assert (await inbox.post(f"/v1/items/{item}/reply", {"body": "Draft."}, version=3)).status == 200
    assert again.body["holder"] == "staff:ann"


async def test_who_is_late_is_told_who_holds_the_item_now(inbox: Inbox) -> None:
    item = (await inbox.sent(await inbox.patient()))["item_id"]
    path = f"/v1/items/{item}"
    await inbox.post(f"{path}/claim", version=1)

    late = await inbox.post(f"{path}/reply", {"body": "Hello."}, who="staff:bob", version=1)
    knowing = await inbox.post(f"{path}/reply", {"body": "Hello."}, who="staff:bob", version=2)

    assert (late.status, late.body["reason"], late.body["holder"]) == (412, "stale_version", "staff:ann")
    assert (late.body["version"], late.body["newer_reply"]) == (2, None)
    assert (knowing.status, knowing.body["reason"], knowing.body["holder"]) == (409, "taken", "staff:ann")


async def test_a_patient_who_writes_again_reopens_what_was_done(inbox: Inbox) -> None:
    patient = await inbox.patient()
    first = await inbox.sent(patient)
    item = first["item_id"]
    await inbox.post(f"/v1/items/{item}/done", {"note": "Nothing to do."}, version=1)

    again = await inbox.sent(patient, thread_id=first["thread_id"], subject="Re: My bill")

    assert (again["item_id"], again["thread_id"], again["pool"]) == (item, first["thread_id"], "billing")
    assert (await inbox.said("item-reopened", item_id=item))["message_id"] == again["message_id"]
    shown = await inbox.get(f"/v1/items/{item}")
    assert (shown.body["state"], shown.body["version"], len(shown.body["messages"])) == ("open", 3, 2)
    own = await inbox.get(f"/v1/threads?patient_id={patient}", f"proxy-{patient}", "gateway")
    assert [one["thread_id"] for one in own.body] == [first["thread_id"]]


async def test_an_item_that_waits_too_long_escalates_once_and_is_listed_first(inbox: Inbox) -> None:
    item = (await inbox.sent(await inbox.patient()))["item_id"]
    shown = await inbox.get(f"/v1/items/{item}")
    assert (shown.body["escalated"], shown.body["limit_s"]) == (False, 18 * 3600)

    inbox.advance(timedelta(days=7))

    await inbox.said("item-escalated", item_id=item)
    listed = (await inbox.get("/v1/pools/billing/items?limit=200")).body["items"]
    assert item in [one["item_id"] for one in listed if one["escalated"]]
    inbox.advance(timedelta(days=7))
    newer = (await inbox.sent(await inbox.patient()))["item_id"]
    assert inbox.kinds(item).count("item-escalated") == 1
    rows = (await inbox.get("/v1/pools/billing/items?limit=200")).body["items"]
    places = {one["item_id"]: place for place, one in enumerate(rows)}
    assert places[item] < places[newer]


async def test_what_is_postponed_comes_back_in_time(inbox: Inbox) -> None:
    item = (await inbox.sent(await inbox.patient()))["item_id"]
    until = (inbox.clock.now() + timedelta(days=2)).isoformat()
    past = (inbox.clock.now() - timedelta(days=2)).isoformat()

    refused = await inbox.post(f"/v1/items/{item}/postpone", {"until": past}, version=1)
    no_zone = await inbox.post(f"/v1/items/{item}/postpone", {"until": until.partition("+")[0]}, version=1)
    later = await inbox.post(f"/v1/items/{item}/postpone", {"until": until}, version=1)

    assert no_zone.status == 422
    assert (refused.status, refused.body["reason"]) == (422, "until_past")
    assert (later.status, later.body["state"]) == (200, "postponed")
    inbox.advance(timedelta(days=3))
    await inbox.said("item-reopened", item_id=item)
    assert (await inbox.get(f"/v1/items/{item}")).body["state"] == "open"


async def test_an_item_moves_to_another_pool_and_out_of_sight(inbox: Inbox) -> None:
    item = (await inbox.sent(await inbox.patient()))["item_id"]
    path = f"/v1/items/{item}"
    reason = {"reason": "About coverage"}
    await inbox.post(f"{path}/claim", version=1)

    nowhere = await inbox.post(f"{path}/reassign", {"pool": "provider:nobody", **reason}, version=2)
    nothing = await inbox.post(f"{path}/reassign", reason, version=2)
    moved = await inbox.post(f"{path}/reassign", {"pool": "insurance", **reason}, version=2)

    assert (nowhere.body["reason"], nothing.body["reason"]) == ("unknown_pool", "nothing_to_change")
    assert (moved.status, moved.body["pool"], moved.body["holder"]) == (200, "insurance", None)
    assert (await inbox.get(path)).status == 404
    assert (await inbox.get(path, "staff:ines", "insurance")).status == 200
    assert (await inbox.get("/v1/pools/insurance/items")).status == 404
    given = {"assignee": "ines", "reason": "Knows it"}
    named = await inbox.post(f"{path}/reassign", given, "staff:ivan", "insurance", version=3)
    assert (named.body["holder"], named.body["assignee"]) == (None, "staff:ines")
    assert (await inbox.post(f"{path}/claim", None, "staff:ivan", "insurance", version=4)).status == 200
    assert (await inbox.said("item-reassigned", item_id=item, assignee="staff:ines"))["reason"] == "Knows it"


async def test_work_of_services_is_queued_once_however_it_is_raised(inbox: Inbox) -> None:
    patient = await inbox.patient()
    work = f"W-{patient}"
    data = {"work_id": work, "pool": "billing", "summary": "A debit was returned", "about": {"payment_id": "P-1"}}

    async def raised(actor: str = "service:payments", **changes: Any) -> Json:
        kind = "inbox.raise-work.v1"
        return await inbox.outcome(
            await inbox.tell(INBOX_COMMANDS.name, kind, "pool:billing", actor, {**data, **changes})
        )

    queued = await raised()
    again = await raised()
    assert (queued["type"], queued["outcome"], queued["data"]["pool"]) == (
        "inbox.work-queued.v1",
        "done",
        "billing",
    )
    assert again["data"] == queued["data"]
    assert (await raised(summary="Another"))["data"]["reason"] == "idempotency_conflict"
    assert (await raised(work_id="W-x", pool="provider:none"))["data"]["reason"] == "unknown_pool"
    assert (await raised("patient:me", work_id="W-y"))["data"]["reason"] == "not_allowed"
    shown = await inbox.get(f"/v1/items/{queued['data']['item_id']}")
    assert (shown.body["kind"], shown.body["service"], shown.body["work_id"]) == ("work", "payments", work)

    told = {"work_id": f"{work}-i", "pool": "insurance", "summary": "No answer", "about": {"patient_id": patient}}
    for _ in range(2):
        await inbox.tell(INSURANCE_EVENTS.name, "insurance.work-raised.v1", patient, "service:insurance", told)
    heard = await inbox.said("work-queued", work_id=f"{work}-i")
    await inbox.sent(patient)
    assert inbox.kinds(heard["item_id"]) == ["work-queued"]
    item = await inbox.get(f"/v1/items/{heard['item_id']}", "staff:ines", "insurance")
    assert item.body["sender"]["name"] == "Ana Ruiz"


async def test_counts_and_pages_of_a_pool_agree_with_its_items(inbox: Inbox) -> None:
    for _ in range(5):
        await inbox.sent(await inbox.patient(), category="portal-help")
    pools = await inbox.get("/v1/pools", "staff:carl", "crm")

    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await inbox.get(f"/v1/pools/crm/items?limit=2{cursor}", "staff:carl", "crm")
        found += [one["item_id"] for one in page.body["items"]]
        cursor = f"&after={page.body['next']}" if page.body["next"] else None

    (crm,) = pools.body
    assert (crm["pool"], crm["open"]) == ("crm", len(found))
    assert len(found) == len(set(found)) >= 5
    assert crm["oldest_age_s"] >= 0
    counted = await inbox.pool.fetch(
        "select pool, state, sum(items)::int from pool_count group by 1, 2 having sum(items) <> 0 order by 1, 2"
    )
    really = await inbox.pool.fetch(
        "select pool, state, count(*)::int from item where pool <> 'large' group by 1, 2 order by 1, 2"
    )
    assert [tuple(row) for row in counted] == [tuple(row) for row in really]
    assert (await inbox.get("/v1/pools/crm/items?after=nonsense", "staff:carl", "crm")).status == 422


async def test_a_page_of_a_large_pool_reads_no_more_than_the_page(inbox: Inbox) -> None:
    await inbox.pool.execute(
        """
        insert into item (item_id, kind, pool, state, priority, version, subject, created_at, updated_at, since,
            about, content, urgent_words, escalated, rule_version, why, limit_number, limit_minutes,
            replied_version)
        select 'large-' || n, 'work', 'large', 'open', 1, 1, 'Work', now(), now(), now() - n * interval '1 s',
            '{}', '', '', false, 0, '', 1, 10, 0 from generate_series(1, 20000) n on conflict do nothing
        """
    )
    middle = await inbox.pool.fetchval("select since from item where item_id = 'large-9000'")

    plan = await inbox.pool.fetchval(
        f"explain (analyze, format json) {PAGE}", "large", "open", 1, middle, "large-9000", 51
    )

    def rows(node: Json) -> list[float]:
        return [node["Actual Rows"], *(found for child in node.get("Plans", ()) for found in rows(child))]

    read = rows(json.loads(plan)[0]["Plan"])
    assert read[0] == 51
    patients = await inbox.pool.fetchval("select count(*) from patient")
    assert max(read) <= max(51, patients)


async def test_an_item_tells_all_that_happened_to_it_who_did_it_and_why(inbox: Inbox) -> None:
    patient = await inbox.patient()
    sent = await inbox.sent(patient)
    path = f"/v1/items/{sent['item_id']}"
    until = (inbox.clock.now() + timedelta(days=1)).isoformat()
    acts: list[tuple[str, Json | None]] = [
        ("claim", None),
        ("release", None),
        ("escalate", {"reason": "Angry"}),
        ("reply", {"body": "Yes."}),
        ("postpone", {"until": until}),
        ("reassign", {"pool": "insurance", "reason": "About coverage"}),
        ("claim", None),
    ]
    for version, (act, body) in enumerate(acts, 1):
        assert (await inbox.post(f"{path}/{act}", body, role="supervisor", version=version)).status == 200
    inbox.advance(timedelta(days=2))
    await inbox.said("item-released", item_id=sent["item_id"], reason="lease_expired")
    await inbox.said("item-reopened", item_id=sent["item_id"])
    await inbox.post(f"{path}/done", {"note": "By phone."}, "staff:ines", "insurance", version=8)
    await inbox.sent(patient, thread_id=sent["thread_id"])

    told = (await inbox.get(path, "staff:ines", "insurance")).body["history"]

    told_of_time = sorted((one["what"], one["by"], one["reason"]) for one in told[8:10])
    assert told_of_time == [("released", None, "The claim ran out"), ("reopened", None, None)]
    assert [(one["what"], one["by"], one["reason"]) for one in [*told[:8], *told[10:]]] == [
        ("new", None, None),
        ("claimed", "staff:ann", None),
        ("released", "staff:ann", None),
        ("escalated", "staff:ann", "Angry"),
        ("replied", "staff:ann", None),
        ("postponed", "staff:ann", None),
        ("reassigned", "staff:ann", "About coverage"),
        ("claimed", "staff:ann", None),
        ("done", "staff:ines", "By phone."),
        ("reopened", None, None),
    ]
    assert [one["at"] for one in told] == sorted(one["at"] for one in told)


async def test_figures_tell_what_waits_who_holds_it_and_what_the_week_brought(inbox: Inbox) -> None:
    patient = await inbox.patient()
    provider = f"PRV-{patient}"
    await inbox.booked(patient, provider)
    question = {"kind": "medical", "category": "non-urgent-question", "provider_id": provider}
    _, held, answered, done = [(await inbox.sent(patient, **question))["item_id"] for _ in range(4)]

    async def figures() -> Json:
        answer = await inbox.get("/v1/figures", "staff:sue", "supervisor")
        (found,) = [one for one in answer.body if one["pool"] == f"provider:{provider}"]
        return dict(found)

    async def act(item: str, what: str, version: int, body: Json | None = None) -> None:
        path = f"/v1/items/{item}/{what}"
        assert (await inbox.post(path, body, "staff:phil", "supervisor", version=version)).status == 200

    inbox.advance(timedelta(hours=1))
    await act(answered, "reply", 1, {"body": "Yes."})
    inbox.advance(timedelta(hours=2))
    await act(done, "reply", 1, {"body": "No."})
    await act(done, "done", 2)
    await act(held, "claim", 1)

    now = await figures()
    assert [now[name] for name in ("open", "waiting", "late", "unclaimed")] == [2, 1, 0, 1]
    assert [now[name] for name in ("arrived", "done", "first_replies")] == [4, 1, 2]
    assert now["held"] == [{"holder": "staff:phil", "items": 1}]
    assert now["name"] == f"Dr. {provider}"
    hours = [now["oldest_age_s"], now["first_reply_p50_s"], now["first_reply_p90_s"]]
    assert [one / 3600 for one in hours] == pytest.approx([3, 2, 2.8], abs=0.1)
    inbox.advance(timedelta(days=8))
    later = await figures()
    assert [later[name] for name in ("open", "waiting", "late", "unclaimed")] == [2, 1, 2, 2]
    assert [later[name] for name in ("arrived", "done", "first_replies", "held")] == [0, 0, 0, []]
    assert later["first_reply_p50_s"] is None
    assert (await inbox.get("/v1/figures")).status == 403


async def test_of_changes_only_the_newest_are_kept_though_nobody_looks_on(inbox: Inbox) -> None:
    first = (await inbox.sent(await inbox.patient()))["item_id"]
    ahead = f"select setval(pg_get_serial_sequence('item_change', 'seq'), max(seq) + {KEPT - 2}) from item_change"
    await inbox.pool.execute(ahead)

    async def kept() -> list[str]:
        return [row[0] for row in await inbox.pool.fetch("select distinct item_id from item_change")]

    second = (await inbox.sent(await inbox.patient()))["item_id"]
    assert {first, second} <= set(await kept())
    third = (await inbox.sent(await inbox.patient()))["item_id"]
    assert {first, second, third} & set(await kept()) == {second, third}


async def test_who_read_what_is_noted_and_cannot_be_changed(inbox: Inbox) -> None:
    patient = await inbox.patient()
    item = (await inbox.sent(patient))["item_id"]
    await inbox.get(f"/v1/items/{item}", "staff:bob")

    rows = await inbox.pool.fetch("select reader, what, patient_id from read_log where what_id = $1", item)

    assert [tuple(row) for row in rows] == [("staff:bob", "item", patient)]
    for grows, column in (("read_log", "reader"), ("item_history", "what")):
        for change in (f"update {grows} set {column} = ''", f"delete from {grows}", f"truncate {grows}"):
            with pytest.raises(RestrictViolationError):
                await inbox.pool.execute(change)


@pytest.mark.parametrize(("role", "status"), [("clinical", 404), ("crm", 404), ("supervisor", 200), ("ops", 403)])
async def test_an_item_is_seen_by_those_who_work_its_pool(inbox: Inbox, role: str, status: int) -> None:
    item = (await inbox.sent(await inbox.patient()))["item_id"]

    assert (await inbox.get(f"/v1/items/{item}", "staff:x", role)).status == status
    assert (await inbox.post(f"/v1/items/{item}/claim", who="staff:x", role=role, version=1)).status == status


async def test_calls_that_take_long_hold_up_no_message(inbox: Inbox) -> None:
    async with AsyncExitStack() as taking_long:
        for _ in range(inbox.routes_pool.get_max_size()):
            await taking_long.enter_async_context(inbox.routes_pool.acquire())
        assert (await inbox.sent(await inbox.patient()))["pool"] == "billing"
