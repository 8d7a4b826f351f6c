"""The job as it is often written: FastStream one message at a time, a SQLModel session each, an outbox poller."""

import asyncio
import json
import uuid

from aiokafka import AIOKafkaProducer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from sqlalchemy import BigInteger, Column, LargeBinary, Text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.intake import TakePayment
from shared.events.topics import Topic

_POLL_S = 0.1
_POLL_ROWS = 100


COMMANDS = Topic("naive.commands.v1", "account number", "the benchmark", ())
EVENTS = Topic("naive.events.v1", "account number", "the naive way", ())


class NaivePayment(SQLModel, table=True):
    """A payment that was taken in."""

    __tablename__ = "naive_payment"

    payment_id: str = Field(sa_column=Column(Text, primary_key=True))
    account_number: str = Field(sa_column=Column(Text, nullable=False))
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))


class NaiveOutbox(SQLModel, table=True):
    """An event still to be sent."""

    __tablename__ = "naive_outbox"

    seq: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


async def run(kafka: str, database_url: str) -> None:
    """Consume, save and poll until cancelled."""
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://"))
    broker = KafkaBroker(kafka, acks="all", logger=None)

    @broker.subscriber(COMMANDS.name, group_id="naive", auto_offset_reset="earliest", ack_policy=AckPolicy.ACK)
    async def take(message: dict[str, object]) -> None:
        asked = TakePayment.model_validate(message["data"])
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, str(message["id"]))),
            "source": "service:intake",
            "type": "intake.payment-taken.v1",
            "subject": message["subject"],
            "causationid": message["id"],
            "data": asked.model_dump(),
        }
        async with AsyncSession(engine) as session:
            session.add(NaivePayment(**asked.model_dump()))
            session.add(NaiveOutbox(key=str(message["subject"]).encode(), value=json.dumps(event).encode()))
            try:
                await session.commit()
            except IntegrityError:
                await session.rollback()

    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await producer.start()
    await broker.start()
    while True:
        async with AsyncSession(engine) as session:
            rows = (await session.exec(select(NaiveOutbox).order_by(col(NaiveOutbox.seq)).limit(_POLL_ROWS))).all()
            for row in rows:
                await producer.send_and_wait(EVENTS.name, row.value, key=row.key)
                await session.delete(row)
            await session.commit()
        if not rows:
            await asyncio.sleep(_POLL_S)
