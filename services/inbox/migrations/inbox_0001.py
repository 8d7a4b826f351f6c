"""Patients and whom they may write to, items of the in baskets, messages, files, rule sets, and who read what."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "inbox_0001"
down_revision = None
branch_labels = ("inbox",)
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_ROOM = {"fillfactor": "80"}

_REFUSE_CHANGE = """
    create function refuse_change_of_read_log() returns trigger language plpgsql as $$
    begin
        raise exception 'the log of reads only grows' using errcode = 'restrict_violation';
    end $$
"""
_ONLY_GROWS = """
    create trigger read_log_only_grows before update or delete or truncate on read_log
    for each statement execute function refuse_change_of_read_log()
"""


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def upgrade() -> None:
    _patients()
    _items()
    _messages()
    _changes()


def _patients() -> None:
    op.create_table(
        "patient",
        _key("patient_id"),
        _text("person_id", nullable=True),
        sa.Column("proxies", JSONB),
        *(
            _text(name, nullable=True)
            for name in ("first_name", "last_name", "birth_date", "affiliate", "language")
        ),
        sa.Column("told_at", _MOMENT),
    )
    op.create_index("patient_person", "patient", ["person_id"])
    op.create_index("patient_proxies", "patient", ["proxies"], postgresql_using="gin")
    op.create_table(
        "appointment",
        _key("patient_id"),
        _key("appointment_id"),
        sa.Column("told_at", _MOMENT, nullable=False),
        sa.Column("cancelled", sa.Boolean, nullable=False),
        _text("provider_id", nullable=True),
        sa.Column("starts_at", _MOMENT),
    )
    op.create_table(
        "document_request",
        _key("patient_id"),
        _key("request_id"),
        _text("provider_id"),
        sa.Column("told_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "provider",
        _key("provider_id"),
        _text("name", nullable=True),
        _text("affiliate"),
        sa.Column("told_at", _MOMENT, nullable=False),
    )


def _items() -> None:
    op.create_table(
        "item",
        _key("item_id"),
        *(_text(name) for name in ("kind", "pool", "state")),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        _text("subject"),
        *(sa.Column(name, _MOMENT, nullable=False) for name in ("created_at", "updated_at", "since")),
        *(_text(name, nullable=True) for name in ("patient_id", "thread_id", "work_id")),
        *(_text(name, nullable=True) for name in ("message_kind", "category", "provider_id")),
        sa.Column("about", JSONB, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        _text("urgent_words"),
        sa.Column("escalated", sa.Boolean, nullable=False),
        sa.Column("rule_version", sa.BigInteger, nullable=False),
        _text("why"),
        _text("assignee", nullable=True),
        sa.Column("lease_ends_at", _MOMENT),
        sa.Column("due_at", _MOMENT),
        sa.Column("limit_number", sa.Integer, nullable=False),
        sa.Column("limit_minutes", sa.Integer, nullable=False),
        _text("service", nullable=True),
        sa.Column("postponed_until", _MOMENT),
        sa.Column("replied_version", sa.BigInteger, nullable=False),
        sa.Column("replied_at", _MOMENT),
        # Claims change no index: room on the page keeps them untouched.
        postgresql_with=_ROOM,
    )
    op.create_index("item_listed", "item", ["pool", "state", "priority", "since", "item_id"])
    threads = sa.text("thread_id is not null")
    op.create_index("item_thread", "item", ["thread_id"], unique=True, postgresql_where=threads)
    op.create_index("item_patient", "item", ["patient_id", "updated_at"], postgresql_where=threads)
    op.create_table(
        "pool_count",
        _key("pool"),
        _key("state"),
        sa.Column("writer", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("items", sa.BigInteger, nullable=False),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "rule_set",
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
    )


def _messages() -> None:
    op.create_table(
        "message",
        _key("patient_id"),
        _key("message_id"),
        *(_text(name) for name in ("thread_id", "item_id", "author", "author_id", "body")),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        _text("pool"),
        sa.Column("rule_version", sa.BigInteger, nullable=False),
        _text("why"),
        sa.Column("attachment_ids", sa.ARRAY(sa.Text), nullable=False),
    )
    op.create_index("message_thread", "message", ["thread_id", "at"])
    op.create_table(
        "attachment",
        _key("attachment_id"),
        *(_text(name) for name in ("patient_id", "uploaded_by", "name", "content_type")),
        sa.Column("size", sa.BigInteger, nullable=False),
        _text("sha256"),
        _text("state"),
        _text("reason", nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
    )
    op.create_table("message_attachment", _key("attachment_id"), _key("item_id"))


def _changes() -> None:
    op.create_table(
        "item_change",
        sa.Column(
            "tx",
            sa.BigInteger,
            primary_key=True,
            autoincrement=False,
            server_default=sa.text("(pg_current_xact_id()::text)::bigint"),
        ),
        sa.Column("seq", sa.BigInteger, sa.Identity(), primary_key=True),
        _text("item_id"),
        _text("pool"),
        *(_text(name, nullable=True) for name in ("thread_id", "patient_id")),
        _text("what"),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_index("item_change_at", "item_change", ["at"], postgresql_using="brin")
    op.create_table(
        "read_log",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("at", _MOMENT, nullable=False),
        *(_text(name) for name in ("reader", "what", "what_id")),
        _text("patient_id", nullable=True),
    )
    op.create_index("read_log_patient", "read_log", ["patient_id", "at"])
    op.create_index("read_log_reader", "read_log", ["reader", "at"])
    op.execute(_REFUSE_CHANGE)
    op.execute(_ONLY_GROWS)
