"""Guests' payments know from where their bill was looked up; those from before count for no address."""

import sqlalchemy as sa
from alembic import op

revision = "payments_0010"
down_revision = "payments_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Before what nobody may read beside.
    failed = sa.text("guest is not null and status = 'failed'")
    op.create_index("payment_guest_failed", "payment", ["created_at"], postgresql_where=failed)
    op.add_column("payment", sa.Column("guest_address", sa.Text))
    tried = sa.text("guest_address is not null and status in ('processing', 'unknown', 'failed')")
    op.create_index("payment_guest_address", "payment", ["guest_address", "created_at"], postgresql_where=tried)
