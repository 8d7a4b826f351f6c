"""The tables of insurance, beside the kit's own in the same database."""

from datetime import date, datetime
from typing import ClassVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    func,
    text,
)
from sqlmodel import Field, SQLModel

from shared import columns


class InsuranceTable(SQLModel):
    """What all tables of insurance are: apart from other services' tables of the same names."""

    metadata: ClassVar[MetaData] = MetaData()


class PatientRow(InsuranceTable, table=True):
    """A patient, and the lock on all that belongs to them; empty until the host has registered them."""

    __tablename__ = "patient"
    __table_args__ = (
        Index("patient_person", "person_id"),
        Index("patient_proxies", "proxies", postgresql_using="gin"),
    )

    patient_id: str = Field(sa_column=columns.key())
    person_id: str | None = Field(sa_column=columns.text(nullable=True))
    first_name: str | None = Field(sa_column=columns.text(nullable=True))
    last_name: str | None = Field(sa_column=columns.text(nullable=True))
    birth_date: date | None = Field(sa_column=Column(Date))
    time_zone: str | None = Field(sa_column=columns.text(nullable=True))
    proxies: str | None = Field(sa_column=columns.jsonb(nullable=True))
    told_at: datetime | None = Field(sa_column=columns.moment(nullable=True))


class SessionRow(InsuranceTable, table=True):
    """A session that was heard of, and the lock on whether it has ended; `heard_at` is real time."""

    __tablename__ = "portal_session"
    __table_args__ = (Index("portal_session_heard", "heard_at"),)

    session_id: str = Field(sa_column=columns.key())
    ended_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    heard_at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now())
    )


class CoverageRow(InsuranceTable, table=True):
    """A coverage as it stands; `content` is what it says, `on_file` what the host said of it last."""

    __tablename__ = "coverage"
    __table_args__ = (
        Index("coverage_patient", "patient_id"),
        Index("coverage_digest", text("md5(coverage_id)")),
        Index("coverage_waiting", "waiting_session", postgresql_where="waiting_session is not null"),
    )

    coverage_id: str = Field(sa_column=columns.key())
    patient_id: str = Field(sa_column=columns.text())
    content: str = Field(sa_column=columns.jsonb())
    status: str = Field(sa_column=columns.text())
    priority: int = Field(sa_column=Column(Integer, nullable=False))
    added_at: datetime = Field(sa_column=columns.moment())
    updated_at: datetime = Field(sa_column=columns.moment())
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    told_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    fingerprint: bytes | None = Field(sa_column=Column(LargeBinary))
    session_id: str | None = Field(sa_column=columns.text(nullable=True))
    waiting_session: str | None = Field(sa_column=columns.text(nullable=True))
    verification_id: str | None = Field(sa_column=columns.text(nullable=True))
    answer_id: str | None = Field(sa_column=columns.text(nullable=True))
    verified_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    reason: str | None = Field(sa_column=columns.text(nullable=True))
    retry_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    check_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    correlationid: str | None = Field(sa_column=columns.text(nullable=True))
    on_file: str | None = Field(sa_column=columns.jsonb(nullable=True))


class ChangeRow(InsuranceTable, table=True):
    """A change that a patient asked for."""

    __tablename__ = "change_request"
    __table_args__ = (
        Index("change_request_coverage", "coverage_id"),
        Index("change_request_open", "patient_id", postgresql_where="status = 'requested'"),
        Index("change_request_waiting", "waiting_session", postgresql_where="waiting_session is not null"),
    )

    change_id: str = Field(sa_column=columns.key())
    patient_id: str = Field(sa_column=columns.text())
    coverage_id: str = Field(sa_column=columns.text())
    changes: str = Field(sa_column=columns.jsonb())
    note: str | None = Field(sa_column=columns.text(nullable=True))
    requested_at: datetime = Field(sa_column=columns.moment())
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    session_id: str = Field(sa_column=columns.text())
    status: str = Field(sa_column=columns.text())
    waiting_session: str | None = Field(sa_column=columns.text(nullable=True))
    verification_id: str | None = Field(sa_column=columns.text(nullable=True))
    decided_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    decision_note: str | None = Field(sa_column=columns.text(nullable=True))
    correlationid: str | None = Field(sa_column=columns.text(nullable=True))


