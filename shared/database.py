"""PostgreSQL as the services use it: a pool, whole batches in one statement, and what "away" means.

Tables are SQLModel classes; the statements for batches are made from them once, so that a batch of any size
is one round trip with one array for each column (`unnest`), which PostgreSQL takes many times faster than a row
at a time. The message path speaks asyncpg directly; see docs/adr for what that was measured to be worth.
"""

import asyncio
import contextlib
import traceback
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql
from sqlmodel import SQLModel

# asyncpg's classes take their parameter only in its type stubs.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

CLOSE_S_MAX: Final = 5
"""How long closing a pool takes at most."""

_HALF_WAY_S_MAX: Final = 10

SESSION: Final = {
    # Estimates for arrays are guesses; compiling for them costs more than the statements do.
    "jit": "off",
    # What waited for a lock must see what the other one did, whatever the server's default is.
    "default_transaction_isolation": "read committed",
    # A process that was stopped, or lost its network, half way holds its locks no longer than this.
    "idle_in_transaction_session_timeout": f"{_HALF_WAY_S_MAX}s",
    "application_name": "back office",
}
"""The settings of each session of a service."""

# The same for one that stopped inside of a statement, such as a COPY with rows to come, or an answer of which it
# reads no more: no setting of PostgreSQL ends a session that waits for its client there. Only sessions of the same
# service, so that nobody's backup is among them.
_ABANDONED: Final = """
    select count(pg_terminate_backend(pid)) from pg_stat_activity
    where datname = current_database() and usename = current_user
        and application_name = current_setting('application_name')
        and state = 'active' and wait_event_type = 'Client'
        and state_change < now() - make_interval(secs => $1)
"""

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # What asyncpg makes of a connection that breaks while it is being put back into the pool.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCatalogNameError,
    # It takes no connections, as `alter database … allow_connections false` says.
    asyncpg.ObjectNotInPrerequisiteStateError,
    # A table was restored without its rights, or made by another user: no record is at fault.
    asyncpg.InsufficientPrivilegeError,
)
"""What is raised when the database is away, full, restarting, closed to us, or asks to try again: wait for it."""

_OF_A_CONNECTION: Final = ("clos", "released", "in progress")


def is_misuse(error: BaseException) -> bool:
    """Tell a wrong call, which waiting does not mend, from a connection that is gone.

    asyncpg raises `InterfaceError` for both.
    """
    return isinstance(error, asyncpg.InterfaceError) and not any(sign in str(error) for sign in _OF_A_CONNECTION)


def is_of_database(error: BaseException) -> bool:
    """Tell what asyncpg raised from an `OSError` (`TimeoutError` is one) of somebody else, such as of a file."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return not isinstance(error, OSError) or any(
        frame.f_globals.get("__name__", "").startswith("asyncpg.") for frame in frames
    )


async def connect(url: str, *, connections_max: int = 10) -> Pool:
    """Open a pool; statements are given up after a minute, so that a lost network cannot hold one for ever."""
    pool: Pool = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=connections_max,
        command_timeout=60,
        timeout=10,
        max_inactive_connection_lifetime=300,
        server_settings=SESSION,
    )
    return pool


async def close(pool: Pool, *, within_s: float = CLOSE_S_MAX) -> None:
    """Close a pool; what still uses it after that time loses its connections with the process."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await pool.close()


async def end_abandoned(pool: Pool) -> int:
    """End sessions of this service that wait for their process inside of a statement; return how many."""
    ended: int = await pool.fetchval(_ABANDONED, _HALF_WAY_S_MAX)
    return ended


def table(model: type[SQLModel]) -> Table:
    """Return the table that a SQLModel class describes."""
    found: Table = model.__table__  # type: ignore[attr-defined]  # set by SQLModel's metaclass
    return found


@cache
def _arrays(model: type[SQLModel], columns: tuple[str, ...]) -> str:
    """Return `unnest($1::text[], …)` with the columns' own types."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap
    types = (f"{table(model).c[column].type.compile(dialect)}[]" for column in columns)
    return "unnest(" + ", ".join(f"${number}::{name}" for number, name in enumerate(types, 1)) + ")"


@cache
def insert_statement(model: type[SQLModel], columns: tuple[str, ...], on_conflict: str = "") -> str:
    """Return the statement that inserts any number of rows, given one array for each column.

    `on_conflict` is what follows `on conflict`, such as `do nothing`; without it a conflict is an error.
    """
    conflict = f" on conflict {on_conflict}" if on_conflict else ""
    names = ", ".join(columns)
    return f"insert into {table(model).name} ({names}) select * from {_arrays(model, columns)}{conflict}"


@cache
def _update(model: type[SQLModel], columns: tuple[str, ...]) -> str:
    keys = [column.name for column in table(model).primary_key]
    sets = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in keys)
    return f"({', '.join(keys)}) do update set {sets}"


def arrays(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Return rows as one array for each column, as a statement with `unnest` takes them.

    Raises:
        ValueError: there are no rows, so nobody knows how many columns.
    """
    if not rows:
        raise ValueError("no rows")
    return [list(column) for column in zip(*rows, strict=True)]


async def insert(
    connection: Connection, model: type[SQLModel], columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert new rows (tuples in the order of `columns`) by COPY; a key that is there already is an error."""
    if rows:
        await connection.copy_records_to_table(table(model).name, records=rows, columns=columns)


async def upsert(
    connection: Connection, model: type[SQLModel], columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows, or update those whose primary key is there already, in one statement."""
    if rows:
        statement = insert_statement(model, columns, _update(model, columns))
        await connection.execute(statement, *arrays(rows))
