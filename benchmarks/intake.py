"""The job that is measured, on the kit: payment intake.

A request becomes a payment under a unique key and an event under the request's key, once, in order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field
from sqlalchemy import BigInteger, Column, Text
from sqlmodel import Field as SqlField
from sqlmodel import SQLModel

from shared.database import Connection, insert
from shared.events.envelope import Command, Event, Id, Message
from shared.events.topics import Service, Subscription, Topic
from shared.messaging import decision
from shared.messaging.decision import Decision
from shared.messaging.handlers import Change, Handlers


class TakePayment(Command):
    """Ask that a payment is taken in."""

    TYPE: ClassVar[str] = "intake.take-payment.v1"
    payment_id: Id
    account_number: Id
    amount_minor: int = Field(gt=0, le=10**12)
    currency: str = Field(pattern="^[A-Z]{3}$")


class PaymentTaken(Event):
    """A payment was taken in."""

    TYPE: ClassVar[str] = "intake.payment-taken.v1"
    payment_id: Id
    account_number: Id
    amount_minor: int
    currency: str


class IntakeRefused(Event):
    """A request was refused."""

    TYPE: ClassVar[str] = "intake.command-refused.v1"
    command_type: str
    reason: str
    detail: str


class IntakePayment(SQLModel, table=True):
    """A payment that was taken in."""

    __tablename__ = "intake_payment"

    payment_id: str = SqlField(sa_column=Column(Text, primary_key=True))
    account_number: str = SqlField(sa_column=Column(Text, nullable=False))
    amount_minor: int = SqlField(sa_column=Column(BigInteger, nullable=False))
    currency: str = SqlField(sa_column=Column(Text, nullable=False))


COMMANDS = Topic("intake.commands.v1", "account number", "the benchmark", (TakePayment,))
EVENTS = Topic("intake.events.v1", "account number", "intake", (PaymentTaken, IntakeRefused))
DEAD = Topic("intake.dead-letters.v1", "as the original", "intake", ())
INTAKE = Service("intake", (Subscription(COMMANDS, (TakePayment,), "the job"),), EVENTS, DEAD)

_COLUMNS = ("payment_id", "account_number", "amount_minor", "currency")

Payment = TakePayment


async def load(connection: Connection, messages: Sequence[Message[Any]]) -> dict[str, Payment]:
    """Return the payments that are there already."""
    rows = await connection.fetch(
        "select payment_id, account_number, amount_minor, currency from intake_payment where payment_id = any($1)",
        [message.data.payment_id for message in messages],
    )
    return {row["payment_id"]: TakePayment(**dict(row)) for row in rows}


def decide(there: Payment | None, message: Message[TakePayment], _now: datetime) -> Decision[Payment]:
    """Take a payment in, once."""
    asked = message.data
    if there is not None and there != asked:
        refusal = IntakeRefused(command_type=asked.TYPE, reason="idempotency_conflict", detail="other content")
        return Decision(there, (decision.Event(refusal, "refused"),))
    taken = PaymentTaken(
        payment_id=asked.payment_id,
        account_number=asked.account_number,
        amount_minor=asked.amount_minor,
        currency=asked.currency,
    )
    return Decision(there or asked, (decision.Event(taken, "done"),))


async def save(connection: Connection, changes: Sequence[Change[Payment]]) -> None:
    """Write the new payments."""
    rows = [(c.key, c.after.account_number, c.after.amount_minor, c.after.currency) for c in changes]
    await insert(connection, IntakePayment, _COLUMNS, rows)


HANDLERS: Handlers[Payment] = Handlers(
    service=INTAKE,
    load=load,
    decide=decide,
    save=save,
    refusal=IntakeRefused,
    key=lambda message: str(message.data.payment_id),
)
