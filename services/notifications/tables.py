"""The tables of notifications. An address stands in `contact`, and nowhere else."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Identity, Index, SmallInteger, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from shared import columns


def _persons(default: str | None = None) -> Any:
    """Return a column for a list of ids: as JSON, for arrays of arrays do not go into one statement."""
    return Column(JSONB, nullable=False, server_default=default)


def _number() -> Any:
    return Column(SmallInteger, nullable=False)


class Table(SQLModel, registry=registry()):
    """A table of this service alone: others have tables of the same names."""


class PersonRow(Table, table=True):
    """A person, and the lock on all that belongs to them."""

    __tablename__ = "person"

    person_id: str = Field(sa_column=columns.key())


class ContactRow(Table, table=True):
    """An email address or mobile number; the address is gone once the contact is removed."""

    __tablename__ = "contact"
    __table_args__ = (Index("contact_destination", "destination_id"),)

    person_id: str = Field(sa_column=columns.key())
    contact_id: str = Field(sa_column=columns.key())
    channel: str = Field(sa_column=columns.text())
    address: str | None = Field(sa_column=columns.text(nullable=True))
    destination_id: str = Field(sa_column=columns.text())
    code_id: str = Field(sa_column=columns.text())
    code_sent_at: datetime = Field(sa_column=columns.moment())
    code_tries: int = Field(sa_column=_number())
    code_correlationid: str | None = Field(sa_column=columns.text(nullable=True))
    status: str = Field(sa_column=columns.text())
    reason: str | None = Field(sa_column=columns.text(nullable=True))
    version: int = Field(sa_column=_number())
    verified_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    refused_at: datetime | None = Field(sa_column=columns.moment(nullable=True))


class CodeRow(Table, table=True):
    """A code that was sent in the last day, for the limits: to whom, and to which digests of addresses."""

    __tablename__ = "code"
    __table_args__ = (
        Index("code_person", "person_id", "sent_at"),
        Index("code_destination", "destination_id", "sent_at"),
        Index("code_prefix", "prefix_id", "sent_at"),
        Index("code_sent", "sent_at"),
    )

    code_id: str = Field(sa_column=columns.key())
    person_id: str = Field(sa_column=columns.text())
    contact_id: str = Field(sa_column=columns.text())
    destination_id: str = Field(sa_column=columns.text())
    prefix_id: str = Field(sa_column=columns.text())
    sent_at: datetime = Field(sa_column=columns.moment())


class EnrolmentRow(Table, table=True):
    """A person's latest consent to statements of an account without paper, and where alerts go."""

    __tablename__ = "enrolment"
    __table_args__ = (Index("enrolment_account", "account_number"),)

    person_id: str = Field(sa_column=columns.key())
    account_number: str = Field(sa_column=columns.key())
    email_contact_id: str | None = Field(sa_column=columns.text(nullable=True))
    text_contact_id: str | None = Field(sa_column=columns.text(nullable=True))
    text_version: str = Field(sa_column=columns.text())
    text_sha256: str = Field(sa_column=columns.text())
    consented_at: datetime = Field(sa_column=columns.moment())
    consented_by: str = Field(sa_column=columns.text())
    ended_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    ended_reason: str | None = Field(sa_column=columns.text(nullable=True))


class ConsentRow(Table, table=True):
    """A consent as it was given, or as it ended. The database refuses any change of it."""

    __tablename__ = "consent"

    person_id: str = Field(sa_column=columns.key())
    account_number: str = Field(sa_column=columns.key())
    seq: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    text_version: str = Field(sa_column=columns.text())
    text_sha256: str = Field(sa_column=columns.text())
    consented_at: datetime = Field(sa_column=columns.moment())
    consented_by: str = Field(sa_column=columns.text())
    ended_at: datetime | None = Field(sa_column=columns.moment(nullable=True))
    ended_reason: str | None = Field(sa_column=columns.text(nullable=True))


class DestinationRow(Table, table=True):
    """An address that codes went to or a number that texted us, by its digest, and whether it wants no texts."""

    __tablename__ = "destination"

    destination_id: str = Field(sa_column=columns.key())
    stopped_at: datetime | None = Field(sa_column=columns.moment(nullable=True))


class AccountRow(Table, table=True):
    """A guarantor account and who may see it, and the lock on its statements and alerts."""

    __tablename__ = "account"
    __table_args__ = (Index("account_persons", "persons", postgresql_using="gin"),)

    number: str = Field(sa_column=columns.key())
    persons: str = Field(sa_column=_persons(default="[]"))
    told_at: datetime | None = Field(sa_column=columns.moment(nullable=True))


class StatementRow(Table, table=True):
    """A statement that could be read, and why it was asked for on paper, if it was."""

    __tablename__ = "statement"

    account_number: str = Field(sa_column=columns.key())
    statement_id: str = Field(sa_column=columns.key())
    available_at: datetime = Field(sa_column=columns.moment())
    paper_reason: str | None = Field(sa_column=columns.text(nullable=True))
    correlationid: str | None = Field(sa_column=columns.text(nullable=True))


class AlertRow(Table, table=True):
    """Word of a statement to a contact: one for each version of it."""

    __tablename__ = "alert"
    __table_args__ = (
        UniqueConstraint(
            *("account_number", "statement_id", "person_id", "contact_id", "contact_version"), name="alert_once"
        ),
    )

    alert_id: str = Field(sa_column=columns.key())
    account_number: str = Field(sa_column=columns.text())
    statement_id: str = Field(sa_column=columns.text())
    person_id: str = Field(sa_column=columns.text())
    contact_id: str = Field(sa_column=columns.text())
    contact_version: int = Field(sa_column=_number())
    channel: str = Field(sa_column=columns.text())
    created_at: datetime = Field(sa_column=columns.moment())
    status: str = Field(sa_column=columns.text())
    reason: str | None = Field(sa_column=columns.text(nullable=True))
    attempt: int = Field(sa_column=_number())
    failures: int = Field(sa_column=_number())
    queries: int = Field(sa_column=_number())
    provider_id: str | None = Field(sa_column=columns.text(nullable=True))
    updated_at: datetime | None = Field(sa_column=columns.moment(nullable=True))


class AttemptRow(Table, table=True):
    """An attempt to send an alert, written before the provider is called: whoever finds it does not send again."""

    __tablename__ = "attempt"
    __table_args__ = (ForeignKeyConstraint(["alert_id"], ["alert.alert_id"]),)

    alert_id: str = Field(sa_column=columns.key())
    attempt: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    began_at: datetime = Field(sa_column=columns.moment())


class CarriedTextRow(Table, table=True):
    """What the carrier calls the text with a reference of ours, where it tells by that name what became of it."""

    __tablename__ = "carried_text"
    __table_args__ = (Index("carried_text_at", "taken_at"),)

    provider_id: str = Field(sa_column=columns.key())
    reference: str = Field(sa_column=columns.text())
    taken_at: datetime = Field(sa_column=columns.moment())


class PatientRow(Table, table=True):
    """Where a patient is and what they read."""

    __tablename__ = "patient"
    __table_args__ = (
        Index("patient_person", "person_id"),
        Index("patient_proxies", "proxies", postgresql_using="gin"),
    )

    patient_id: str = Field(sa_column=columns.key())
    person_id: str | None = Field(sa_column=columns.text(nullable=True))
    proxies: str = Field(sa_column=_persons())
    time_zone: str = Field(sa_column=columns.text())
    language: str = Field(sa_column=columns.text())
    told_at: datetime = Field(sa_column=columns.moment())
