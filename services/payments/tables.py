"""The tables of payments, beside the kit's own in the same database."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from shared import columns


def _day(*, nullable: bool = False) -> Any:
    return Column(Date, nullable=nullable)


def _minor(default: str | None = None) -> Any:
    """Return a column for money in minor units."""
    return Column(BigInteger, nullable=False, server_default=default)


def _small() -> Any:
    return Column(SmallInteger, nullable=False)


class GuarantorAccountRow(SQLModel, table=True):
    """A guarantor account, and the lock on all that belongs to it; empty until the host has opened it.

    `viewers` and `paperless` are persons.
    """

    __tablename__ = "guarantor_account"
    __table_args__ = (
        Index("guarantor_account_person", "person_id"),
        Index("guarantor_account_viewers", "viewers", postgresql_using="gin"),
    )

    number: str = Field(sa_column=columns.key())
    version: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    person_id: str | None = Field(sa_column=columns.text(nullable=True))
    first_name: str | None = Field(sa_column=columns.text(nullable=True))
    last_name: str | None = Field(sa_column=columns.text(nullable=True))
    viewers: str | None = Field(sa_column=Column(JSONB))
    affiliate: str | None = Field(sa_column=columns.text(nullable=True))
    currency: str | None = Field(sa_column=columns.text(nullable=True))
    told_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    paperless: str = Field(sa_column=Column(JSONB, nullable=False, server_default="[]"))


class VisitAccountRow(SQLModel, table=True):
    """A visit account with the sums of the ledger's postings to it; its number is the account's own."""

    __tablename__ = "visit_account"
    __table_args__ = (Index("visit_account_number", "number"),)

    account_number: str = Field(sa_column=columns.key())
    number: str = Field(sa_column=columns.key())
    patient_id: str | None = Field(sa_column=columns.text(nullable=True))
    visit_date: date | None = Field(sa_column=_day(nullable=True))
    description: str | None = Field(sa_column=columns.text(nullable=True))
    told_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    closed: bool
    plan_id: str | None = Field(sa_column=columns.text(nullable=True))
    planned_minor: int | None = Field(sa_column=Column(BigInteger))
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
        Index("payment_newest", "account_number", "created_at", "payment_id"),
        Index("payment_charge", "charge_id"),
        # How often guests' charges failed.
        Index("payment_guest", "guest", postgresql_where="guest is not null"),
        Index("payment_guest_method", "guest_method", postgresql_where="guest_method is not null"),
        Index(
            "payment_guest_address",
            "guest_address",
            "created_at",
            postgresql_where="guest_address is not null and status in ('processing', 'unknown', 'failed')",
        ),
        Index(
            "payment_guest_failed",
            "created_at",
            postgresql_where="guest is not null and status = 'failed'",
        ),
        # A review is used once.
        Index("payment_review", "review_id", postgresql_where="review_id is not null"),
        # What the next settlement should have.
        Index(
            "payment_unsettled",
            "created_at",
            postgresql_where="status = 'succeeded' and settlement_id is null",
        ),
        CheckConstraint("amount_minor > 0", name="payment_amount"),
    )

    payment_id: str = Field(sa_column=columns.key())
    account_number: str = Field(sa_column=columns.text())
    amount_minor: int = Field(sa_column=_minor())
    currency: str = Field(sa_column=columns.text())
    method_kind: str = Field(sa_column=columns.text())
    method_last4: str = Field(sa_column=columns.text())
    method_brand: str | None = Field(sa_column=columns.text(nullable=True))
    allocation: str = Field(sa_column=Column(JSONB, nullable=False))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    processor_key: str = Field(sa_column=columns.text())
    submitted_by: str = Field(sa_column=columns.text())
    created_at: datetime = Field(sa_column=columns.moment())
    updated_at: datetime = Field(sa_column=columns.moment())
    status: str = Field(sa_column=columns.text())
    reason: str | None = Field(sa_column=columns.text(nullable=True))
    charge_id: str | None = Field(sa_column=columns.text(nullable=True))
    queries: int = Field(sa_column=_small())
    review_id: str | None = Field(sa_column=columns.text(nullable=True))
    plan_id: str | None = Field(sa_column=columns.text(nullable=True))
    instalment: int | None = Field(sa_column=Column(SmallInteger))
    refunded_minor: int = Field(sa_column=_minor("0"))
    dispute_status: str | None = Field(sa_column=columns.text(nullable=True))
    settlement_id: str | None = Field(sa_column=columns.text(nullable=True))
    settled_minor: int = Field(sa_column=_minor("0"))
    guest: str | None = Field(sa_column=columns.text(nullable=True))
    guest_method: bytes | None = Field(sa_column=Column(LargeBinary))
    guest_address: str | None = Field(sa_column=columns.text(nullable=True))
    correlationid: str | None = Field(sa_column=columns.text(nullable=True))


class StatementRow(SQLModel, table=True):
    """A statement as the host issued it; `told` once its readers were."""

    __tablename__ = "statement"
    __table_args__ = (
        Index("statement_newest", "account_number", "issued_on"),
        Index("statement_id", "statement_id"),
    )

    account_number: str = Field(sa_column=columns.key())
    statement_id: str = Field(sa_column=columns.key())
    issued_on: date = Field(sa_column=_day())
    due_on: date = Field(sa_column=_day())
    period_from: date = Field(sa_column=_day())
    period_to: date = Field(sa_column=_day())
    amount_due_minor: int = Field(sa_column=_minor())
    currency: str = Field(sa_column=columns.text())
    told: bool
    addressee: str = Field(sa_column=Column(Text, nullable=False, server_default=""))
    visits: str = Field(sa_column=Column(JSONB, nullable=False, server_default="[]"))


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
        Index("posting_newest", "account_number", "at", "kind", "cause_id"),
    )

    account_number: str = Field(sa_column=columns.key())
    kind: str = Field(sa_column=columns.key())
    cause_id: str = Field(sa_column=columns.key())
    at: datetime = Field(sa_column=columns.moment())
    service_date: date | None = Field(sa_column=_day(nullable=True))
    description: str | None = Field(sa_column=columns.text(nullable=True))
    accounts: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    amounts: list[int] = Field(sa_column=Column(ARRAY(BigInteger), nullable=False))


class SavedMethodRow(SQLModel, table=True):
    """A card or bank account that a person keeps, or will once its payment is made.

    The token stays here, and is gone once the method is removed: then its digest stays.
    """

    __tablename__ = "saved_method"

    account_number: str = Field(sa_column=columns.key())
    method_id: str = Field(sa_column=columns.key())
    person_id: str = Field(sa_column=columns.text())
    kind: str = Field(sa_column=columns.text())
    last4: str = Field(sa_column=columns.text())
    brand: str | None = Field(sa_column=columns.text(nullable=True))
    token: str | None = Field(sa_column=columns.text(nullable=True))
    saved_at: datetime = Field(sa_column=columns.moment())
    waiting: bool = Field(sa_column=Column(Boolean, nullable=False, server_default="false"))
    token_digest: bytes | None = Field(sa_column=Column(LargeBinary))


class RefundRow(SQLModel, table=True):
    """A refund; `allocation` is what is owed again, as in the events."""

    __tablename__ = "refund"

    account_number: str = Field(sa_column=columns.key())
    refund_id: str = Field(sa_column=columns.key())
    payment_id: str = Field(sa_column=columns.text())
    amount_minor: int = Field(sa_column=_minor())
    currency: str = Field(sa_column=columns.text())
    reason: str = Field(sa_column=columns.text())
    allocation: str = Field(sa_column=columns.jsonb())
    processor_key: str = Field(sa_column=columns.text())
    requested_by: str = Field(sa_column=columns.text())
    requested_at: datetime = Field(sa_column=columns.moment())
    status: str = Field(sa_column=columns.text())
    decided_by: str | None = Field(sa_column=columns.text(nullable=True))
    queries: int = Field(sa_column=_small())
    correlationid: str | None = Field(sa_column=columns.text(nullable=True))
    sent_at: datetime | None = Field(sa_column=columns.moment(nullable=True))


class PlanRow(SQLModel, table=True):
    """A payment plan with its instalments; `method` is what pays by itself, with its token."""

    __tablename__ = "plan"

    account_number: str = Field(sa_column=columns.key())
    plan_id: str = Field(sa_column=columns.key())
    visits: str = Field(sa_column=columns.jsonb())
    currency: str = Field(sa_column=columns.text())
    monthly_amount_minor: int = Field(sa_column=_minor())
    day_of_month: int = Field(sa_column=_small())
    autopay: bool
    method: str | None = Field(sa_column=columns.jsonb(nullable=True))
    method_id: str | None = Field(sa_column=columns.text(nullable=True))
    consent: str | None = Field(sa_column=columns.jsonb(nullable=True))
    instalments: str = Field(sa_column=columns.jsonb())
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    person_id: str = Field(sa_column=columns.text())
    started_at: datetime = Field(sa_column=columns.moment())
    status: str = Field(sa_column=columns.text())
    revision: int = Field(sa_column=Column(Integer, nullable=False))
    reason: str | None = Field(sa_column=columns.text(nullable=True))
    resumed: bool = Field(sa_column=Column(Boolean, nullable=False, server_default="false"))


class PlanHistoryRow(SQLModel, table=True):
    """How a plan stood from a time on, who brought that about, and the consent that what paid it was debited by.

    The database refuses any change of it. Whoever did what is older than this table is not known.
    """

    __tablename__ = "plan_history"

    account_number: str = Field(sa_column=columns.key())
    plan_id: str = Field(sa_column=columns.key())
    seq: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    at: datetime = Field(sa_column=columns.moment())
    actor: str | None = Field(sa_column=columns.text(nullable=True))
    status: str = Field(sa_column=columns.text())
    monthly_amount_minor: int = Field(sa_column=_minor())
    day_of_month: int = Field(sa_column=_small())
    autopay: bool
    method: str | None = Field(sa_column=columns.jsonb(nullable=True))
    consent: str | None = Field(sa_column=columns.jsonb(nullable=True))
    reason: str | None = Field(sa_column=columns.text(nullable=True))
    person_id: str | None = Field(sa_column=columns.text(nullable=True))


class WorkRow(SQLModel, table=True):
    """Something that needs a person; `key` is the account's number, or the settlement's mark and id."""

    __tablename__ = "work"
    __table_args__ = (
        Index("work_newest", "status", "raised_at", "work_id"),
        Index("work_settled", "settled_at", postgresql_where="status = 'settled'"),
    )

    work_id: str = Field(sa_column=columns.key())
    key: str = Field(sa_column=columns.text())
    kind: str = Field(sa_column=columns.text())
    summary: str = Field(sa_column=columns.text())
    about: str = Field(sa_column=columns.jsonb())
    details: str = Field(sa_column=columns.jsonb())
    raised_at: datetime = Field(sa_column=columns.moment())
    status: str = Field(sa_column=Column(Text, nullable=False, server_default="open"))
    settled_by: str | None = Field(sa_column=columns.text(nullable=True))
    settled_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    action: str | None = Field(sa_column=columns.text(nullable=True))
    note: str | None = Field(sa_column=columns.text(nullable=True))


class WebhookRow(SQLModel, table=True):
    """An event of the processor that was taken up, so that it counts once, for as long as it may be repeated."""

    __tablename__ = "webhook"
    __table_args__ = (Index("webhook_taken", "taken_at"),)

    event_id: str = Field(sa_column=columns.key())
    account_number: str = Field(sa_column=columns.text())
    taken_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )


class SettlementRow(SQLModel, table=True):
    """A settlement that was imported; `fingerprint` stands for its lines."""

    __tablename__ = "settlement"
    __table_args__ = (Index("settlement_fingerprint", "fingerprint"),)

    settlement_id: str = Field(sa_column=columns.key())
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    imported_by: str = Field(sa_column=columns.text())
    imported_at: datetime = Field(sa_column=columns.moment())
    lines: int = Field(sa_column=Column(Integer, nullable=False))


class AccountReadRow(SQLModel, table=True):
    """That somebody of the staff looked at an account or a part of it. The database refuses any change of it."""

    __tablename__ = "account_read"
    __table_args__ = (
        Index("account_read_account", "account_number", "at"),
        Index("account_read_reader", "reader", "at"),
    )

    id: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
    reader: str = Field(sa_column=columns.text())
    what: str = Field(sa_column=columns.text())
    what_id: str = Field(sa_column=columns.text())
    account_number: str = Field(sa_column=columns.text())


class GuestProofRow(SQLModel, table=True):
    """A captcha that was solved and used, until it could not be used anyway."""

    __tablename__ = "guest_proof"
    __table_args__ = (Index("guest_proof_used", "used_at"),)

    proof: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    used_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))


class GuestAttemptsRow(SQLModel, table=True):
    """How many lookups there were in a window: of a number, an account, an address, or in all (digests)."""

    __tablename__ = "guest_attempts"
    __table_args__ = (Index("guest_attempts_window", "window_at"),)

    about: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    window_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    attempts: int = Field(sa_column=Column(Integer, nullable=False))
