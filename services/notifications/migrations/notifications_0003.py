"""Consents, for ever: each as it was given, and as it ended."""

import sqlalchemy as sa
from alembic import op

revision = "notifications_0003"
down_revision = "notifications_0002"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_TOLD = "person_id, account_number, text_version, text_sha256, consented_at, consented_by, ended_at, ended_reason"
_THOSE_THERE_ARE = f"insert into consent ({_TOLD}) select {_TOLD} from enrolment"
_REFUSE_CHANGE = """
    create function refuse_change_of_consent() returns trigger language plpgsql as $$
    begin
        raise exception 'what was consented to only grows' using errcode = 'restrict_violation';
    end $$
"""
_ONLY_GROWS = """
    create trigger consent_only_grows before update or delete or truncate on consent
    for each statement execute function refuse_change_of_consent()
"""


def upgrade() -> None:
    op.create_table(
        "consent",
        sa.Column("person_id", sa.Text, primary_key=True),
        sa.Column("account_number", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("text_version", sa.Text, nullable=False),
        sa.Column("text_sha256", sa.Text, nullable=False),
        sa.Column("consented_at", _MOMENT, nullable=False),
        sa.Column("consented_by", sa.Text, nullable=False),
        sa.Column("ended_at", _MOMENT),
        sa.Column("ended_reason", sa.Text),
    )
    op.execute(_THOSE_THERE_ARE)
    op.execute(_REFUSE_CHANGE)
    op.execute(_ONLY_GROWS)
