"""Payments are found by the review that they were submitted with; methods wait for the payment they came with."""

import sqlalchemy as sa
from alembic import op

revision = "payments_0003"
down_revision = "payments_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("payment_review", "payment", ["review_id"], postgresql_where=sa.text("review_id is not null"))
    op.add_column("saved_method", sa.Column("waiting", sa.Boolean, nullable=False, server_default="false"))
