import asyncio
from typing import cast

import asyncpg
import pytest

from shared.database import AWAY, Pool, arrays, close, is_misuse


@pytest.mark.parametrize(
    "message",
    [
        "connection is closed",
        "pool is closing",
        "cannot call Connection.fetch(): connection has been released back to the pool",
        "cannot perform operation: another operation is in progress",
    ],
)
def test_a_connection_that_is_gone_is_waited_for(message: str) -> None:
    error = asyncpg.InterfaceError(message)
    assert isinstance(error, AWAY)
    assert not is_misuse(error)


def test_a_statement_with_the_wrong_arguments_is_a_bug_that_no_waiting_mends() -> None:
    assert is_misuse(asyncpg.InterfaceError("the server expects 3 arguments for this query, 2 were passed"))
    assert not is_misuse(OSError("closed"))


class Busy:
    """A pool whose connections are never given back."""

    async def close(self) -> None:
        await asyncio.Event().wait()


async def test_a_pool_that_is_still_in_use_does_not_hold_up_the_end() -> None:
    async with asyncio.timeout(10):
        await close(cast(Pool, Busy()), within_s=0.01)


def test_rows_become_one_array_for_each_column_and_no_rows_are_no_columns() -> None:
    assert arrays([("a", 1), ("b", 2)]) == [["a", "b"], [1, 2]]
    with pytest.raises(ValueError, match="no rows"):
        arrays([])
