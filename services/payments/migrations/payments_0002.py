"""Saved methods, plans, refunds, work, settlements, guests; and what payments, visits, statements know of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "payments_0002"
down_revision = "payments_0001"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _more_of_what_is_there()
    _arrangements()
    _staff()
    _guests()


def _more_of_what_is_there() -> None:
    op.add_column("visit_account", sa.Column("plan_id", sa.Text))
    op.create_index("visit_account_number", "visit_account", ["number"])
    for column in (
        sa.Column("review_id", sa.Text),
        sa.Column("plan_id", sa.Text),
        sa.Column("instalment", sa.SmallInteger),
        sa.Column("refunded_minor", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("dispute_status", sa.Text),
        sa.Column("settlement_id", sa.Text),
        sa.Column("settled_minor", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("payment", column)
    op.create_index("payment_newest", "payment", ["account_number", "created_at", "payment_id"])
    op.create_index("payment_charge", "payment", ["charge_id"])
    op.create_index(
        "payment_unsettled",
        "payment",
        ["created_at"],
        postgresql_where=sa.text("status = 'succeeded' and settlement_id is null"),
    )
    op.add_column("statement", sa.Column("addressee", sa.Text, nullable=False, server_default=""))
    op.add_column("statement", sa.Column("visits", JSONB, nullable=False, server_default="[]"))
    op.create_index("statement_id", "statement", ["statement_id"])
    op.create_index("posting_newest", "posting", ["account_number", "at", "kind", "cause_id"])


def _arrangements() -> None:
    op.create_table(
        "saved_method",
        sa.Column("account_number", sa.Text, primary_key=True),
        sa.Column("method_id", sa.Text, primary_key=True),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("last4", sa.Text, nullable=False),
        sa.Column("brand", sa.Text),
        sa.Column("token", sa.Text),
        sa.Column("saved_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "plan",
        sa.Column("account_number", sa.Text, primary_key=True),
        sa.Column("plan_id", sa.Text, primary_key=True),
        sa.Column("visits", JSONB, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("monthly_amount_minor", sa.BigInteger, nullable=False),
        sa.Column("day_of_month", sa.SmallInteger, nullable=False),
        sa.Column("autopay", sa.Boolean, nullable=False),
        sa.Column("method", JSONB),
        sa.Column("method_id", sa.Text),
        sa.Column("consent", JSONB),
        sa.Column("instalments", JSONB, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
    )
    op.create_table(
        "refund",
        sa.Column("account_number", sa.Text, primary_key=True),
        sa.Column("refund_id", sa.Text, primary_key=True),
        sa.Column("payment_id", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("allocation", JSONB, nullable=False),
        sa.Column("processor_key", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("requested_at", _MOMENT, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("queries", sa.SmallInteger, nullable=False),
    )


def _staff() -> None:
    op.create_table(
        "work",
        sa.Column("work_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("about", JSONB, nullable=False),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("raised_at", _MOMENT, nullable=False),
        sa.Column("status", sa.Text, nullable=False, server_default="open"),
        sa.Column("settled_by", sa.Text),
        sa.Column("settled_at", _MOMENT),
        sa.Column("action", sa.Text),
        sa.Column("note", sa.Text),
    )
    op.create_index("work_newest", "work", ["status", "raised_at", "work_id"])
    op.create_table(
        "webhook",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("account_number", sa.Text, nullable=False),
    )
    op.create_table(
        "settlement",
        sa.Column("settlement_id", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("imported_by", sa.Text, nullable=False),
        sa.Column("imported_at", _MOMENT, nullable=False),
        sa.Column("lines", sa.Integer, nullable=False),
    )
    op.create_index("settlement_fingerprint", "settlement", ["fingerprint"])


def _guests() -> None:
    op.create_table(
        "guest_proof",
        sa.Column("proof", sa.LargeBinary, primary_key=True),
        sa.Column("used_at", _MOMENT, nullable=False, server_default=sa.func.now()),
    )
    op.create_index("guest_proof_used", "guest_proof", ["used_at"], postgresql_using="brin")
    op.create_table(
        "guest_attempts",
        sa.Column("about", sa.LargeBinary, primary_key=True),
        sa.Column("window_at", _MOMENT, primary_key=True),
        sa.Column("attempts", sa.Integer, nullable=False),
    )
    op.create_index("guest_attempts_window", "guest_attempts", ["window_at"])
