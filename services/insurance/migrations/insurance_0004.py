"""Coverages and requested changes know the chain of messages that they began in; older ones do not."""

import sqlalchemy as sa
from alembic import op

revision = "insurance_0004"
down_revision = "insurance_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("coverage", "change_request"):
        op.add_column(table, sa.Column("correlationid", sa.Text))
