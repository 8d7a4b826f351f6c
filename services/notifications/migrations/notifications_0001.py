"""Contacts and codes, enrolments, accounts with their statements' alerts, and where patients are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "notifications_0001"
down_revision = None
branch_labels = ("notifications",)
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
# Rows that move on soon after they are made: room on the page keeps the indexes untouched.
_ROOM = {"fillfactor": "80"}


def upgrade() -> None:
    _persons()
    _accounts()
    op.create_table(
        "patient",
        sa.Column("patient_id", sa.Text, primary_key=True),
        sa.Column("person_id", sa.Text),
        sa.Column("proxies", JSONB, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("told_at", _MOMENT, nullable=False),
    )
    op.create_index("patient_person", "patient", ["person_id"])
    op.create_index("patient_proxies", "patient", ["proxies"], postgresql_using="gin")


def _persons() -> None:
    op.create_table("person", sa.Column("person_id", sa.Text, primary_key=True))
    op.create_table(
        "contact",
        sa.Column("person_id", sa.Text, primary_key=True),
        sa.Column("contact_id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("destination_id", sa.Text, nullable=False),
        sa.Column("code_id", sa.Text, nullable=False),
        sa.Column("code_sent_at", _MOMENT, nullable=False),
        sa.Column("code_tries", sa.SmallInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("version", sa.SmallInteger, nullable=False),
        sa.Column("verified_at", _MOMENT),
        postgresql_with=_ROOM,
    )
    op.create_index("contact_destination", "contact", ["destination_id"])
    op.create_table(
        "code",
        sa.Column("code_id", sa.Text, primary_key=True),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("contact_id", sa.Text, nullable=False),
        sa.Column("destination_id", sa.Text, nullable=False),
        sa.Column("prefix_id", sa.Text, nullable=False),
        sa.Column("sent_at", _MOMENT, nullable=False),
    )
    op.create_index("code_person", "code", ["person_id", "sent_at"])
    op.create_index("code_destination", "code", ["destination_id", "sent_at"])
    op.create_index("code_prefix", "code", ["prefix_id", "sent_at"])
    op.create_index("code_sent", "code", ["sent_at"])
    op.create_table(
        "enrolment",
        sa.Column("person_id", sa.Text, primary_key=True),
        sa.Column("account_number", sa.Text, primary_key=True),
        sa.Column("email_contact_id", sa.Text),
        sa.Column("text_contact_id", sa.Text),
        sa.Column("text_version", sa.Text, nullable=False),
        sa.Column("text_sha256", sa.Text, nullable=False),
        sa.Column("consented_at", _MOMENT, nullable=False),
        sa.Column("consented_by", sa.Text, nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.Column("ended_reason", sa.Text),
    )
    op.create_index("enrolment_account", "enrolment", ["account_number"])
    op.create_table(
        "destination",
        sa.Column("destination_id", sa.Text, primary_key=True),
        sa.Column("stopped_at", _MOMENT),
    )


def _accounts() -> None:
    op.create_table(
        "account",
        sa.Column("number", sa.Text, primary_key=True),
        sa.Column("persons", JSONB, nullable=False, server_default="[]"),
        sa.Column("told_at", _MOMENT),
    )
    op.create_index("account_persons", "account", ["persons"], postgresql_using="gin")
    op.create_table(
        "statement",
        sa.Column("account_number", sa.Text, primary_key=True),
        sa.Column("statement_id", sa.Text, primary_key=True),
        sa.Column("available_at", _MOMENT, nullable=False),
        sa.Column("paper_reason", sa.Text),
    )
    op.create_table(
        "alert",
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("account_number", sa.Text, nullable=False),
        sa.Column("statement_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("contact_id", sa.Text, nullable=False),
        sa.Column("contact_version", sa.SmallInteger, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("attempt", sa.SmallInteger, nullable=False),
        sa.Column("failures", sa.SmallInteger, nullable=False),
        sa.Column("queries", sa.SmallInteger, nullable=False),
        sa.Column("provider_id", sa.Text),
        sa.Column("updated_at", _MOMENT),
        sa.UniqueConstraint(
            *("account_number", "statement_id", "person_id", "contact_id", "contact_version"), name="alert_once"
        ),
        postgresql_with=_ROOM,
    )
    op.create_table(
        "attempt",
        sa.Column("alert_id", sa.Text, sa.ForeignKey("alert.alert_id"), primary_key=True),
        sa.Column("attempt", sa.SmallInteger, primary_key=True),
        sa.Column("began_at", _MOMENT, nullable=False),
    )
