"""Words of messages and subjects, to search for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "inbox_0002"
down_revision = "inbox_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table, text in (("message", "body"), ("item", "subject")):
        # Without a language: patients write in several, and names have none.
        words = sa.Computed(f"to_tsvector('simple'::regconfig, {text})", persisted=True)
        op.add_column(table, sa.Column("words", TSVECTOR, words))
        op.create_index(f"{table}_words", table, ["words"], postgresql_using="gin")
