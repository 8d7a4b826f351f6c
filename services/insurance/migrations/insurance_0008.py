"""The history of coverages says who did what, and neither it nor what payers were sent and sent can be changed.

Of what happened before, only the kind of who did it is known.
"""

import sqlalchemy as sa
from alembic import op

revision = "insurance_0008"
down_revision = "insurance_0007"
branch_labels = None
depends_on = None

_REFUSE_CHANGE = """
    create function refuse_change_of_record() returns trigger language plpgsql as $$
    begin
        raise exception 'what happened to coverages only grows' using errcode = 'restrict_violation';
    end $$
"""
_ONLY_GROWS = """
    create trigger {table}_only_grows before update or delete or truncate on {table}
    for each statement execute function refuse_change_of_record()
"""


def upgrade() -> None:
    op.execute(_REFUSE_CHANGE)
    # In the order in which a batch writes them.
    for table in ("payer_exchange", "coverage_history"):
        op.execute(_ONLY_GROWS.format(table=table))
    op.add_column("coverage_history", sa.Column("actor", sa.Text))
