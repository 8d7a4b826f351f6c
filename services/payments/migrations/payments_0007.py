"""Used proofs are found by a B-tree.

The room of forgotten ones is used again, so that a BRIN index would in the end find every page.
"""

from alembic import op

revision = "payments_0007"
down_revision = "payments_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("guest_proof_used", "guest_proof")
    op.create_index("guest_proof_used", "guest_proof", ["used_at"])
