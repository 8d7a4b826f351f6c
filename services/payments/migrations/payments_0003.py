"""Accounts know who is paperless, payments are found by review and guest, methods wait for a payment."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "payments_0003"
down_revision = "payments_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("guarantor_account", sa.Column("paperless", JSONB, nullable=False, server_default="[]"))
    op.create_index("payment_review", "payment", ["review_id"], postgresql_where=sa.text("review_id is not null"))
    op.add_column("saved_method", sa.Column("waiting", sa.Boolean, nullable=False, server_default="false"))
    op.add_column("payment", sa.Column("guest", sa.Text))
    op.add_column("payment", sa.Column("guest_method", sa.LargeBinary))
    for name in ("guest", "guest_method"):
        op.create_index(f"payment_{name}", "payment", [name], postgresql_where=sa.text(f"{name} is not null"))
