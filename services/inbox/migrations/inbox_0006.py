"""Appointments and requests for documents that nobody may write by any longer are found by their age."""

import sqlalchemy as sa
from alembic import op

revision = "inbox_0006"
down_revision = "inbox_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("appointment_over", "appointment", [sa.text("greatest(told_at, starts_at)")])
    op.create_index("document_request_told", "document_request", ["told_at"])
