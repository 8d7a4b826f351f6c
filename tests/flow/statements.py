"""The statements of a service's modules, and whether PostgreSQL can run them without reading a whole table."""

import re
from types import ModuleType

from shared.database import Pool


def statements(*modules: ModuleType) -> dict[str, str]:
    """Return the statements with parameters that modules have by name."""
    return {
        f"{module.__name__}.{name}": sql
        for module in modules
        for name, sql in vars(module).items()
        if isinstance(sql, str) and re.match(r"\s*(with|select|update|delete|insert)\b.*\$1", sql, re.DOTALL)
    }


async def plan_of(pool: Pool, sql: str) -> str:
    """Return how a statement is run, whatever its parameters, where no index is too small to be used."""
    nothing = ", ".join(["null"] * len(set(re.findall(r"\$\d+", sql))))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local enable_seqscan = off; set local plan_cache_mode = force_generic_plan")
        await connection.execute(f"prepare looked_at as {sql}")
        plan = await connection.fetch(f"explain execute looked_at({nothing})")
        await connection.execute("deallocate looked_at")
    return "\n".join(line for (line,) in plan)
