"""The tables in code, the kit's and each service's, are those that the migrations make, and all of them."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from local.infrastructure import Endpoints
from shared.database import table
from shared.events.topics import SERVICES
from shared.messaging import tables as kit
from shared.migrations import upgrade
from tests.flow.kit import new_database


def described(*modules: Any) -> MetaData:
    """Return the tables that modules describe, and no others that happen to be imported."""
    found = MetaData()
    for module in modules:
        for model in vars(module).values():
            if isinstance(model, type) and issubclass(model, SQLModel) and hasattr(model, "__table__"):
                table(model).to_metadata(found)
    return found


def differences(connection: Connection, metadata: MetaData) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    found: list[Any] = compare_metadata(context, metadata)
    return found


def keys(connection: Connection, metadata: MetaData) -> dict[str, list[str]]:
    inspector = inspect(connection)
    return {name: inspector.get_pk_constraint(name)["constrained_columns"] for name in metadata.tables}


@pytest.mark.parametrize("service", SERVICES)
async def test_the_tables_are_those_that_the_migrations_make(service: str, infrastructure: Endpoints) -> None:
    own = import_module(f"services.{service}.tables")
    metadata = described(kit, own)
    assert len(described(kit).tables) == 6
    assert len(metadata.tables) > 6
    url = await new_database(infrastructure)
    await upgrade(url, Path(str(own.__file__)).parent / "migrations")
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.connect() as connection:
        found = await connection.run_sync(differences, metadata)
        found_keys = await connection.run_sync(keys, metadata)
    await engine.dispose()
    assert found == []
    assert found_keys == {
        one.name: [column.name for column in one.primary_key] for one in metadata.tables.values()
    }
