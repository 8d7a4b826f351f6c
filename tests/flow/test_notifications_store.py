"""What notifications keeps in PostgreSQL: how batches are loaded and saved, without Kafka."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from asyncpg import RestrictViolationError

from local.infrastructure import Endpoints
from services.notifications import reads, store
from services.notifications.app import APPLICATION
from services.notifications.domain.account import Account
from services.notifications.domain.contacts import CODES_OF_ADDRESS_MAX
from services.notifications.domain.internal import AlertAnswered, HearText
from services.notifications.domain.person import Person
from services.notifications.domain.texting import Destination
from services.notifications.handlers import handlers
from shared.clock import Clock
from shared.database import Connection, Pool, connect
from shared.events.billing import Guarantor, GuarantorAccountOpened
from shared.events.envelope import Data, Message, message_of
from shared.events.notifications import AddContact, Alerts, ConfirmContact, Consent, EndPaperless, EnrolPaperless
from shared.events.registration import PatientRegistered
from shared.messaging.decision import Decision
from shared.messaging.handlers import Change
from shared.migrations import upgrade
from tests.flow.kit import eventually, new_database
from tests.flow.notifications_world import settings_of
from tests.flow.statements import plan_of, statements
from tests.unit.notifications.story import NOON, RULES, code_of, outcome, statement, tasks

numbers = count(1)
NOTIFICATIONS = handlers(RULES, lambda: NOON)


@pytest.fixture(scope="module")
async def pool(infrastructure: Endpoints) -> AsyncIterator[Pool]:
    url = await new_database(infrastructure)
    await upgrade(url, APPLICATION.revisions)
    pool = await connect(url)
    yield pool
    await pool.close()


def said(data: Data, person_id: str = "host", at: datetime = NOON) -> Message[Any]:
    actor = f"patient:{person_id}"
    return message_of(
        data,
        id=f"s-{next(numbers)}",
        source="test",
        time=at,
        subject=person_id,
        actor=actor,
    )


async def handle(pool: Pool, *messages: Message[Any]) -> list[Decision[Any]]:
    """Load, decide about and save a batch, as the kit does."""
    async with pool.acquire() as connection, connection.transaction():
        return await handle_on(connection, messages)


async def handle_on(connection: Connection, messages: Sequence[Message[Any]]) -> list[Decision[Any]]:
    before = await NOTIFICATIONS.load(connection, messages)
    after = dict(before)
    decisions = []
    for one in messages:
        key = NOTIFICATIONS.key(one)
        decisions.append(NOTIFICATIONS.decide(after.get(key), one, NOON))
        after[key] = decisions[-1].state
    changes = [Change(key, before.get(key), state) for key, state in after.items() if before.get(key) is not state]
    await NOTIFICATIONS.save(connection, changes)
    return decisions


async def kept(pool: Pool, data: Data, person_id: str = "host") -> Any:
    """Return the state that a message would find."""
    async with pool.acquire() as connection, connection.transaction():
        message = said(data, person_id)
        return (await NOTIFICATIONS.load(connection, [message])).get(NOTIFICATIONS.key(message))


def add(person_id: str, address: str, channel: Any = "email") -> Message[Any]:
    contact_id = f"{person_id}-{channel}"
    data = AddContact(contact_id=contact_id, person_id=person_id, channel=channel, address=address)
    return said(data, person_id)


def opened(account: str, person_id: str, *viewers: str) -> Message[Any]:
    guarantor = Guarantor(person_id=person_id, first_name="Ada", last_name="Reyes")
    data = GuarantorAccountOpened(
        account_number=account, guarantor=guarantor, viewers=viewers, affiliate="north", currency="USD"
    )
    return said(data)


def enrol(person_id: str, account: str, email: str | None = None, version: str = "2026-01-en") -> Message[Any]:
    consent = Consent(accepted=True, text_version=version)
    alerts = Alerts(email=email)
    return said(
        EnrolPaperless(person_id=person_id, account_number=account, alerts=alerts, consent=consent), person_id
    )


async def subscribe(pool: Pool, *persons: str) -> None:
    """Enrol persons for the account of their own, with alerts by email; all of it in three batches."""
    added = await handle(pool, *(add(one, f"{one}@mail.example") for one in persons))
    assert {outcome(decision) for decision in added} == {("done", None)}
    brought = [
        ConfirmContact(contact_id=f"{one}-email", person_id=one, code=code_of(decision))
        for one, decision in zip(persons, added, strict=True)
    ]
    await handle(pool, *(said(data, data.person_id) for data in brought))
    await handle(pool, *(opened(f"A-{one}", one) for one in persons))
    done = await handle(pool, *(enrol(one, f"A-{one}", f"{one}-email") for one in persons))
    assert {outcome(decision) for decision in done} == {("done", None)}


def available(account: str, statement_id: str, *persons: str) -> Message[Any]:
    return said(statement(statement_id, *persons).model_copy(update={"account_number": account}))


def people(number: int) -> list[str]:
    return [f"SP-{next(numbers)}" for _ in range(number)]


async def test_a_database_that_goes_away_while_the_process_is_put_together_is_waited_for() -> None:
    calls = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server, AsyncExitStack() as stack:
        host, port = server.sockets[0].getsockname()
        settings = settings_of(f"postgresql://{host}:{port}/none", "https://portal.example", 1, f"http://{host}:1")
        making = asyncio.create_task(APPLICATION.handlers(settings, Clock(), stack))
        await eventually(lambda: making.done() or calls > 5, "it tries again")
        assert not making.done()
        making.cancel()
        await asyncio.wait([making])


async def test_what_a_batch_ends_in_is_what_the_next_one_finds(pool: Pool) -> None:
    (who,) = people(1)
    await subscribe(pool, who)
    account = f"A-{who}"
    (announced,) = await handle(pool, available(account, "S-1", who))
    (task,) = tasks(announced)
    told = AlertAnswered(alert_id=task.alert_id, account_number=account, attempt=1, result="sent")  # type: ignore[attr-defined]
    found = await kept(pool, told)
    assert isinstance(found, Account)
    assert found.alerts == announced.state.alerts
    assert found.statements == announced.state.statements
    (sent,) = await handle(pool, said(told))
    assert (await kept(pool, told)).alerts == sent.state.alerts
    person = await kept(pool, enrol(who, account).data, who)
    assert isinstance(person, Person)
    assert person.accounts == {account}
    assert person.enrolments[account] == announced.state.subscribers[who].enrolment
    assert person.contacts == announced.state.subscribers[who].contacts
    assert [contact_id for contact_id, _ in (await kept(pool, add(who, "x@mail.example").data, who)).codes] == [
        f"{who}-email"
    ]


async def test_every_consent_is_kept_for_good_though_another_follows_in_the_same_batch(pool: Pool) -> None:
    (who,) = people(1)
    await subscribe(pool, who)
    account = f"A-{who}"
    end = said(EndPaperless(person_id=who, account_number=account), who)
    await handle(pool, end, enrol(who, account, f"{who}-email", version="2026-01-es"))
    await handle(pool, end)

    kept = "select text_version, text_sha256, consented_at, consented_by, ended_at, ended_reason from consent"
    rows = [tuple(row) for row in await pool.fetch(f"{kept} where person_id = $1 order by seq", who)]
    english, spanish = (
        (version, RULES.current_texts[version], NOON, f"patient:{who}") for version in ("2026-01-en", "2026-01-es")
    )
    ended = (NOON, "withdrawn")
    assert rows == [(*english, None, None), (*english, *ended), (*spanish, None, None), (*spanish, *ended)]


@pytest.mark.parametrize(
    "change", ["update consent set text_version = 'x'", "delete from consent", "truncate consent"]
)
async def test_the_database_itself_refuses_a_change_of_consents(pool: Pool, change: str) -> None:
    with pytest.raises(RestrictViolationError):
        await pool.execute(change)


async def test_a_statement_run_takes_as_many_statements_of_sql_for_few_as_for_many(pool: Pool) -> None:
    persons = people(60)
    await subscribe(pool, *persons)
    counts = []
    for statement_id, batch in (("S-few", persons[:2]), ("S-many", persons)):
        run = [available(f"A-{one}", statement_id, one) for one in batch]
        queries: list[object] = []
        async with pool.acquire() as connection, connection.transaction():
            connection.add_query_logger(queries.append)
            decisions = await handle_on(connection, run)
            connection.remove_query_logger(queries.append)
        assert [len(tasks(decision)) for decision in decisions] == [1] * len(batch)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


async def test_many_who_ask_for_the_same_number_at_once_have_no_more_texts_sent_to_it_than_one(
    pool: Pool,
) -> None:
    persons = people(CODES_OF_ADDRESS_MAX + 5)
    number = "+13125550142"
    half = len(persons) // 2
    batches = [[add(one, number, "text") for one in some] for some in (persons[:half], persons[half:])]
    decisions = [one for batch in await asyncio.gather(*(handle(pool, *b) for b in batches)) for one in batch]
    outcomes = [outcome(decision) for decision in decisions]
    assert outcomes.count(("done", None)) == CODES_OF_ADDRESS_MAX
    assert outcomes.count(("refused", "too_many_codes")) == 5


async def test_two_who_send_under_the_same_id_are_each_held_to_the_limits_of_their_own_address(pool: Pool) -> None:
    full, empty = "+13125550144", "+13125550155"
    *crowd, late, first = people(CODES_OF_ADDRESS_MAX + 2)
    await handle(pool, *(add(one, full, "text") for one in crowd))
    here = add(late, full, "text")
    there = add(first, empty, "text").model_copy(update={"id": here.id, "source": "another"})
    outcomes = [outcome(decision) for decision in await handle(pool, here, there)]
    assert outcomes == [("refused", "too_many_codes"), ("done", None)]


async def test_stop_finds_every_contact_with_the_number_and_whoever_comes_later_is_refused(pool: Pool) -> None:
    number = "+13125550143"
    first, second, late = people(3)
    await handle(pool, add(first, number, "text"), add(second, number, "text"))
    stop = HearText(destination_id=RULES.destination("text", number), word="stop")
    (decision,) = await handle(pool, said(stop))
    assert isinstance(decision.state, Destination)
    assert {person_id for person_id, _ in decision.state.contacts} == {first, second}
    (refused,) = await handle(pool, add(late, number, "text"))
    assert outcome(refused) == ("refused", "texts_stopped")
    assert (await kept(pool, stop)).stopped_at == NOON


async def test_of_facts_about_an_account_or_a_patient_the_newest_counts_whichever_comes_first(pool: Pool) -> None:
    old, new, account = *people(2), f"A-{next(numbers)}"
    later = opened(account, new).model_copy(update={"time": NOON + timedelta(hours=1)})
    await handle(pool, later)
    await handle(pool, opened(account, old))
    assert (await kept(pool, opened(account, old).data)).persons == (new,)
    at_once = opened(account, new, old).model_copy(update={"time": later.time})
    await handle(pool, at_once)
    assert (await kept(pool, at_once.data)).persons == (new, old)

    def registered(zone: str, at: datetime) -> Message[Any]:
        data = PatientRegistered(
            patient_id=f"M-{new}",
            person_id=None,
            first_name="",
            last_name="",
            birth_date=date(1980, 1, 1),
            sex="unknown",
            postal_code="1",
            affiliate="north",
            time_zone=zone,
            language="es",
            proxies=(new,),
        )
        return said(data, at=at)

    await handle(pool, registered("America/Phoenix", NOON))
    await handle(pool, registered("America/Chicago", NOON))
    await handle(pool, registered("America/Denver", NOON - timedelta(hours=1)))
    await subscribe(pool, new)
    (decision,) = await handle(pool, available(f"A-{new}", "S-1", new))
    assert decision.state.subscribers[new].zones == ("America/Chicago",)


async def test_batches_about_the_same_persons_come_one_after_the_other(pool: Pool) -> None:
    persons = people(20)
    first = [add(one, f"{one}@mail.example") for one in persons]
    second = [add(one, f"{one}@mail.example") for one in reversed(persons)]
    decided = await asyncio.gather(handle(pool, *first), handle(pool, *second))
    sent = [task for decisions in decided for decision in decisions for task in tasks(decision)]
    assert len(sent) == len(persons)


STATEMENTS = statements(store, reads)


@pytest.mark.parametrize("name", sorted(STATEMENTS))
async def test_no_statement_reads_a_whole_table(pool: Pool, name: str) -> None:
    assert "Seq Scan" not in await plan_of(pool, STATEMENTS[name])


async def test_a_batch_of_nothing_but_bad_addresses_is_refused_like_any_other(pool: Pool) -> None:
    decisions = await handle(pool, add("bad-1", "not an address"), add("bad-2", "12", "text"))
    assert [outcome(decided) for decided in decisions] == [("refused", "address_invalid")] * 2
