"""The pool that work was raised for, by which what is said about it is in order."""

import sqlalchemy as sa
from alembic import op

revision = "inbox_0005"
down_revision = "inbox_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("item", sa.Column("raised_for", sa.Text))
