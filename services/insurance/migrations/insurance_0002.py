"""Coverages by the id that FHIR knows them under, where it allows ours no place."""

import sqlalchemy as sa
from alembic import op

revision = "insurance_0002"
down_revision = "insurance_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("coverage_digest", "coverage", [sa.text("md5(coverage_id)")])
