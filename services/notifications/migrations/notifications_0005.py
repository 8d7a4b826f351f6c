"""Statements and codes know the chain of messages that they came in; older ones do not."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0005"
down_revision = "notifications_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("statement", sa.Column("correlationid", sa.Text))
    op.add_column("contact", sa.Column("code_correlationid", sa.Text))
