"""A saved method that was removed is known again by a digest of its token; those removed before have none.

After `payment`: what is decided locks the two in this order, too.
"""

import sqlalchemy as sa
from alembic import op

revision = "payments_0011"
down_revision = "payments_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("saved_method", sa.Column("token_digest", sa.LargeBinary))
