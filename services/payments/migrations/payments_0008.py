"""Work that is settled is listed by when it was."""

import sqlalchemy as sa
from alembic import op

revision = "payments_0008"
down_revision = "payments_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("work_settled", "work", ["settled_at"], postgresql_where=sa.text("status = 'settled'"))
