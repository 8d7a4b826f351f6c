"""Who may write to whom, the supervisors' rules, and what is told to those who look on."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientTimeout
from structlog.testing import capture_logs

from local.infrastructure import Endpoints
from tests.flow.inbox_world import Inbox, Json, running_inbox
from tests.flow.kit import eventually

SUE = ("staff:sue", "supervisor")


@pytest.fixture(scope="module", name="inbox")
async def the_inbox(infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inbox]:
    async with running_inbox(infrastructure, tmp_path_factory.mktemp("files")) as inbox:
        yield inbox


async def put_rules(inbox: Inbox, **changes: Any) -> Json:
    """Put the rule set that is there, changed; return the new one."""
    rules = (await inbox.get("/v1/routing-rules", *SUE)).body
    body = {name: value for name, value in rules.items() if name != "valid_from"} | changes
    put = await inbox.post("/v1/routing-rules", body, *SUE, version=rules["version"], method="PUT")
    assert (put.status, put.body["version"], put.etag) == (200, rules["version"] + 1, f'"{rules["version"] + 1}"')
    found: Json = put.body
    who = await inbox.pool.fetchrow("select put_by, put_at from rule_set where version = $1", found["version"])
    assert who is not None
    assert (who["put_by"], who["put_at"] is None) == ("staff:sue", False)
    return found


async def test_a_question_goes_to_the_pool_of_a_provider_whom_the_patient_sees(inbox: Inbox) -> None:
    patient = await inbox.patient()
    provider = f"PRV-{patient}"
    await inbox.booked(patient, provider)

    found = await inbox.get(f"/v1/recipients?patient_id={patient}", f"person-{patient}", "gateway")
    stranger = await inbox.get(f"/v1/recipients?patient_id={patient}", "person-nobody", "gateway")

    assert [(one["provider_id"], one["name"], one["why"]) for one in found.body] == [
        (provider, f"Dr. {provider}", "scheduled")
    ]
    assert (stranger.status, stranger.body["reason"]) == (404, "not_found")
    medical = {"kind": "medical", "category": "non-urgent-question"}
    routed = await inbox.sent(patient, **medical, provider_id=provider, body="I have chest pain")
    assert routed["pool"] == f"provider:{provider}"
    refused = await inbox.sent(patient, **medical, provider_id="PRV-another")
    assert refused["reason"] == "recipient_not_allowed"
    item = await inbox.get(f"/v1/items/{routed['item_id']}", "staff:sam", "clinical-support")
    assert (item.body["urgent"], item.body["urgent_words"]) == (True, ["chest pain"])
    assert (await inbox.get(f"/v1/items/{routed['item_id']}", "staff:drew", "clinical")).status == 404
    people = await inbox.get("/v1/patients", f"proxy-{patient}", "gateway")
    assert people.body == [{"patient_id": patient, "name": "Ana Ruiz", "relationship": "proxy"}]


async def test_visits_and_requests_are_forgotten_once_nobody_may_write_by_them(inbox: Inbox) -> None:
    patient = await inbox.patient()
    await inbox.pool.execute(
        """
        insert into appointment (patient_id, appointment_id, told_at, cancelled, provider_id, starts_at)
        select $1, name, now() - told_ago, cancelled, 'PRV', now() - ago
        from (values
            ('over', '4 years'::interval, false, '3 years 2 days'::interval),
            ('cancelled', '3 years 2 days', true, null),
            ('seen', '4 years', false, '2 years 360 days')
        ) made (name, told_ago, cancelled, ago)
        """,
        patient,
    )
    await inbox.pool.execute(
        """
        insert into document_request (patient_id, request_id, provider_id, told_at)
        values ($1, 'old', 'PRV', now() - interval '366 days'), ($1, 'newer', 'PRV', now() - interval '364 days')
        """,
        patient,
    )

    await inbox.booked(patient, "PRV", appointment_id=f"A-{patient}")
    await inbox.requested(patient, "PRV", request_id=f"R-{patient}")

    kept = await inbox.pool.fetch(
        """
        select appointment_id from appointment where patient_id = $1
        union all select request_id from document_request where patient_id = $1 order by 1
        """,
        patient,
    )
    assert [row[0] for row in kept] == [f"A-{patient}", f"R-{patient}", "newer", "seen"]


async def test_ones_own_record_comes_before_those_of_others_who_have_no_login(inbox: Inbox) -> None:
    child = await inbox.patient(person_id=None)
    parent = await inbox.patient(person_id=f"proxy-{child}")
    await inbox.booked(parent, f"PRV-{parent}")

    people = await inbox.get("/v1/patients", f"proxy-{child}", "gateway")
    found = await inbox.get("/v1/recipients", f"proxy-{child}", "gateway")

    assert [(one["patient_id"], one["relationship"]) for one in people.body] == [
        (parent, "self"),
        (child, "proxy"),
    ]
    assert [one["provider_id"] for one in found.body] == [f"PRV-{parent}"]


async def test_a_delegation_decides_who_sees_a_providers_pool(inbox: Inbox) -> None:
    patient = await inbox.patient(affiliate="west")
    provider = f"PRV-{patient}"
    await inbox.booked(patient, provider, affiliate=f"west-{patient}")
    pool = f"provider:{provider}"

    async def seen_by(role: str) -> bool:
        return pool in [one["pool"] for one in (await inbox.get("/v1/pools", "staff:x", role)).body]

    assert (await seen_by("clinical"), await seen_by("clinical-support")) == (False, True)
    current = await inbox.get("/v1/delegations", *SUE)
    changed = [*current.body["delegations"], {"affiliate": f"west-{patient}", "to": "clinical"}]
    put = await inbox.post(
        "/v1/delegations", {"delegations": changed}, *SUE, version=current.body["version"], method="PUT"
    )
    assert put.status == 200
    assert (await seen_by("clinical"), await seen_by("clinical-support")) == (True, False)
    assert await seen_by("supervisor")

    later = (inbox.clock.now() + timedelta(days=30)).isoformat()
    rules = (await inbox.get("/v1/routing-rules", *SUE)).body
    waiting = await inbox.post(
        "/v1/routing-rules", {**rules, "valid_from": later}, *SUE, version=rules["version"], method="PUT"
    )
    assert waiting.body["version"] == rules["version"] + 1
    back = await inbox.post(
        "/v1/delegations", {"delegations": []}, *SUE, version=waiting.body["version"], method="PUT"
    )
    assert (back.status, back.body["delegations"]) == (200, [])
    assert (await seen_by("clinical"), await seen_by("clinical-support")) == (False, True)
    still = (await inbox.get("/v1/routing-rules", *SUE)).body
    assert (still["version"], still["delegations"]) == (rules["version"] + 3, [])
    assert still["valid_from"] == waiting.body["valid_from"]
    await put_rules(inbox)


async def test_rules_are_put_whole_tried_first_and_route_from_then_on(inbox: Inbox) -> None:
    patient = await inbox.patient(affiliate="rules-test")
    special = {
        "when": {"category": "billing-question", "affiliate": "rules-test"},
        "pool": "crm",
        "why": "Trial",
    }
    rules = (await inbox.get("/v1/routing-rules", *SUE)).body
    tried = {**rules, "rules": [special, *rules["rules"]]}
    message = {"kind": "non-medical", "category": "billing-question", "affiliate": "rules-test"}

    dry = await inbox.post("/v1/routing-rules/dry-run", {**message, "rules": tried}, *SUE)
    now = await inbox.post("/v1/routing-rules/dry-run", message, *SUE)
    for other in ({"category": "gossip"}, {"kind": "medical"}):
        none = await inbox.post("/v1/routing-rules/dry-run", message | other, *SUE)
        assert (none.status, none.body["reason"]) == (422, "unknown_category")
    shadowed = {**rules, "rules": [*rules["rules"], special]}
    refused = await inbox.post("/v1/routing-rules", shadowed, *SUE, version=rules["version"], method="PUT")
    stale = await inbox.post("/v1/routing-rules", tried, *SUE, version=rules["version"] + 7, method="PUT")
    missing = await inbox.post("/v1/routing-rules", tried, *SUE, method="PUT")

    assert (dry.body["pool"], dry.body["why"], now.body["pool"]) == ("crm", "Trial", "billing")
    assert (refused.status, refused.body["reason"]) == (422, "rule_shadowed")
    assert (stale.status, missing.status) == (412, 428)
    assert (await inbox.sent(patient))["pool"] == "billing"
    put = await put_rules(inbox, rules=[special, *rules["rules"]])
    routed = await inbox.sent(patient)
    assert (routed["pool"], routed["why"], routed["rule_version"]) == ("crm", "Trial", put["version"])
    assert (await inbox.get("/v1/routing-rules", "staff:ann", "billing")).status == 403
    await put_rules(inbox, rules=rules["rules"])


async def test_a_message_for_a_closed_pool_waits_with_the_supervisors(inbox: Inbox) -> None:
    rules = (await inbox.get("/v1/routing-rules", *SUE)).body
    closed = [{**one, "active": one["active"] and one["pool"] != "insurance"} for one in rules["pools"]]
    await put_rules(inbox, pools=closed)

    event = await inbox.outcome(await inbox.send(await inbox.patient(), category="insurance-question"))

    await put_rules(inbox, pools=rules["pools"])
    assert (event["type"], event["outcome"]) == ("inbox.message-unroutable.v1", "done")
    item = await inbox.get(f"/v1/items/{event['data']['item_id']}", *SUE)
    assert (item.body["pool"], "insurance" in item.body["why"]) == ("unroutable", True)
    assert (await inbox.get("/v1/pools/unroutable/items")).status == 404
    moved = await inbox.post(
        f"/v1/items/{event['data']['item_id']}/reassign",
        {"pool": "insurance", "reason": "It is open again"},
        *SUE,
        version=1,
    )
    assert moved.body["pool"] == "insurance"


async def test_what_waits_in_a_pool_that_the_rules_leave_out_stays_where_it_can_be_seen(inbox: Inbox) -> None:
    patient = await inbox.patient(affiliate="dental-test")
    to_dental = {"when": {"affiliate": "dental-test"}, "pool": "dental", "why": "Teeth"}
    rules = (await inbox.get("/v1/routing-rules", *SUE)).body
    dental = {"pool": "dental", "name": "Dental", "roles": ["clinical"]}
    await put_rules(inbox, pools=[*rules["pools"], dental], rules=[to_dental, *rules["rules"]])
    routed = await inbox.sent(patient, subject=f"A tooth of {patient}")
    assert routed["pool"] == "dental"

    await put_rules(inbox, pools=rules["pools"], rules=rules["rules"])

    for caller in (SUE, ("staff:drew", "clinical")):
        (pool,) = [one for one in (await inbox.get("/v1/pools", *caller)).body if one["pool"] == "dental"]
        assert (pool["open"], pool["active"]) == (1, False)
        listed = await inbox.get("/v1/pools/dental/items", *caller)
        found = await inbox.get(f"/v1/search?q={patient}", *caller)
        for page in (listed, found):
            assert [one["item_id"] for one in page.body["items"]] == [routed["item_id"]]
    figures = (await inbox.get("/v1/figures", *SUE)).body
    assert [one["open"] for one in figures if one["pool"] == "dental"] == [1]
    further = await inbox.sent(patient, thread_id=routed["thread_id"])
    assert (further["pool"], further["item_id"]) == ("billing", routed["item_id"])


async def test_a_thread_with_a_provider_whom_the_patient_does_not_see_stays_there(inbox: Inbox) -> None:
    patient, other = await inbox.patient(), await inbox.patient()
    await inbox.booked(other, f"PRV-{other}")
    routed = await inbox.sent(patient)
    moved = {"pool": f"provider:PRV-{other}", "reason": "Theirs"}
    await inbox.post(f"/v1/items/{routed['item_id']}/reassign", moved, version=1)

    further = await inbox.sent(patient, thread_id=routed["thread_id"])

    assert further["pool"] == moved["pool"]


# Those who look on


class Events:
    """A stream of events as a browser reads it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.last_id: str | None = None

    async def next(self) -> tuple[str, Json]:
        """Return the next event's name and data."""
        name, data = "", ""
        async with asyncio.timeout(20):
            async for line in self._answer.content:
                field, _, value = line.decode().rstrip("\r\n").partition(": ")
                if field == "id":
                    self.last_id = value
                elif field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not field and name:
                    return name, json.loads(data)
        raise AssertionError("the stream ended")

    async def until(self, item_id: str, what: str) -> list[Json]:
        """Return what is told of an item up to and with this."""
        told = []
        while True:
            name, data = await self.next()
            if name == "item" and data["item_id"] == item_id:
                told.append(data)
                if data["what"] == what:
                    return told


