"""The billing host: it tells a made-up hospital's facts on Kafka, as the contract has them.

A scenario that is posted again repeats the same messages, also after the clock has moved: its dates follow
the day on which it was told first.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from sandbox.clock import TheClock
from sandbox.hospital import CURRENCY, SCENARIOS, Account, facts, scenario, statement
from shared.events.billing import BillingFact
from shared.events.envelope import Data, Message, envelope, write
from shared.events.topics import HOST_BILLING
from shared.problems import Problem
from shared.settings import KafkaSettings

NAME = "billing-sandbox"
UNACKNOWLEDGED_MAX = 500
KAFKA_TIMEOUT_MS = 10_000
HEADERS = [("content-type", b"application/cloudevents+json")]

TABLE = """
create table if not exists scenarios (
    name text not null, seed integer not null, first_on text not null, told_at real not null,
    primary key (name, seed)
) strict
"""


class ToldVisit(BaseModel):
    """A visit account, and what is owed on it."""

    visit_account_number: str
    patient_id: str
    balance_minor: int
    closed: bool


class ToldAccount(BaseModel):
    """A guarantor account, and what is owed on it: the sum of its visits that are not closed."""

    account_number: str
    guarantor_person_id: str
    first_name: str
    last_name: str
    viewers: list[str]
    affiliate: str
    currency: str
    balance_minor: int
    visits: list[ToldVisit]

    @classmethod
    def of(cls, account: Account) -> "ToldAccount":
        """Sum up an account."""
        return cls(
            account_number=account.number,
            guarantor_person_id=account.guarantor.person_id,
            first_name=account.guarantor.first_name,
            last_name=account.guarantor.last_name,
            viewers=[viewer.person_id for viewer in account.viewers],
            affiliate=account.affiliate,
            currency=CURRENCY,
            balance_minor=account.balance_minor,
            visits=[
                ToldVisit(
                    visit_account_number=number,
                    patient_id=visit.patient_id,
                    balance_minor=visit.balance_minor,
                    closed=visit.closed,
                )
                for number, visit in account.numbered_visits()
            ],
        )


class Told(BaseModel):
    """What was published: how many messages, and about which accounts."""

    topic: str
    messages: int
    accounts: list[ToldAccount]


class BillingHost:
    """Publishes facts, one scenario at a time; connects to Kafka when it is first needed."""

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
        self, accounts: Iterable[Account], say: Callable[[Account], Iterable[BillingFact]], today: date
    ) -> Told:
        """Publish what `say` says of each account, and return when Kafka has all of it.

        Raises:
            Problem: 503, Kafka is not there.
        """
        told = Told(topic=HOST_BILLING.name, messages=0, accounts=[])
        async with self._telling:
            try:
                producer = await self._connected()
                acks = []
                for account in accounts:
                    key = account.number.encode()
                    for fact in say(account):
                        value = write(message(fact, today))
                        acks.append(await producer.send(told.topic, value, key, headers=HEADERS))
                    told.accounts.append(ToldAccount.of(account))
                    if len(acks) >= UNACKNOWLEDGED_MAX:
                        told.messages += len(await asyncio.gather(*acks))
                        acks.clear()
                told.messages += len(await asyncio.gather(*acks))
            except KafkaError as error:
                await self.stop()
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Kafka cannot be reached.") from error
        return told

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


def message(fact: BillingFact, today: date) -> Message[Data]:
    """Return the whole message; its id follows from what it says, so that a repeat is the same message."""
    return envelope(type(fact))(
        id=str(uuid5(NAMESPACE_URL, f"{fact.TYPE} {fact.model_dump_json()}")),
        source=f"host:{NAME}",
        type=fact.TYPE,
        time=datetime.combine(today, time(), UTC),
        subject=fact.account_number,
        actor=f"host:{NAME}",
        data=fact,
    )


async def _host(request: Request) -> BillingHost:
    host: BillingHost = request.app.state.host
    return host


Host = Annotated[BillingHost, Depends(_host)]
Accounts = Annotated[int, Query(ge=1, le=50_000)]
Seed = Annotated[int, Query(ge=0, le=9999)]

router = APIRouter(prefix="/host", tags=["host"])


@router.post("/scenarios/{name}")
async def tell_scenario(name: str, host: Host, clock: TheClock, accounts: Accounts = 100, seed: Seed = 1) -> Told:
    """Publish a scenario: `small`, or `hospital` with `accounts` and `seed`."""
    if name not in SCENARIOS:
        raise Problem(HTTPStatus.NOT_FOUND, f"The scenarios are: {', '.join(SCENARIOS)}.")
    seed = seed if name == "hospital" else 0
    told_on = host.told_first_on(name, seed, clock.now())
    return await host.tell(islice(scenario(name, seed), accounts), partial(facts, today=told_on), told_on)


@router.post("/statement-run")
async def run_statements(host: Host, clock: TheClock, accounts: Accounts) -> Told:
    """Issue today's statement for the first `accounts` of the scenario posted last; once for each day."""
    today = clock.now().date()
    billed = islice(scenario(*host.told_last()), accounts)
    return await host.tell(billed, lambda account: [statement(account, today)], today)
