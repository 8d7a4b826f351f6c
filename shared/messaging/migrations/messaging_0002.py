"""Old notes of messages are found by a B-tree.

Rows come in order of time, but the room of forgotten ones is used again: of a page that has held both, a BRIN
index knows for ever that it begins with the oldest, and in the end finds every page.
"""

from alembic import op

revision = "messaging_0002"
down_revision = "messaging_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("handled_message_at", "handled_message")
    op.create_index("handled_message_at", "handled_message", ["handled_at"])
