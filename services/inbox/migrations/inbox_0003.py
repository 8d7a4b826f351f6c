"""What happened to items, for ever; and the indexes of the supervisors' figures."""

import sqlalchemy as sa
from alembic import op

revision = "inbox_0003"
down_revision = "inbox_0002"
branch_labels = None
depends_on = None

_REFUSE_CHANGE = """
    create function refuse_change_of_item_history() returns trigger language plpgsql as $$
    begin
        raise exception 'the history of items only grows' using errcode = 'restrict_violation';
    end $$
"""
_ONLY_GROWS = """
    create trigger item_history_only_grows before update or delete or truncate on item_history
    for each statement execute function refuse_change_of_item_history()
"""


def upgrade() -> None:
    op.create_table(
        "item_history",
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, sa.Identity(), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("pool", "what")),
        *(sa.Column(name, sa.Text) for name in ("by", "reason")),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("item_history_flow", "item_history", ["pool", "what", "at"])
    op.execute(_REFUSE_CHANGE)
    op.execute(_ONLY_GROWS)
    # Of none of these does a claim change a column.
    limited = sa.text("due_at is not null")
    op.create_index("item_late", "item", ["pool", "due_at"], postgresql_where=limited)
    replied = sa.text("replied_at is not null")
    op.create_index("item_replied", "item", ["pool", "replied_at", "created_at"], postgresql_where=replied)
    op.create_index("message_attachment_item", "message_attachment", ["item_id"])
    op.drop_index("item_change_at", "item_change")
