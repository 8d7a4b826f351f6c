"""Alembic's entry: runs the revisions over the connection that `shared.migrations` hands it."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
