"""How much of a visit its plan pays, where plans from before pay all of it; and whether a plan was resumed."""

import sqlalchemy as sa
from alembic import op

revision = "payments_0004"
down_revision = "payments_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("visit_account", sa.Column("planned_minor", sa.BigInteger))
    op.add_column("plan", sa.Column("resumed", sa.Boolean, nullable=False, server_default="false"))
