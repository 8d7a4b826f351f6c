"""Texts over SMPP, from the topics to phones and back: the same as over HTTP, in another protocol."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest

from local.infrastructure import Endpoints
from sandbox import arrivals
from services.notifications.domain.alerts import QUERY_WAITS
from tests.flow.kit import eventually
from tests.flow.notifications_world import Hospital, Person, hospital


@pytest.fixture(scope="module", name="world")
async def running(infrastructure: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hospital]:
    async with hospital(infrastructure, tmp_path_factory.mktemp("sandbox"), smpp=True) as made:
        yield made


async def enrolled(world: Hospital, language: str = "en") -> Person:
    person = Person()
    await world.register(person, "America/New_York", language)
    await world.open_account(person)
    await world.enrol(person, "text")
    return person


@pytest.mark.parametrize("behaviour", ["ok", "late-receipt", "double-receipt"])
async def test_an_alert_arrives_once_and_its_receipt_is_heard_whenever_and_however_often_it_comes(
    world: Hospital, behaviour: str
) -> None:
    person = await enrolled(world, "es")
    await world.behave("sms", person.number, behaviour)

    await world.statement(person.account, "S-1", person)

    await world.said("alert-sent", person)
    await world.advance(timedelta(seconds=arrivals.LATE_S))
    await world.said("alert-delivered", person)
    _, alert = await world.texts(person, 2)
    assert alert["text"].startswith("Hay un nuevo estado de cuenta disponible. Inicie sesión: https://")
    assert alert["text"].endswith("HELP para ayuda.")  # three parts, put together again
    assert [len(world.told(f"alert-{name}", person)) for name in ("sent", "delivered", "failed")] == [1, 1, 0]


@pytest.mark.parametrize(("behaviour", "reason"), [("bounce", "hard_bounce"), ("refuse", "refused")])
async def test_a_number_that_nothing_reaches_brings_paper(world: Hospital, behaviour: str, reason: str) -> None:
    person = await enrolled(world)
    await world.behave("sms", person.number, behaviour)

    await world.statement(person.account, "S-1", person)

    assert (await world.said("alert-failed", person))["data"]["reason"] == reason
    assert (await world.said("paper-statement-due", person))["data"]["reason"] == reason
    await world.said("contact-refused", person)


async def test_a_text_whose_answer_is_lost_is_unknown_and_never_sent_again(world: Hospital) -> None:
    person = await enrolled(world)
    await world.behave("sms", person.number, "delay")

    await world.statement(person.account, "S-1", person)

    await world.said("alert-unknown", person)
    asked = "select queries = $2 from alert where person_id = $1"
    for number, ahead in enumerate(QUERY_WAITS, 1):
        due = partial(world.pool.fetchval, asked, person.person_id, number)
        await eventually(due, "it will be asked for")
        await world.advance(ahead)
    assert (await world.said("paper-statement-due", person))["data"]["reason"] == "alert_unknown"
    assert len(await world.texts(person)) == 2


async def test_stop_is_heard_and_confirmed_and_nobody_can_say_it_over_http(world: Hospital) -> None:
    person = await enrolled(world)

    status, _ = await world.world.post("/sms/inbound", {"from": person.number, "text": "Stop!"})

    assert status == 202
    assert (await world.said("paperless-ended", person))["data"]["reason"] == "texts_stopped"
    assert (await world.texts(person, 2))[-1]["text"].startswith("You will get no more texts")
    async with world.client.post("/v1/sms/inbound", data={"From": person.number, "Body": "START"}) as answer:
        assert answer.status == 401
    noted = "select count(*) from carried_text where reference in (select code_id from code where person_id = $1)"
    await eventually(lambda: world.pool.fetchval(noted, person.person_id), "the code's name is noted")
