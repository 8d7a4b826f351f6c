"""What is written in threads, by whom, how it is found, and what is taken of it, on real Kafka and PostgreSQL."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from secrets import token_hex

import pytest

from local.infrastructure import Endpoints
from shared.events.topics import INSURANCE_EVENTS
from tests.flow.inbox_world import Answer, Inbox, Json, running_inbox


@pytest.fixture(scope="module", name="inbox")
async def the_inbox(infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inbox]:
    async with running_inbox(infrastructure, tmp_path_factory.mktemp("files")) as inbox:
        yield inbox


async def test_what_says_nothing_is_refused(inbox: Inbox) -> None:
    patient = await inbox.patient()
    assert (await inbox.sent(patient, body="\u200b \u00a0"))["reason"] == "invalid_data"
    path = f"/v1/items/{(await inbox.sent(patient))['item_id']}"
    asked = {"reply": "body", "done": "note", "escalate": "reason"}
    for act, field in asked.items():
        refused = await inbox.post(f"{path}/{act}", {field: "\u200b \u00a0"}, version=1)
        assert (refused.status, refused.body["fields"][0]["field"]) == (422, f"body.{field}")


async def test_who_wrote_is_told_by_name_and_only_the_reader_is_you(inbox: Inbox) -> None:
    patient = await inbox.patient(proxies=[nanny := f"nanny-{token_hex(4)}", known := f"parent-{token_hex(4)}"])
    await inbox.patient(person_id=known, first_name="Luis")
    own = f"person-{patient}"
    thread = (await inbox.sent(patient))["thread_id"]
    sent = await inbox.sent(patient, actor=f"proxy:{known}", thread_id=thread)
    await inbox.sent(patient, actor=f"proxy:{nanny}", thread_id=thread)

    async def authors(path: str, who: str, role: str) -> list[tuple[str, bool, str | None]]:
        shown = await inbox.get(path, who, role)
        return [(one["author"], one["mine"], one["on_behalf_of"]) for one in shown.body["messages"]]

    unknown = ("On behalf of Ana Ruiz", False, "Ana Ruiz")
    at = f"/v1/threads/{thread}"
    assert await authors(at, own, "gateway") == [("You", True, None), ("Luis Ruiz", False, None), unknown]
    assert await authors(at, known, "gateway") == [("Ana Ruiz", False, None), ("You", True, None), unknown]
    item = f"/v1/items/{sent['item_id']}"
    assert await authors(item, "staff:ann", "billing") == [
        ("Ana Ruiz", False, None),
        ("Luis Ruiz", False, None),
        unknown,
    ]


async def test_a_long_thread_is_shown_in_parts_and_each_tells_how_the_whole_thread_stands(inbox: Inbox) -> None:
    patient = await inbox.patient()
    first = await inbox.sent(patient, body="1")
    for body in "234":
        await inbox.sent(patient, thread_id=first["thread_id"], body=body)
    item = f"/v1/items/{first['item_id']}"
    version = (await inbox.get(item)).body["version"]
    await inbox.post(f"{item}/reply", {"body": "5"}, version=version)

    async def parts(path: str, *who: str) -> list[Json]:
        found = [(await inbox.get(f"{path}?limit=2", *who)).body]
        while before := found[-1]["earlier"]:
            found.append((await inbox.get(f"{path}?limit=2&before={before}", *who)).body)
        return found

    for_person = await parts(f"/v1/threads/{first['thread_id']}", f"person-{patient}", "gateway")
    for found in (for_person, await parts(item)):
        assert [[one["body"] for one in part["messages"]] for part in found] == [["4", "5"], ["2", "3"], ["1"]]
    assert {part["state"] for part in for_person} == {"answered"}
    whole = (await inbox.get(item)).body
    assert ([one["body"] for one in whole["messages"]], whole["earlier"]) == ([*"12345"], None)
    assert (await inbox.get(f"{item}?before=nonsense")).body["reason"] == "invalid_data"


async def test_a_message_that_joins_a_thread_keeps_its_subject_and_what_it_is_about(inbox: Inbox) -> None:
    patient = await inbox.patient()
    first = await inbox.sent(patient, about={"account_number": "G-1", "statement_id": "S-1"})
    await inbox.sent(patient, thread_id=first["thread_id"], subject="Another bill", about={"statement_id": "S-2"})
    await inbox.post(f"/v1/items/{first['item_id']}/reply", {"body": "It is for the visit."}, version=2)

    item = (await inbox.get(f"/v1/items/{first['item_id']}")).body

    told = [(one["subject"], one["about"] and one["about"]["statement_id"]) for one in item["messages"]]
    assert told == [("My bill", "S-1"), ("Another bill", "S-2"), (None, None)]
    assert (item["subject"], item["about"]["account_number"], item["about"]["statement_id"]) == (
        "My bill",
        "G-1",
        "S-2",
    )


async def test_an_answer_is_told_until_it_was_read_also_where_staff_are_done(inbox: Inbox) -> None:
    patient = await inbox.patient()
    routed = await inbox.sent(patient)
    own, proxy = f"person-{patient}", f"proxy-{patient}"
    path = f"/v1/items/{routed['item_id']}"

    async def state(who: str = own) -> str:
        (thread,) = (await inbox.get("/v1/threads", who, "gateway")).body
        return str(thread["state"])

    assert await state() == "sent"
    until = (inbox.clock.now() + timedelta(days=1)).isoformat()
    acts: list[tuple[str, Json]] = [("reply", {"body": "Yes."}), ("postpone", {"until": until}), ("done", {})]
    for version, (act, body) in enumerate(acts, 1):
        assert (await inbox.post(f"{path}/{act}", body, version=version)).status == 200
        assert await state() == "answered"
    thread = f"/v1/threads/{routed['thread_id']}"
    await inbox.get(f"{thread}?unattended=true", own, "gateway")
    assert await state() == "answered"
    read = await inbox.get(thread, own, "gateway")
    assert (read.body["state"], await state(), await state(proxy)) == ("closed", "closed", "answered")

    logged = "select what from read_log where what_id = $1 order by id"
    rows = await inbox.pool.fetch(logged, routed["thread_id"])
    assert [row["what"] for row in rows] == ["thread-unattended", "thread"]

    await inbox.sent(patient, thread_id=routed["thread_id"])
    assert await state() == await state(proxy) == "sent"
    await inbox.post(f"{path}/done", version=5)
    assert await state() == await state(proxy) == "closed"


async def test_a_person_with_many_threads_sees_them_page_by_page(inbox: Inbox) -> None:
    patient = await inbox.patient()
    sent = [(await inbox.sent(patient))["thread_id"] for _ in range(5)]
    found: list[str] = []
    query = f"?patient_id={patient}&limit=2"
    while query:
        page = await inbox.get(f"/v1/threads{query}", f"person-{patient}", "gateway")
        found += [one["thread_id"] for one in page.body]
        link = page.headers.get("link")
        query = link.removeprefix("<").removesuffix('>; rel="next"') if link else ""
    assert found == sent[::-1]
    every = await inbox.get("/v1/threads", f"person-{patient}", "gateway")
    assert ([one["thread_id"] for one in every.body], every.headers.get("link")) == (found, None)
    wrong = await inbox.get("/v1/threads?after=nonsense", f"person-{patient}", "gateway")
    assert (wrong.status, wrong.body["reason"]) == (422, "invalid_data")


async def test_words_are_found_in_ones_own_pools_only(inbox: Inbox) -> None:
    patient = await inbox.patient()
    word = f"zebra{patient.replace('-', '')}"
    first = await inbox.sent(patient, body=f"A {word} and a horse")
    second = await inbox.sent(patient, subject=f"About the {word.upper()}")
    hidden = await inbox.sent(patient, category="portal-help", body=f"The {word}")

    async def found(words: str, role: str = "billing") -> list[str]:
        answer = await inbox.get(f"/v1/search?q={words}", "staff:x", role)
        return [one["item_id"] for one in answer.body["items"]]

    assert await found(word) == [second["item_id"], first["item_id"]]
    assert await found(f"{word} horse") == [first["item_id"]]
    assert await found(f"{word} -horse") == [second["item_id"]]
    assert await found(f"{'-' * 40} {word} -!-(- horse") == [first["item_id"]]
    assert await found(word, "crm") == [hidden["item_id"]]
    page = await inbox.get(f"/v1/search?q={word}&limit=1")
    rest = await inbox.get(f"/v1/search?q={word}&limit=1&after={page.body['next']}")
    assert [one["item_id"] for one in rest.body["items"]] == [first["item_id"]]
    for words in ('"zebra', "", "%20", "zebra%00"):
        bad = await inbox.get(f"/v1/search?q={words}")
        assert (bad.status, bad.body["reason"]) == (400, "bad_query")


async def test_ones_own_items_are_found_however_common_a_word_is_in_other_pools(inbox: Inbox) -> None:
    patient = await inbox.patient()
    word = f"common{patient.replace('-', '')}"
    await inbox.pool.execute(
        """
        with others as (
            insert into item (item_id, kind, pool, state, priority, version, subject, created_at, updated_at,
                since, thread_id, about, content, urgent_words, escalated, rule_version, why, limit_number,
                limit_minutes, replied_version)
            select 'common-' || n, 'message', 'large', 'open', 1, 1, $1, now(), now(), now(), 'common-' || n, '{}',
                '', '', false, 0, '', 1, 10, 0 from generate_series(1, 6000) n
            returning item_id, thread_id
        )
        insert into message (patient_id, message_id, thread_id, item_id, author, author_id, body, at, fingerprint,
            pool, rule_version, why, attachment_ids)
        select 'nobody', item_id, thread_id, item_id, 'patient', 'nobody', $1, now(), '', 'large', 0, '', '{}'
        from others
        """,
        f"The {word}",
    )
    sent = [await inbox.sent(patient, body=f"A {word}"), await inbox.sent(patient, subject=f"A {word}")]
    answer = await inbox.get(f"/v1/search?q={word}")
    assert [one["item_id"] for one in answer.body["items"]] == [one["item_id"] for one in reversed(sent)]


@pytest.mark.parametrize("path", ["/v1/pools/billing/items?state=open", "/v1/search?q=bill"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"priority": 99999},
        {"priority": -(10**30)},
        {"item_id": "\0"},
        {"item_id": "x" * 200},
        {"since": "2026-03-02T10:00:00"},
        {"since": "9999-12-31T23:59:59-12:00"},
        {"since": None},
    ],
    ids=str,
)
async def test_a_cursor_that_somebody_made_up_is_none_of_ours(inbox: Inbox, path: str, wrong: Json) -> None:
    ours = {"priority": 1, "since": "2026-03-02T10:00:00Z", "item_id": "a"}

    async def ask(place: Json) -> Answer:
        cursor = base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
        return await inbox.get(f"{path}&after={cursor}")

    assert (await ask(ours)).status == 200
    refused = await ask(ours | wrong)
    assert (refused.status, refused.body["reason"]) == (422, "invalid_data")


async def test_work_that_its_service_settles_is_done(inbox: Inbox) -> None:
    patient = await inbox.patient()
    work = {
        "work_id": f"W-{patient}",
        "pool": "insurance",
        "summary": "No answer",
        "about": {"patient_id": patient},
    }
    settled = {"work_id": work["work_id"], "patient_id": patient, "action": "close", "note": "By phone."}
    for kind, data in (("raised", work), ("settled", settled)):
        await inbox.tell(
            INSURANCE_EVENTS.name, f"insurance.work-{kind}.v1", patient, "service:insurance", dict(data)
        )

    item = (await inbox.said("work-queued", work_id=work["work_id"]))["item_id"]
    await inbox.said("item-done", item_id=item)

    shown = (await inbox.get(f"/v1/items/{item}", "staff:ines", "insurance")).body
    assert (shown["state"], shown["history"][-1]["reason"]) == ("done", "Settled in insurance: By phone.")


@pytest.mark.parametrize("path", ["/v1/items/{}", "/v1/attachments/{}", "/v1/pools/{}/items"])
@pytest.mark.parametrize("wrong", ["x" * 200, "a%00b", "%7f"])
async def test_what_can_be_no_id_is_not_looked_for(inbox: Inbox, path: str, wrong: str) -> None:
    answer = await inbox.get(path.format(wrong))

    assert (answer.status, answer.body["reason"]) == (422, "invalid_data")
    assert len(answer.body["fields"]) == 1
