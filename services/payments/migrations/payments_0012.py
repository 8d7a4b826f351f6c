"""The history of plans, for ever: how each stood from when on, who brought it about, and by which consent.

It begins with the plans as they are.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "payments_0012"
down_revision = "payments_0011"
branch_labels = None
depends_on = None

_TERMS = "account_number, plan_id, status, monthly_amount_minor, day_of_month, autopay, consent, reason, person_id"
_THOSE_THERE_ARE = f"""
    insert into plan_history ({_TERMS}, method, at) select {_TERMS}, method - 'token', now() from plan
"""
_REFUSE_CHANGE = """
    create function refuse_change_of_plan_history() returns trigger language plpgsql as $$
    begin
        raise exception 'what became of plans only grows' using errcode = 'restrict_violation';
    end $$
"""
_ONLY_GROWS = """
    create trigger plan_history_only_grows before update or delete or truncate on plan_history
    for each statement execute function refuse_change_of_plan_history()
"""


def upgrade() -> None:
    op.create_table(
        "plan_history",
        sa.Column("account_number", sa.Text, primary_key=True),
        sa.Column("plan_id", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("monthly_amount_minor", sa.BigInteger, nullable=False),
        sa.Column("day_of_month", sa.SmallInteger, nullable=False),
        sa.Column("autopay", sa.Boolean, nullable=False),
        sa.Column("method", JSONB),
        sa.Column("consent", JSONB),
        sa.Column("reason", sa.Text),
        sa.Column("person_id", sa.Text),
    )
    op.execute(_THOSE_THERE_ARE)
    op.execute(_REFUSE_CHANGE)
    op.execute(_ONLY_GROWS)
