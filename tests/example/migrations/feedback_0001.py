"""Visits and feedback."""

import sqlalchemy as sa
from alembic import op

revision = "feedback_0001"
down_revision = None
branch_labels = ("feedback",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "visit",
        sa.Column("visit_id", sa.Text, primary_key=True),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.Text, primary_key=True),
        sa.Column("visit_id", sa.Text, nullable=False),
        sa.Column("stars", sa.Integer, nullable=False),
        # One that the rules do not know, so that the tests can see what the kit makes of the database's no.
        sa.Column("comment", sa.Text, sa.CheckConstraint("comment <> 'unsavable'"), nullable=False),
    )
    op.create_index("feedback_visit", "feedback", ["visit_id"])
