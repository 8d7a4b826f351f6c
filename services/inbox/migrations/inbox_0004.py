"""What a patient says that a message is, also where it joins a thread."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "inbox_0004"
down_revision = "inbox_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("subject", sa.Text))
    op.add_column("message", sa.Column("about", JSONB))