@asynccontextmanager
async def stream(
    inbox: Inbox, who: str = "staff:ann", role: str = "billing", after: str | None = None
) -> AsyncIterator[Events]:
    headers = inbox.headers(who, role) | ({"Last-Event-ID": after} if after else {})
    async with inbox.client.get("/v1/stream", headers=headers, timeout=ClientTimeout(total=60)) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield Events(answer)


async def test_who_looks_on_is_told_of_their_own_pools_and_threads_and_nothing_else(inbox: Inbox) -> None:
    patient, other = await inbox.patient(), await inbox.patient()
    async with stream(inbox) as billing, stream(inbox, f"person-{patient}", "gateway") as own:
        assert (await billing.next())[0] == (await own.next())[0] == "ready"
        await inbox.sent(await inbox.patient(), category="portal-help")
        await inbox.sent(other)
        routed = await inbox.sent(patient)
        item = routed["item_id"]
        await inbox.post(f"/v1/items/{item}/claim", version=1)
        await inbox.post(f"/v1/items/{item}/reply", {"body": "Here."}, version=2)

        told = await billing.until(item, "replied")
        assert [(one["what"], one["version"], one["pool"]) for one in told] == [
            ("new", 1, "billing"),
            ("claimed", 2, "billing"),
            ("replied", 3, "billing"),
        ]
        await inbox.post(f"/v1/items/{item}/reassign", {"pool": "crm", "reason": "Theirs"}, version=3)
        (left,) = await billing.until(item, "reassigned")
        assert (left["pool"], left["version"]) == ("billing", 4)
        threads = [await own.next(), await own.next()]
        assert [(name, data["thread_id"], data["what"]) for name, data in threads] == [
            ("thread", routed["thread_id"], "new"),
            ("thread", routed["thread_id"], "replied"),
        ]


