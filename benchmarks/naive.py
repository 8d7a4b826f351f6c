"""Jobs as they are often done: FastStream one message at a time, a SQLModel session each, an outbox poller."""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from aiokafka import AIOKafkaProducer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from sqlalchemy import BigInteger, Column, LargeBinary, Text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.intake import TakePayment
from services.inbox.tables import PatientRow
from services.notifications.tables import ContactRow, EnrolmentRow
from shared.events.inbox import SendMessage
from shared.events.payments import StatementAvailable
from shared.events.topics import Topic

_POLL_S = 0.1
_POLL_ROWS = 100

Json: TypeAlias = dict[str, Any]

COMMANDS = Topic("naive.commands.v1", "as the job's", "the benchmark", ())
EVENTS = Topic("naive.events.v1", "as the job's", "the naive way", ())


class NaivePayment(SQLModel, table=True):
    """A payment that was taken in."""

    __tablename__ = "naive_payment"

    payment_id: str = Field(sa_column=Column(Text, primary_key=True))
    account_number: str = Field(sa_column=Column(Text, nullable=False))
    amount_minor: int = Field(sa_column=Column(BigInteger, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))


class NaiveItem(SQLModel, table=True):
    """An item of a pool."""

    __tablename__ = "naive_item"

    item_id: str = Field(sa_column=Column(Text, primary_key=True))
    pool: str = Field(sa_column=Column(Text, nullable=False))
    subject: str = Field(sa_column=Column(Text, nullable=False))


class NaiveMessage(SQLModel, table=True):
    """A patient's message, in an item."""

    __tablename__ = "naive_message"

    message_id: str = Field(sa_column=Column(Text, primary_key=True))
    item_id: str = Field(sa_column=Column(Text, nullable=False))
    patient_id: str = Field(sa_column=Column(Text, nullable=False))
    body: str = Field(sa_column=Column(Text, nullable=False))


class NaiveAlert(SQLModel, table=True):
    """An alert that was sent."""

    __tablename__ = "naive_alert"

    statement_id: str = Field(sa_column=Column(Text, primary_key=True))
    contact_id: str = Field(sa_column=Column(Text, primary_key=True))


class NaiveOutbox(SQLModel, table=True):
    """An event still to be sent."""

    __tablename__ = "naive_outbox"

    seq: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    key: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


async def _payment(session: AsyncSession, data: Json) -> tuple[str, Json]:
    asked = TakePayment.model_validate(data)
    session.add(NaivePayment(**asked.model_dump()))
    return "intake.payment-taken.v1", asked.model_dump()


async def _message(session: AsyncSession, data: Json) -> tuple[str, Json]:
    """Route by the category alone, without rules."""
    asked = SendMessage.model_validate(data)
    patient = await session.get_one(PatientRow, asked.patient_id)
    pool = f"provider:{asked.provider_id}" if asked.kind == "medical" else asked.category
    item_id = f"item-{asked.message_id}"
    session.add(NaiveItem(item_id=item_id, pool=pool, subject=asked.subject))
    message = {"message_id": asked.message_id, "item_id": item_id, "patient_id": patient.patient_id}
    session.add(NaiveMessage(**message, body=asked.body))
    return "inbox.message-routed.v1", {**message, "pool": pool}


async def _alert(session: AsyncSession, data: Json) -> tuple[str, Json]:
    """Alert the one who is enrolled; to send it takes no time."""
    asked = StatementAvailable.model_validate_json(json.dumps(data))
    enrolled = select(EnrolmentRow).where(
        EnrolmentRow.account_number == asked.account_number, col(EnrolmentRow.ended_at).is_(None)
    )
    enrolment = (await session.exec(enrolled)).one()
    contact = await session.get_one(ContactRow, (enrolment.person_id, enrolment.email_contact_id))
    session.add(NaiveAlert(statement_id=asked.statement_id, contact_id=contact.contact_id))
    return "notifications.alert-sent.v1", {"statement_id": asked.statement_id, "contact_id": contact.contact_id}


JOBS: dict[str, Callable[[AsyncSession, Json], Awaitable[tuple[str, Json]]]] = {
    "payment_intake": _payment,
    "messages_routed": _message,
    "statements_alerted": _alert,
}
"""What is done about one message's data in a session, and the type and data of the event that comes of it."""

MODELS = (NaivePayment, NaiveItem, NaiveMessage, NaiveAlert, NaiveOutbox)


async def run(name: str, kafka: str, database_url: str) -> None:
    """Consume, save and poll until cancelled."""
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://"))
    broker = KafkaBroker(kafka, acks="all", logger=None)

    @broker.subscriber(COMMANDS.name, group_id="naive", auto_offset_reset="earliest", ack_policy=AckPolicy.ACK)
    async def take(message: Json) -> None:
        async with AsyncSession(engine) as session:
            kind, data = await JOBS[name](session, message["data"])
            event = {
                "specversion": "1.0",
                "id": str(uuid.uuid5(uuid.NAMESPACE_OID, message["id"])),
                "source": "service:naive",
                "type": kind,
                "subject": message["subject"],
                "causationid": message["id"],
                "data": data,
            }
            session.add(NaiveOutbox(key=message["subject"].encode(), value=json.dumps(event).encode()))
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
