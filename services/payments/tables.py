"""The tables of payments, beside the kit's own in the same database."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


def _key() -> Any:
    return Column(Text, primary_key=True)


def _text(*, nullable: bool = False) -> Any:
    return Column(Text, nullable=nullable)


def _moment(*, nullable: bool = False) -> Any:
    return Column(DateTime(timezone=True), nullable=nullable)


def _day(*, nullable: bool = False) -> Any:
    return Column(Date, nullable=nullable)


def _minor() -> Any:
    """Return a column for money in minor units."""
    return Column(BigInteger, nullable=False)


class GuarantorAccountRow(SQLModel, table=True):
    """A guarantor account, and the lock on all that belongs to it; empty until the host has opened it."""

    __tablename__ = "guarantor_account"
    __table_args__ = (
        Index("guarantor_account_person", "person_id"),
        Index("guarantor_account_viewers", "viewers", postgresql_using="gin"),
    )

    number: str = Field(sa_column=_key())
    version: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    person_id: str | None = Field(sa_column=_text(nullable=True))
    first_name: str | None = Field(sa_column=_text(nullable=True))
    last_name: str | None = Field(sa_column=_text(nullable=True))
    viewers: str | None = Field(sa_column=Column(JSONB))
    affiliate: str | None = Field(sa_column=_text(nullable=True))
    currency: str | None = Field(sa_column=_text(nullable=True))
    told_at: datetime | None = Field(sa_column=_moment(nullable=True))


class VisitAccountRow(SQLModel, table=True):
    """A visit account with the sums of the ledger's postings to it; its number is the account's own."""

    __tablename__ = "visit_account"

    account_number: str = Field(sa_column=_key())
    number: str = Field(sa_column=_key())
    patient_id: str | None = Field(sa_column=_text(nullable=True))
    visit_date: date | None = Field(sa_column=_day(nullable=True))
    description: str | None = Field(sa_column=_text(nullable=True))
    told_at: datetime | None = Field(sa_column=_moment(nullable=True))
    closed: bool
    charges_minor: int = Field(sa_column=_minor())
    insurance_paid_minor: int = Field(sa_column=_minor())
    adjustments_minor: int = Field(sa_column=_minor())
    paid_minor: int = Field(sa_column=_minor())


class PaymentRow(SQLModel, table=True):
    """A payment. `allocation` is as in the events; there is no token, only what people know a method by."""

    __tablename__ = "payment"
    __table_args__ = (
        # Few at any time: what every decision about an account has to see.
        Index(
            "payment_open",
            "account_number",
            postgresql_where="status in ('processing', 'unknown')",
        ),
        CheckConstraint("amount_minor > 0", name="payment_amount"),
    )

    payment_id: str = Field(sa_column=_key())
    account_number: str = Field(sa_column=_text())
    amount_minor: int = Field(sa_column=_minor())
    currency: str = Field(sa_column=_text())
    method_kind: str = Field(sa_column=_text())
    method_last4: str = Field(sa_column=_text())
    method_brand: str | None = Field(sa_column=_text(nullable=True))
    allocation: str = Field(sa_column=Column(JSONB, nullable=False))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    processor_key: str = Field(sa_column=_text())
    submitted_by: str = Field(sa_column=_text())
    created_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())
    status: str = Field(sa_column=_text())
    reason: str | None = Field(sa_column=_text(nullable=True))
    charge_id: str | None = Field(sa_column=_text(nullable=True))
    queries: int = Field(sa_column=Column(SmallInteger, nullable=False))


class StatementRow(SQLModel, table=True):
    """A statement as the host issued it; `told` once its readers were."""

    __tablename__ = "statement"
    __table_args__ = (Index("statement_newest", "account_number", "issued_on"),)

    account_number: str = Field(sa_column=_key())
    statement_id: str = Field(sa_column=_key())
    issued_on: date = Field(sa_column=_day())
    due_on: date = Field(sa_column=_day())
    period_from: date = Field(sa_column=_day())
    period_to: date = Field(sa_column=_day())
    amount_due_minor: int = Field(sa_column=_minor())
    currency: str = Field(sa_column=_text())
    told: bool


class PostingRow(SQLModel, table=True):
    """A posting of the ledger: `amounts` belong to `accounts` place by place, and add up to zero.

    The database refuses one that does not, and any change of one that is there.
    """

    __tablename__ = "posting"
    __table_args__ = (
        CheckConstraint("sum_minor(amounts) = 0", name="posting_balances"),
        CheckConstraint(
            "cardinality(accounts) >= 2 and cardinality(accounts) = cardinality(amounts)",
            name="posting_lines",
        ),
    )

    account_number: str = Field(sa_column=_key())
    kind: str = Field(sa_column=_key())
    cause_id: str = Field(sa_column=_key())
    at: datetime = Field(sa_column=_moment())
    service_date: date | None = Field(sa_column=_day(nullable=True))
    description: str | None = Field(sa_column=_text(nullable=True))
    accounts: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    amounts: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))
