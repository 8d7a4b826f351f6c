"""A refund knows since when the processor has it; of older ones it is taken to be when they were asked for."""

import sqlalchemy as sa
from alembic import op

revision = "payments_0006"
down_revision = "payments_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refund", sa.Column("sent_at", sa.DateTime(timezone=True)))
