"""Who of the staff looked at whose coverages."""

import sqlalchemy as sa
from alembic import op

revision = "insurance_0009"
down_revision = "insurance_0008"
branch_labels = None
depends_on = None

_REFUSE_CHANGE = """
    create function refuse_change_of_read_log() returns trigger language plpgsql as $$
    begin
        raise exception 'the log of reads only grows' using errcode = 'restrict_violation';
    end $$
"""
_ONLY_GROWS = """
    create trigger read_log_only_grows before update or delete or truncate on read_log
    for each statement execute function refuse_change_of_read_log()
"""


def upgrade() -> None:
    op.create_table(
        "read_log",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("reader", "what", "what_id", "patient_id")),
    )
    op.create_index("read_log_patient", "read_log", ["patient_id", "at"])
    op.create_index("read_log_reader", "read_log", ["reader", "at"])
    op.execute(_REFUSE_CHANGE)
    op.execute(_ONLY_GROWS)
