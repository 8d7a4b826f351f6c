"""Coverages know what the registration host said of them last.

Of those of before, what it says next is compared with them as they stand, once more as ever.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "insurance_0006"
down_revision = "insurance_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("coverage", sa.Column("on_file", JSONB))