async def test_after_a_reconnect_nothing_is_missed_and_nothing_comes_twice(inbox: Inbox) -> None:
    patient = await inbox.patient()
    async with stream(inbox) as before:
        routed = await inbox.sent(patient)
        item = routed["item_id"]
        await before.until(item, "new")
        seen = before.last_id
    await inbox.post(f"/v1/items/{item}/claim", version=1)
    await asyncio.gather(*(inbox.sent(patient, thread_id=routed["thread_id"]) for _ in range(8)))

    async with stream(inbox, after=seen) as again:
        told: list[Json] = []
        finishing = asyncio.create_task(inbox.post(f"/v1/items/{item}/done", version=10))
        told = await again.until(item, "done")
        assert (await finishing).status == 200

    assert [one["version"] for one in told] == list(range(2, 12))
    assert [one["what"] for one in told] == ["claimed", *["message"] * 8, "done"]


async def test_who_looks_on_is_told_again_after_the_changes_could_not_be_read(inbox: Inbox) -> None:
    patient = await inbox.patient()
    async with stream(inbox) as events:
        assert (await events.next())[0] == "ready"
        with capture_logs() as logs:
            await inbox.pool.execute("alter table item_change rename column what to renamed")
            await eventually(lambda: any(one["event"] == "feed failed" for one in logs), "a failure")
            await inbox.pool.execute("alter table item_change rename column renamed to what")
        routed = await inbox.sent(patient)
        await events.until(routed["item_id"], "new")


@pytest.mark.parametrize("after", ["1-1", "nonsense", "0-0"])
async def test_who_was_away_too_long_is_told_to_look_at_everything_again(inbox: Inbox, after: str) -> None:
    async with stream(inbox, after=after) as events:
        assert [(await events.next())[0], (await events.next())[0]] == ["resync", "ready"]
