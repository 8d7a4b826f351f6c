"""Answers know what the payer calls the plan; older ones do not."""

import sqlalchemy as sa
from alembic import op

revision = "insurance_0007"
down_revision = "insurance_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payer_answer", sa.Column("plan", sa.Text))
