"""A rule set knows who put it, and when; those from before do not."""

import sqlalchemy as sa
from alembic import op

revision = "inbox_0007"
down_revision = "inbox_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rule_set", sa.Column("put_by", sa.Text))
    op.add_column("rule_set", sa.Column("put_at", sa.DateTime(timezone=True)))
