"""Payments and refunds know the chain of messages that they began in; older ones do not."""

import sqlalchemy as sa
from alembic import op

revision = "payments_0005"
down_revision = "payments_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("payment", "refund"):
        op.add_column(table, sa.Column("correlationid", sa.Text))
