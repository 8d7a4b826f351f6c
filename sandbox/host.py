"""The host systems: billing, registration and scheduling tell a made-up hospital's facts, each on its topic.

A scenario that is posted again repeats the same messages, also after the clock has moved: its dates follow
the day on which it was told first.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from http import HTTPStatus
from itertools import islice
from typing import Annotated, TypeAlias
from uuid import NAMESPACE_URL, uuid5

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, Query, Request

from sandbox.clock import TheClock
from sandbox.hospital import Account, facts, statement
from sandbox.patients import registration, scheduling
from sandbox.scenarios import SCENARIOS, scenario
from sandbox.told import Told
from shared.events.billing import BillingFact
from shared.events.envelope import HEADERS, Data, Message, message_of, write
from shared.events.registration import RegistrationFact
from shared.events.scheduling import SchedulingFact
from shared.events.topics import HOST_BILLING, HOST_REGISTRATION, HOST_SCHEDULING, Topic
from shared.problems import Problem
from shared.settings import KafkaSettings

HostFact: TypeAlias = BillingFact | RegistrationFact | SchedulingFact

ACCOUNTS_AT_ONCE = 50
KAFKA_TIMEOUT_MS = 10_000

TABLE = """
create table if not exists scenarios (
    name text not null, seed integer not null, first_on text not null, told_at real not null,
    primary key (name, seed)
) strict
"""


class Hosts:
    """Publish facts, one scenario at a time; connect to Kafka when it is first needed."""

    def __init__(self, db: sqlite3.Connection, kafka: KafkaSettings | None) -> None:
        db.execute(TABLE)
        self._db = db
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None
        self._telling = asyncio.Lock()

    def told_first_on(self, name: str, seed: int, now: datetime) -> date:
        """Return the day on which a scenario was told first, and remember that it is told now."""
        (row,) = self._db.execute(
            "insert into scenarios values (?, ?, ?, ?)"
            " on conflict do update set told_at = excluded.told_at returning first_on",
            (name, seed, now.date().isoformat(), now.timestamp()),
        )
        return date.fromisoformat(row["first_on"])

    def told_last(self) -> tuple[str, int]:
        """Return name and seed of the scenario that was told last.

        Raises:
            Problem: 409, there is none.
        """
        row = self._db.execute("select name, seed from scenarios order by told_at desc limit 1").fetchone()
        if row is None:
            raise Problem(HTTPStatus.CONFLICT, "The host knows nobody yet: post a scenario first.")
        return row["name"], row["seed"]

    async def tell(
        self, accounts: Iterable[Account], say: Callable[[Account, date], Iterable[HostFact]], today: date
    ) -> Told:
        """Publish what `say` says of each account, and return when Kafka has all of it.

        Raises:
            Problem: 503, Kafka is not there.
        """
        told, topics = list(accounts), Counter[str]()
        async with self._telling:
            try:
                producer = await self._connected()
                for few in batched(told, ACCOUNTS_AT_ONCE):
                    acks = []
                    for fact in (fact for account in few for fact in say(account, today)):
                        topic, sent = message(fact, today)
                        key = sent.subject.encode()
                        acks.append(await producer.send(topic.name, write(sent), key, headers=HEADERS))
                        topics[topic.name] += 1
                    await asyncio.gather(*acks)
            except KafkaError as error:
                await self.stop()
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Kafka cannot be reached.") from error
        return Told.of(told, topics)

    async def stop(self) -> None:
        """Disconnect; the next telling connects again."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def _connected(self) -> AIOKafkaProducer:
        if self._kafka is None:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "The sandbox runs without Kafka.")
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                **self._kafka.connection(),
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                request_timeout_ms=KAFKA_TIMEOUT_MS,
            )
            await self._producer.start()
        return self._producer


def said(account: Account, today: date) -> Iterator[HostFact]:
    """Give all that the hosts say about an account and its patients on the day that it is told first."""
    for patient in account.patients:
        yield from registration(patient, today)
        yield from scheduling(patient, today)
    yield from facts(account, today)


def billed(account: Account, today: date) -> Iterator[HostFact]:
    """Give what a statement run says about an account."""
    yield statement(account, today)


def message(fact: HostFact, today: date) -> tuple[Topic, Message[Data]]:
    """Return the whole message and its topic; its id follows from what it says: a repeat is the same message."""
    if isinstance(fact, BillingFact):
        topic, name, subject = HOST_BILLING, "host:billing-sandbox", fact.account_number
    elif isinstance(fact, RegistrationFact):
        topic, name, subject = HOST_REGISTRATION, "host:registration-sandbox", fact.patient_id
    else:
        topic, name, subject = HOST_SCHEDULING, "host:scheduling-sandbox", fact.patient_id
    return topic, message_of(
        fact,
        id=str(uuid5(NAMESPACE_URL, f"{fact.TYPE} {fact.model_dump_json()}")),
        source=name,
        time=datetime.combine(today, time(), UTC),
        subject=subject,
        actor=name,
    )


def batched(accounts: Sequence[Account], at_once: int) -> Iterator[Sequence[Account]]:
    """Give the accounts, a few at a time."""
    for start in range(0, len(accounts), at_once):
        yield accounts[start : start + at_once]


async def _hosts(request: Request) -> Hosts:
    hosts: Hosts = request.app.state.hosts
    return hosts


TheHosts = Annotated[Hosts, Depends(_hosts)]
Accounts = Annotated[int, Query(ge=1, le=50_000)]
Seed = Annotated[int, Query(ge=0, le=9999)]

router = APIRouter(prefix="/host", tags=["host"])


@router.post("/scenarios/{name}")
async def tell_scenario(
    name: str, hosts: TheHosts, clock: TheClock, accounts: Accounts = 100, seed: Seed = 1
) -> Told:
    """Publish a scenario on the three topics of the hosts: `small`, or `hospital` with `accounts` and `seed`."""
    if name not in SCENARIOS:
        raise Problem(HTTPStatus.NOT_FOUND, f"The scenarios are: {', '.join(SCENARIOS)}.")
    seed = seed if name == "hospital" else 0
    told_on = hosts.told_first_on(name, seed, clock.now())
    return await hosts.tell(islice(scenario(name, seed), accounts), said, told_on)


@router.post("/statement-run")
async def run_statements(hosts: TheHosts, clock: TheClock, accounts: Accounts) -> Told:
    """Issue today's statement for the first `accounts` of the scenario posted last; once for each day."""
    return await hosts.tell(islice(scenario(*hosts.told_last()), accounts), billed, clock.now().date())
