"""The kit's tables in code are those that its migrations make."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from local.infrastructure import Endpoints
from shared.database import table
from shared.messaging import tables
from tests.flow.kit import feedback

OURS = {
    table(model).name
    for model in vars(tables).values()
    if isinstance(model, type) and issubclass(model, SQLModel) and model is not SQLModel
}


def is_ours(_object: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    return kind != "table" or name in OURS


def differences(connection: Connection) -> list[Any]:
    options = {"include_object": is_ours, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    found: list[Any] = compare_metadata(context, SQLModel.metadata)
    return found


def keys(connection: Connection) -> dict[str, list[str]]:
    inspector = inspect(connection)
    return {name: inspector.get_pk_constraint(name)["constrained_columns"] for name in OURS}


async def test_tables_columns_types_defaults_and_indexes_agree(infrastructure: Endpoints) -> None:
    assert {"consumer_offset", "handled_message", "outbox", "task", "parked_record", "dead_letter"} <= OURS
    async with feedback(infrastructure) as world:
        engine = create_async_engine(world.url.replace("postgresql://", "postgresql+asyncpg://"))
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
            found = await connection.run_sync(keys)
        await engine.dispose()
    expected = {name: [column.name for column in SQLModel.metadata.tables[name].primary_key] for name in OURS}
    assert found == expected
