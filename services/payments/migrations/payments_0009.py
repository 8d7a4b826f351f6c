"""An event of the processor knows when it was taken up; older ones are as if they were taken up now."""

import sqlalchemy as sa
from alembic import op

revision = "payments_0009"
down_revision = "payments_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    taken_at = sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
    op.add_column("webhook", taken_at)
    op.create_index("webhook_taken", "webhook", ["taken_at"])
