"""Patients, sessions, coverages with their changes and history, verifications, and work for staff."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "insurance_0001"
down_revision = None
branch_labels = ("insurance",)
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _patient()
    _portal_session()
    _appointment()
    _coverage()
    _change_request()
    _coverage_history()
    _verification()
    _payer_answer()
    _payer_exchange()
    _work()


def _patient() -> None:
    op.create_table(
        "patient",
        sa.Column("patient_id", sa.Text, primary_key=True),
        sa.Column("person_id", sa.Text),
        sa.Column("first_name", sa.Text),
        sa.Column("last_name", sa.Text),
        sa.Column("birth_date", sa.Date),
        sa.Column("time_zone", sa.Text),
        sa.Column("proxies", JSONB),
        sa.Column("told_at", _MOMENT),
    )
    op.create_index("patient_person", "patient", ["person_id"])
    op.create_index("patient_proxies", "patient", ["proxies"], postgresql_using="gin")


def _portal_session() -> None:
    op.create_table(
        "portal_session",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("ended_at", _MOMENT),
    )


def _appointment() -> None:
    op.create_table(
        "appointment",
        sa.Column("appointment_id", sa.Text, primary_key=True),
        sa.Column("patient_id", sa.Text, primary_key=True),
        sa.Column("starts_at", _MOMENT),
        sa.Column("cancelled", sa.Boolean, nullable=False),
        sa.Column("told_at", _MOMENT, nullable=False),
    )


def _coverage() -> None:
    op.create_table(
        "coverage",
        sa.Column("coverage_id", sa.Text, primary_key=True),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("content", JSONB, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("added_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("told_at", _MOMENT),
        sa.Column("fingerprint", sa.LargeBinary),
        sa.Column("session_id", sa.Text),
        sa.Column("waiting_session", sa.Text),
        sa.Column("verification_id", sa.Text),
        sa.Column("answer_id", sa.Text),
        sa.Column("verified_at", _MOMENT),
        sa.Column("reason", sa.Text),
        sa.Column("retry_at", _MOMENT),
        sa.Column("check_at", _MOMENT),
    )
    op.create_index("coverage_patient", "coverage", ["patient_id"])
    op.create_index(
        "coverage_waiting",
        "coverage",
        ["waiting_session"],
        postgresql_where=sa.text("waiting_session is not null"),
    )


def _change_request() -> None:
    op.create_table(
        "change_request",
        sa.Column("change_id", sa.Text, primary_key=True),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("coverage_id", sa.Text, nullable=False),
        sa.Column("changes", JSONB, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("requested_at", _MOMENT, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("waiting_session", sa.Text),
        sa.Column("verification_id", sa.Text),
        sa.Column("decided_at", _MOMENT),
        sa.Column("decision_note", sa.Text),
    )
    op.create_index("change_request_coverage", "change_request", ["coverage_id"])
    op.create_index(
        "change_request_open", "change_request", ["patient_id"], postgresql_where=sa.text("status = 'requested'")
    )
    op.create_index(
        "change_request_waiting",
        "change_request",
        ["waiting_session"],
        postgresql_where=sa.text("waiting_session is not null"),
    )


def _coverage_history() -> None:
    op.create_table(
        "coverage_history",
        sa.Column("seq", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("coverage_id", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("note", sa.Text),
    )
    op.create_index("coverage_history_coverage", "coverage_history", ["coverage_id", "seq"])


def _verification() -> None:
    op.create_table(
        "verification",
        sa.Column("verification_id", sa.Text, primary_key=True),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("coverage_id", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("inquiry", JSONB, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("session_id", sa.Text),
        sa.Column("change_id", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("retry_at", _MOMENT),
        sa.Column("ended_at", _MOMENT),
    )
    op.create_index("verification_coverage", "verification", ["coverage_id"])
    op.create_index(
        "verification_open",
        "verification",
        ["patient_id"],
        postgresql_where=sa.text("status in ('asking', 'retrying')"),
    )


def _payer_answer() -> None:
    op.create_table(
        "payer_answer",
        sa.Column("verification_id", sa.Text, primary_key=True),
        sa.Column("benefits", JSONB, nullable=False),
    )


def _payer_exchange() -> None:
    op.create_table(
        "payer_exchange",
        sa.Column("seq", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("verification_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("codes", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("request_sha256", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("answer_sha256", sa.LargeBinary),
    )
    op.create_index("payer_exchange_verification", "payer_exchange", ["verification_id"])


def _work() -> None:
    op.create_table(
        "work",
        sa.Column("work_id", sa.Text, primary_key=True),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("raised_at", _MOMENT, nullable=False),
        sa.Column("coverage_id", sa.Text),
        sa.Column("change_id", sa.Text),
        sa.Column("verification_id", sa.Text),
        sa.Column("action", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("settled_by", sa.Text),
        sa.Column("settled_at", _MOMENT),
    )
    op.create_index("work_open", "work", ["patient_id"], postgresql_where=sa.text("settled_at is null"))
    op.create_index("work_raised", "work", ["raised_at"], postgresql_where=sa.text("settled_at is null"))
    op.create_index("work_settled", "work", ["settled_at"], postgresql_where=sa.text("settled_at is not null"))