class VerificationRow(InsuranceTable, table=True):
    """A question to a payer, and what came of it."""

    __tablename__ = "verification"
    __table_args__ = (
        Index("verification_coverage", "coverage_id"),
        Index("verification_open", "patient_id", postgresql_where="status in ('asking', 'retrying')"),
    )

    verification_id: str = Field(sa_column=columns.key())
    patient_id: str = Field(sa_column=columns.text())
    coverage_id: str = Field(sa_column=columns.text())
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    cause: str = Field(sa_column=columns.text())
    inquiry: str = Field(sa_column=columns.jsonb())
    started_at: datetime = Field(sa_column=columns.moment())
    asked_at: datetime = Field(sa_column=columns.moment())
    session_id: str | None = Field(sa_column=columns.text(nullable=True))
    change_id: str | None = Field(sa_column=columns.text(nullable=True))
    status: str = Field(sa_column=columns.text())
    attempt: int = Field(sa_column=Column(Integer, nullable=False))
    result: str | None = Field(sa_column=columns.text(nullable=True))
    reason: str | None = Field(sa_column=columns.text(nullable=True))
    retry_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    ended_at: datetime | None = Field(sa_column=columns.moment(nullable=True))


class AnswerRow(InsuranceTable, table=True):
    """The benefits that a verification brought, and what the payer calls the plan."""

    __tablename__ = "payer_answer"

    verification_id: str = Field(sa_column=columns.key())
    benefits: str = Field(sa_column=columns.jsonb())
    plan: str | None = Field(sa_column=columns.text(nullable=True))


class ExchangeRow(InsuranceTable, table=True):
    """What was sent to a payer and received, encrypted; the hashes are of the texts themselves.

    The database refuses any change of it.
    """

    __tablename__ = "payer_exchange"
    __table_args__ = (Index("payer_exchange_verification", "verification_id"),)

    seq: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    verification_id: str = Field(sa_column=columns.text())
    attempt: int = Field(sa_column=Column(Integer, nullable=False))
    at: datetime = Field(sa_column=columns.moment())
    result: str = Field(sa_column=columns.text())
    codes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    request: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    request_sha256: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    answer: bytes | None = Field(sa_column=Column(LargeBinary))
    answer_sha256: bytes | None = Field(sa_column=Column(LargeBinary))


class HistoryRow(InsuranceTable, table=True):
    """A line of a coverage's history. The database refuses any change of it."""

    __tablename__ = "coverage_history"
    __table_args__ = (Index("coverage_history_coverage", "coverage_id", "seq"),)

    seq: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    coverage_id: str = Field(sa_column=columns.text())
    at: datetime = Field(sa_column=columns.moment())
    what: str = Field(sa_column=columns.text())
    by: str = Field(sa_column=columns.text())
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    note: str | None = Field(sa_column=columns.text(nullable=True))
    actor: str | None = Field(sa_column=columns.text(nullable=True))


class ReadRow(InsuranceTable, table=True):
    """That somebody of the staff looked at a patient's coverages or a part of them.

    The database refuses any change of it.
    """

    __tablename__ = "read_log"
    __table_args__ = (
        Index("read_log_patient", "patient_id", "at"),
        Index("read_log_reader", "reader", "at"),
    )

    id: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
    reader: str = Field(sa_column=columns.text())
    what: str = Field(sa_column=columns.text())
    what_id: str = Field(sa_column=columns.text())
    patient_id: str = Field(sa_column=columns.text())


class AppointmentRow(InsuranceTable, table=True):
    """When a patient comes, as the scheduling host told last."""

    __tablename__ = "appointment"
    __table_args__ = (Index("appointment_over", text("greatest(told_at, starts_at)")),)

    appointment_id: str = Field(sa_column=columns.key())
    patient_id: str = Field(sa_column=columns.key())
    starts_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    cancelled: bool
    told_at: datetime = Field(sa_column=columns.moment())


class WorkRow(InsuranceTable, table=True):
    """Something that a person of the insurance pool has to look at, until it is settled."""

    __tablename__ = "work"
    __table_args__ = (
        Index("work_open", "patient_id", postgresql_where="settled_at is null"),
        Index("work_raised", "raised_at", postgresql_where="settled_at is null"),
        Index("work_settled", "settled_at", postgresql_where="settled_at is not null"),
    )

    work_id: str = Field(sa_column=columns.key())
    patient_id: str = Field(sa_column=columns.text())
    kind: str = Field(sa_column=columns.text())
    summary: str = Field(sa_column=columns.text())
    raised_at: datetime = Field(sa_column=columns.moment())
    coverage_id: str | None = Field(sa_column=columns.text(nullable=True))
    change_id: str | None = Field(sa_column=columns.text(nullable=True))
    verification_id: str | None = Field(sa_column=columns.text(nullable=True))
    action: str | None = Field(sa_column=columns.text(nullable=True))
    note: str | None = Field(sa_column=columns.text(nullable=True))
    settled_by: str | None = Field(sa_column=columns.text(nullable=True))
    settled_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    fingerprint: bytes | None = Field(sa_column=Column(LargeBinary))
