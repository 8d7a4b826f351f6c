"""Alembic's entry: runs the revisions over the connection that `shared.migrations` hands it."""

from typing import Any

import structlog
from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

log = structlog.get_logger(__name__)


def _tell(ctx: MigrationContext, step: MigrationInfo, heads: Any, run_args: Any) -> None:  # noqa: ARG001  # by name
    log.info("migrated", revision=step.up_revision_id)


context.configure(
    connection=context.config.attributes["connection"], transaction_per_migration=False, on_version_apply=_tell
)
with context.begin_transaction():
    context.run_migrations()
