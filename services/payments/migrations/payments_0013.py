"""Who of the staff looked at which account."""

import sqlalchemy as sa
from alembic import op

revision = "payments_0013"
down_revision = "payments_0012"
branch_labels = None
depends_on = None

_REFUSE_CHANGE = """
    create function refuse_change_of_account_read() returns trigger language plpgsql as $$
    begin
        raise exception 'the log of who looked at accounts only grows' using errcode = 'restrict_violation';
    end $$
"""
_ONLY_GROWS = """
    create trigger account_read_only_grows before update or delete or truncate on account_read
    for each statement execute function refuse_change_of_account_read()
"""


def upgrade() -> None:
    op.create_table(
        "account_read",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("reader", "what", "what_id", "account_number")),
    )
    op.create_index("account_read_account", "account_read", ["account_number", "at"])
    op.create_index("account_read_reader", "account_read", ["reader", "at"])
    op.execute(_REFUSE_CHANGE)
    op.execute(_ONLY_GROWS)
