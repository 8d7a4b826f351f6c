"""The kit's tables."""

import sqlalchemy as sa
from alembic import op

revision = "messaging_0001"
down_revision = None
branch_labels = ("messaging",)
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.func.now()


def upgrade() -> None:
    _taken()
    _to_say_and_do()
    _to_wait_and_dead()


def _taken() -> None:
    op.create_table(
        "consumer_offset",
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        # Moved by every batch: room on the page keeps its index untouched.
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "handled_message",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("handled_at", _MOMENT, nullable=False, server_default=_NOW),
    )
    op.create_index("handled_message_at", "handled_message", ["handled_at"], postgresql_using="brin")


def _to_say_and_do() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("records", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        # Filled and emptied all the time: clean up by number of rows, not by share of the table.
        postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "1000"},
    )
    # Rows live for milliseconds: compressing them costs more than it saves.
    op.execute("alter table outbox alter column records set storage external")
    op.create_table(
        "task",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("leased_until", _MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False, server_default=_NOW),
        postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "20000"},
    )
    op.create_index("task_due", "task", ["kind", "due_at"])


def _to_wait_and_dead() -> None:
    op.create_table(
        "parked_record",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("parked_at", _MOMENT, nullable=False, server_default=_NOW),
    )
    op.create_index("parked_record_lane", "parked_record", ["lane", "seq"])
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text),
        sa.Column("record", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("attempts", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="dead"),
        sa.Column("first_seen_at", _MOMENT, nullable=False),
        sa.Column("dead_at", _MOMENT, nullable=False),
    )
    op.create_index("dead_letter_reason", "dead_letter", ["reason"])
