"""Guarantor accounts, visit accounts, payments, statements, and the ledger that only grows."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "payments_0001"
down_revision = None
branch_labels = ("payments",)
depends_on = None

_MOMENT = sa.DateTime(timezone=True)

# In plpgsql, for as a check of each row it is several times faster than in SQL.
_SUM_MINOR = """
    create function sum_minor(amounts bigint[]) returns numeric
    language plpgsql immutable strict parallel safe as $$
    declare
        total numeric := 0;
        amount bigint;
    begin
        foreach amount in array amounts loop
            total := total + amount;
        end loop;
        return total;
    end $$
"""
_REFUSE_CHANGE = """
    create function refuse_change_of_ledger() returns trigger language plpgsql as $$
    begin
        raise exception 'the ledger only grows: post the opposite instead' using errcode = 'restrict_violation';
    end $$
"""
_ONLY_GROWS = """
    create trigger posting_only_grows before update or delete or truncate on posting
    for each statement execute function refuse_change_of_ledger()
"""
_LEDGER_LINE = """
    create view ledger_line as
    select p.account_number, p.kind, p.cause_id, p.at, line.ledger_account, line.amount_minor
    from posting p, unnest(p.accounts, p.amounts) line(ledger_account, amount_minor)
"""


def upgrade() -> None:
    _accounts()
    _payments()
    _ledger()


def _accounts() -> None:
    op.create_table(
        "guarantor_account",
        sa.Column("number", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("person_id", sa.Text),
        sa.Column("first_name", sa.Text),
        sa.Column("last_name", sa.Text),
        sa.Column("viewers", JSONB),
        sa.Column("affiliate", sa.Text),
        sa.Column("currency", sa.Text),
        sa.Column("told_at", _MOMENT),
        # The version moves all the time: room on the page keeps the indexes untouched.
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("guarantor_account_person", "guarantor_account", ["person_id"])
    op.create_index("guarantor_account_viewers", "guarantor_account", ["viewers"], postgresql_using="gin")
    op.create_table(
        "visit_account",
        sa.Column("account_number", sa.Text, primary_key=True),
        sa.Column("number", sa.Text, primary_key=True),
        sa.Column("patient_id", sa.Text),
        sa.Column("visit_date", sa.Date),
        sa.Column("description", sa.Text),
        sa.Column("told_at", _MOMENT),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("charges_minor", sa.BigInteger, nullable=False),
        sa.Column("insurance_paid_minor", sa.BigInteger, nullable=False),
        sa.Column("adjustments_minor", sa.BigInteger, nullable=False),
        sa.Column("paid_minor", sa.BigInteger, nullable=False),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_table(
        "statement",
        sa.Column("account_number", sa.Text, primary_key=True),
        sa.Column("statement_id", sa.Text, primary_key=True),
        sa.Column("issued_on", sa.Date, nullable=False),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("period_from", sa.Date, nullable=False),
        sa.Column("period_to", sa.Date, nullable=False),
        sa.Column("amount_due_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
    )
    op.create_index("statement_newest", "statement", ["account_number", "issued_on"])


def _payments() -> None:
    op.create_table(
        "payment",
        sa.Column("payment_id", sa.Text, primary_key=True),
        sa.Column("account_number", sa.Text, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("method_kind", sa.Text, nullable=False),
        sa.Column("method_last4", sa.Text, nullable=False),
        sa.Column("method_brand", sa.Text),
        sa.Column("allocation", JSONB, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("processor_key", sa.Text, nullable=False),
        sa.Column("submitted_by", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("charge_id", sa.Text),
        sa.Column("queries", sa.SmallInteger, nullable=False),
        sa.CheckConstraint("amount_minor > 0", name="payment_amount"),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "payment_open",
        "payment",
        ["account_number"],
        postgresql_where=sa.text("status in ('processing', 'unknown')"),
    )


def _ledger() -> None:
    op.execute(_SUM_MINOR)
    op.create_table(
        "posting",
        sa.Column("account_number", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("cause_id", sa.Text, primary_key=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("service_date", sa.Date),
        sa.Column("description", sa.Text),
        sa.Column("accounts", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("amounts", sa.ARRAY(sa.BigInteger), nullable=False),
        sa.CheckConstraint("sum_minor(amounts) = 0", name="posting_balances"),
        sa.CheckConstraint(
            "cardinality(accounts) >= 2 and cardinality(accounts) = cardinality(amounts)",
            name="posting_lines",
        ),
    )
    op.execute(_REFUSE_CHANGE)
    op.execute(_ONLY_GROWS)
    op.execute(_LEDGER_LINE)
