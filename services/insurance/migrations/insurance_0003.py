"""What staff settled a piece of work with, so that the same again can be told from something else."""

import sqlalchemy as sa
from alembic import op

revision = "insurance_0003"
down_revision = "insurance_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("work", sa.Column("fingerprint", sa.LargeBinary))
