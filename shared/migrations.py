"""Brings a service's database to the schema that the code knows, and refuses one that is newer.

Two lines of Alembic revisions meet in each database: the kit's (`shared/messaging/migrations`) and the service's
own (`services/<name>/migrations`). Many processes may migrate at once: one does, the others wait and find it done.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_LOCK: Final = 0x0B0E
_HERE: Final = Path(__file__).parent

# What it says of its work is text that the log would withhold; `migrating/env.py` tells of each revision.
logging.getLogger("alembic").setLevel(logging.WARNING)


class SchemaError(RuntimeError):
    """The database's schema is not the one that this code knows."""


async def upgrade(database_url: str, revisions: Path) -> None:
    """Bring the database up to date; safe to run many times, also at once.

    Args:
        database_url: `postgresql://…`.
        revisions: the folder of the service's own revisions.

    Raises:
        SchemaError: it is newer than this code.
    """
    await _with_connection(database_url, lambda connection: _upgrade(connection, _config(revisions)))


async def check(database_url: str, revisions: Path) -> None:
    """Make sure that the database's schema is exactly the one that this code knows.

    Raises:
        SchemaError: it is older (migrate first) or newer (this code is too old for it).
    """
    await _with_connection(database_url, lambda connection: _check(connection, _config(revisions)))


async def _with_connection(database_url: str, step: Callable[[Connection], None]) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        # asyncpg reads the URL itself, with all that may stand in it, as it does for the pool.
        async_creator=lambda: asyncpg.connect(database_url, timeout=10),
        poolclass=NullPool,
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(step)
    except DBAPIError as error:
        # What asyncpg raised, so that a database that is away is known as such.
        raise (error.orig and error.orig.__cause__) or error from None
    finally:
        await engine.dispose()


def _config(revisions: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE / "migrating"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{_HERE / 'messaging' / 'migrations'}\n{revisions}")
    return config


def _upgrade(connection: Connection, config: Config) -> None:
    connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    _known_heads(connection, ScriptDirectory.from_config(config))
    config.attributes["connection"] = connection
    command.upgrade(config, "heads")


def _check(connection: Connection, config: Config) -> None:
    script = ScriptDirectory.from_config(config)
    if _known_heads(connection, script) != set(script.get_heads()):
        raise SchemaError("the database's schema is not up to date: run migrate first")


def _known_heads(connection: Connection, script: ScriptDirectory) -> set[str]:
    """Return the revisions that the database is at."""
    there = set(MigrationContext.configure(connection).get_current_heads())
    if there - {revision.revision for revision in script.walk_revisions()}:
        raise SchemaError("the database's schema is newer than this code knows: deploy the newer code")
    return there
