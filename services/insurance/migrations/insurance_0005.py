"""Sessions and appointments that nothing needs any longer are found by their age.

Of sessions that were heard of before, the age counts from now on.
"""

import sqlalchemy as sa
from alembic import op

revision = "insurance_0005"
down_revision = "insurance_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    heard_at = sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
    op.add_column("portal_session", heard_at)
    op.create_index("portal_session_heard", "portal_session", ["heard_at"])
    op.create_index("appointment_over", "appointment", [sa.text("greatest(told_at, starts_at)")])
