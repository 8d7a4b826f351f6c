"""Contacts, paperless statements and alerts, from the topics to mailboxes and back, on real infrastructure."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from local.infrastructure import Endpoints
from sandbox import arrivals
from shared.signatures import sign
from tests.flow.kit import eventually
from tests.flow.notifications_world import SECRET, TIMEOUT_S, Hospital, Person, code_in, hospital


@pytest.fixture(scope="module", name="world")
async def running(infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hospital]:
    async with hospital(infrastructure, tmp_path_factory.mktemp("sandbox")) as made:
        yield made


async def test_a_person_confirms_contacts_enrols_and_hears_once_of_a_statement_by_mail_and_text(
    world: Hospital,
) -> None:
    person = Person()
    account = await world.open_account(person)
    enrolled = await world.enrol(person, "email", "text")
    assert (enrolled["type"], enrolled["outcome"]) == ("notifications.paperless-enrolled.v1", "done")

    for _ in range(2):
        await world.statement(account, "S-1", person)

    delivered = [await world.said("alert-delivered", person, channel=channel) for channel in ("email", "text")]
    assert all(one["data"]["statement_id"] == "S-1" for one in delivered)
    _, mail = await world.mails(person, 2)
    assert mail["subject"] == "A new statement is available"
    assert "<html" in mail["html"]
    assert mail["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    _, text = await world.texts(person, 2)
    assert text["text"].startswith("A new statement is available.")
    said = str([mail["text"], mail["html"], text["text"]])
    assert account not in said
    assert not any(private in said for private in ("$", "USD", "Ada", "Reyes", "north"))
    assert [len(world.told(f"alert-{name}", person)) for name in ("sent", "delivered", "failed")] == [2, 2, 0]
    assert world.told("paper-statement-due", person) == []
    shown = await world.preferences(person)
    assert [contact["status"] for contact in shown["contacts"]] == ["verified", "verified"]
    assert person.email not in str(shown)
    assert person.number not in str(shown)
    (paperless,) = shown["accounts"]
    assert (paperless["paperless"], paperless["health"]) == (True, "ok")
    await world.holds_nowhere_but_in_contacts(person.email, person.number[2:])


async def test_a_bounce_brings_paper_for_that_statement_and_later_ones_until_the_contact_is_confirmed_again(
    world: Hospital,
) -> None:
    person = Person()
    account = await world.open_account(person)
    await world.enrol(person, "email")
    await world.behave("mail", person.email, "bounce")

    announced = await world.statement(account, "S-1", person)

    failed = await world.said("alert-failed", person)
    assert failed["data"]["reason"] == "hard_bounce"
    due = await world.said("paper-statement-due", person, statement_id="S-1")
    assert due["data"] == {"account_number": account, "statement_id": "S-1", "reason": "hard_bounce"}
    refused = await world.said("contact-refused", person)
    assert {one["correlationid"] for one in (failed, due, refused)} == {announced["id"]}
    contact_id = refused["data"]["contact_id"]
    await world.statement(account, "S-2", person)
    assert (await world.said("paper-statement-due", person, statement_id="S-2"))["data"]["reason"] == (
        "contact_refused"
    )
    told = await world.preferences(person)
    (shown,), (contact,) = told["accounts"], told["contacts"]
    assert (shown["paperless"], shown["health"]) == (True, "unhealthy")
    assert (contact["status"], contact["code_sent_at"] < contact["refused_at"]) == ("refused", True)

    await world.behave("mail", person.email, "ok")
    await world.advance(timedelta(minutes=1))
    await world.command(person, "resend-code", contact_id=contact_id)
    newest = (await world.mails(person, 2))[-1]
    confirmed = await world.command(person, "confirm-contact", contact_id=contact_id, code=code_in(newest))
    assert confirmed["outcome"] == "done"
    await world.statement(account, "S-3", person)
    assert (await world.said("alert-delivered", person))["data"]["statement_id"] == "S-3"
    assert world.told("paperless-ended", person) == []


async def test_a_code_that_bounces_is_told_to_who_asked_for_it(world: Hospital) -> None:
    person = Person()
    await world.behave("mail", person.email, "bounce")
    sent = await world.command(person, "add-contact", contact_id="C-1", channel="email", address=person.email)
    refused = await world.said("contact-refused", person)
    assert (refused["data"]["reason"], refused["correlationid"]) == ("hard_bounce", sent["causationid"])


@pytest.mark.parametrize(
    ("behaviour", "failed", "ended"),
    [("complain", "complained", "complained"), ("refuse", "refused", None)],
)
async def test_a_complaint_ends_the_enrolment_and_a_refusal_brings_paper(
    world: Hospital, behaviour: str, failed: str, ended: str | None
) -> None:
    person = Person()
    account = await world.open_account(person)
    await world.enrol(person, "email")
    await world.behave("mail", person.email, behaviour)

    await world.statement(account, "S-1", person)

    assert (await world.said("alert-failed", person))["data"]["reason"] == failed
    assert (await world.said("paper-statement-due", person))["data"]["reason"] == failed
    await world.said("contact-refused", person)
    if ended:
        assert (await world.said("paperless-ended", person))["data"]["reason"] == ended
    else:
        assert world.told("paperless-ended", person) == []


async def test_the_link_in_an_alert_ends_it_by_one_click_and_looking_at_it_changes_nothing(
    world: Hospital,
) -> None:
    person = Person()
    account = await world.open_account(person)
    await world.enrol(person, "email")
    await world.statement(account, "S-1", person)
    mail = (await world.mails(person, 2))[-1]
    link = mail["headers"]["List-Unsubscribe"].strip("<>")
    assert link in mail["text"]

    async with world.client.get(link) as page:
        assert page.status == 200
        assert "<form" in await page.text()
    assert (await world.preferences(person))["accounts"][0]["paperless"] is True
    for _ in range(2):
        async with world.client.post(link, data={"List-Unsubscribe": "One-Click"}) as done:
            assert done.status == 200
    assert (await world.said("paperless-ended", person))["data"]["reason"] == "unsubscribed"
    await world.statement(account, "S-2", person)
    assert (await world.said("paper-statement-due", person, statement_id="S-2"))["data"]["reason"] == (
        "unsubscribed"
    )
    assert [len(world.told("paperless-ended", person)), len(await world.mails(person))] == [1, 2]
    for method in ("GET", "POST"):
        async with world.client.request(method, link[:-1] + "-") as answer:
            assert answer.status == 404


async def test_stop_ends_texts_for_all_who_share_a_number_with_one_confirmation_and_start_begins_again(
    world: Hospital,
) -> None:
    one, other = Person(), Person()
    other.number = one.number
    for person in (one, other):
        await world.open_account(person)
    await world.enrol(one, "text")
    await world.advance(timedelta(minutes=1))
    contact_id = f"{other.person_id}-text"
    await world.command(other, "add-contact", contact_id=contact_id, channel="text", address=other.number)
    code = code_in((await world.texts(one, 2))[-1])
    await world.command(other, "confirm-contact", contact_id=contact_id, code=code)
    await world.enrol_with(other, {"text": contact_id}, other.account)

    for said in ("Stop.", "unsubscribe"):
        await world.world.post("/sms/inbound", {"from": one.number, "text": said})

    for person in (one, other):
        await world.said("texts-stopped", person)
        assert (await world.said("paperless-ended", person))["data"]["reason"] == "texts_stopped"
    assert "no more texts" in (await world.texts(one, 3))[-1]["text"]
    await world.statement(one.account, "S-1", one)
    assert (await world.said("paper-statement-due", one))["data"]["reason"] == "texts_stopped"
    late = Person()
    late.number = one.number
    refused = await world.command(late, "add-contact", contact_id="L-1", channel="text", address=late.number)
    assert refused["data"]["reason"] == "texts_stopped"

    await world.world.post("/sms/inbound", {"from": one.number, "text": "HELP"})
    await world.world.post("/sms/inbound", {"from": one.number, "text": "start"})

    again = await world.texts(one, 5)
    assert len(again) == 5
    await eventually(lambda: len(world.told("contact-verified", one)) == 2, "texts go to the number again")
    assert (await world.enrol_with(one, {"text": f"{one.person_id}-text"}, one.account))["outcome"] == "done"


async def test_a_text_whose_answer_is_missing_is_unknown_and_found_again_and_never_sent_twice(
    world: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person()
    account = await world.open_account(person)
    await world.enrol(person, "text")
    monkeypatch.setattr(arrivals, "DELAY_S", TIMEOUT_S + 30)
    await world.behave("sms", person.number, "delay")

    await world.statement(account, "S-1", person)
    await world.said("alert-unknown", person)
    await world.advance(timedelta(seconds=12))

    await world.said("alert-delivered", person)
    assert len(await world.texts(person)) == 2
    assert [len(world.told(name, person)) for name in ("alert-unknown", "alert-delivered", "alert-failed")] == [
        1,
        1,
        0,
    ]


@pytest.mark.parametrize("behaviour", ["late-receipt", "double-receipt"])
async def test_receipts_that_come_late_or_twice_are_told_once(world: Hospital, behaviour: str) -> None:
    person = Person()
    account = await world.open_account(person)
    await world.enrol(person, "email", "text")
    await world.behave("mail", person.email, behaviour)
    await world.behave("sms", person.number, behaviour)

    await world.statement(account, "S-1", person)

    await eventually(lambda: len(world.told("alert-sent", person)) == 2, "both alerts are sent")
    if behaviour == "late-receipt":
        assert world.told("alert-delivered", person) == []
        await world.advance(timedelta(seconds=arrivals.LATE_S))
    # Of the alerts: a mail's receipt, and two of a text; of the codes as many before.
    receipts = 6 if behaviour == "late-receipt" else 9
    await eventually(lambda: len(world.told("receipt-heard", person)) == receipts, "all receipts are heard")
    assert len(world.told("alert-delivered", person)) == 2


async def test_what_nobody_signed_is_not_believed(world: Hospital) -> None:
    for path in ("/v1/sms/receipts?reference=1", "/v1/sms/inbound"):
        async with world.client.post(
            path, data={"MessageStatus": "delivered"}, headers={"X-Twilio-Signature": "x"}
        ) as answer:
            assert (answer.status, (await answer.json())["reason"]) == (401, "signature_invalid")
    for headers in ({}, {"Mail-Signature": "t=1,v1=00"}):
        async with world.client.post("/v1/email/events", json=[], headers=headers) as answer:
            assert answer.status == 401


async def test_of_a_batch_of_mail_events_what_is_no_news_is_passed_over_and_the_rest_is_heard(
    world: Hospital,
) -> None:
    person = Person()
    account = await world.open_account(person)
    await world.enrol(person, "email")
    await world.behave("mail", person.email, "late-receipt")
    await world.statement(account, "S-1", person)
    sent = (await world.said("alert-sent", person))["data"]["alert_id"]

    async def told(*events: object) -> int:
        body = json.dumps(events).encode()
        headers = {"Mail-Signature": sign(SECRET, world.clock.now(), body)}
        async with world.client.post("/v1/email/events", data=body, headers=headers) as answer:
            return answer.status

    bounced = {"event": "bounced", "message_id": f"<{sent}@mail.example>"}
    assert await told(bounced, {"event": "delivered"}) == 422
    assert await told({"event": "opened"}, {"message_id": "1"}) == 422
    assert await told(bounced, {"event": "bounced", "message_id": "<1\0@mail.example>"}) == 422
    assert world.told("alert-failed", person) == []
    assert await told({"event": "opened", "message_id": sent}, {"event": "clicked"}, bounced) == 204
    await world.said("alert-failed", person)


async def test_texts_to_consent_to_are_shown_to_whoever_has_a_token(world: Hospital) -> None:
    async with world.client.get("/v1/consent-texts/current") as answer:
        assert answer.status == 401
    headers = await world.token()
    async with world.client.get("/v1/consent-texts/current?language=es-MX", headers=headers) as answer:
        text = await answer.json()
    assert (text["version"], text["language"]) == ("2026-01-es", "es")
    async with world.client.get(f"/v1/consent-texts/{text['version']}", headers=headers) as answer:
        assert await answer.json() == text
    async with world.client.get("/v1/consent-texts/1999", headers=headers) as answer:
        assert answer.status == 404


async def test_a_command_that_cannot_be_done_is_refused_with_the_reason(world: Hospital) -> None:
    person, stranger, newcomer = Person(), Person(), Person()
    account = await world.open_account(person)
    contact_id = await world.confirmed(person, "email")

    async def reason(of: Person, account: str, **consent: object) -> str:
        refused = await world.enrol_with(of, {"email": contact_id}, account, **consent)
        assert (refused["type"], refused["outcome"]) == ("notifications.command-refused.v1", "refused")
        told: str = refused["data"]["reason"]
        return told

    assert await reason(person, account, accepted=False) == "consent_missing"
    assert await reason(person, account, text_version="1999") == "consent_stale"
    assert await reason(person, stranger.account) == "not_found"
    assert await reason(stranger, account) == "not_found"
    assert await reason(newcomer, await world.open_account(newcomer)) == "contact_not_verified"
    wrong = await world.command(person, "confirm-contact", contact_id=contact_id, code="000 000 0")
    assert wrong["data"]["reason"] == "code_wrong"
    spanish = await world.enrol_with(person, {}, account, text_version="2026-01-es")
    assert spanish["outcome"] == "done"
    ended = await world.command(person, "end-paperless", account_number=account)
    assert ended["data"]["reason"] == "withdrawn"


async def test_who_chooses_other_alerts_overnight_is_told_there_or_nowhere_and_gets_no_paper(
    world: Hospital,
) -> None:
    elsewhere, nowhere = Person(), Person()
    for one in (elsewhere, nowhere):
        await world.register(one, "America/Chicago")
        await world.open_account(one)
        await world.enrol(one, "text")
    email = await world.confirmed(elsewhere, "email")
    await world.advance_to(hour=4)
    for one in (elsewhere, nowhere):
        await world.statement(one.account, "S-1", one)
    waiting = "select count(*) = 2 from alert where person_id = any($1)"
    persons = [elsewhere.person_id, nowhere.person_id]
    await eventually(lambda: world.pool.fetchval(waiting, persons), "both texts wait for the morning")

    await world.enrol_with(elsewhere, {"email": email}, elsewhere.account)
    await world.enrol_with(nowhere, {}, nowhere.account)
    await world.advance_to(hour=14)

    await world.said("alert-delivered", elsewhere, channel="email")
    for one in (elsewhere, nowhere):
        assert (await world.said("alert-failed", one))["data"]["reason"] == "no_longer_chosen"
        assert (len(await world.texts(one)), world.told("paper-statement-due", one)) == (1, [])
    await world.advance_to(hour=17)


async def test_texts_wait_for_the_morning_and_what_may_have_been_sent_is_not_sent_again(world: Hospital) -> None:
    person, unlucky, changed = Person(), Person(), Person()
    for one in (person, unlucky, changed):
        await world.register(one, "America/Chicago", "es")
        await world.open_account(one)
        await world.enrol(one, "email", "text")
    await world.advance_to(hour=4)

    for one in (person, unlucky, changed):
        await world.statement(one.account, "S-1", one)
        await world.said("alert-delivered", one, channel="email")
        assert len(await world.texts(one)) == 1
    await world.command(changed, "remove-contact", contact_id=f"{changed.person_id}-text")
    # A process died just after it had begun to send: nobody knows whether the carrier got it.
    await world.pool.execute(
        "insert into attempt select alert_id, attempt, now() from alert where person_id = $1 and channel = 'text'",
        unlucky.person_id,
    )
    await world.advance_to(hour=14)

    await world.said("alert-delivered", person, channel="text")
    assert (await world.texts(person))[-1]["text"].startswith("Hay un nuevo estado de cuenta")
    await world.said("alert-unknown", unlucky, channel="text")
    assert len(await world.texts(unlucky)) == 1
    failed = await world.said("alert-failed", changed, channel="text")
    assert (failed["data"]["reason"], world.told("paper-statement-due", changed)) == ("contact_removed", [])
    await world.advance_to(hour=17)
