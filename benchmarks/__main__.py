"""Measure everything, each figure beside its yardsticks: `make bench`, or `python -m benchmarks NAME …`."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks import figures, payment_intake
from local.infrastructure import Endpoints, infrastructure

BENCHMARKS: dict[str, Callable[[Endpoints], Awaitable[figures.Figure]]] = {
    "payment_intake": payment_intake.run,
}


def main() -> None:
    """Run the benchmarks that were named, or all; each has Kafka and PostgreSQL of its own."""
    names = sys.argv[1:] or list(BENCHMARKS)
    found = []
    for name in names:
        with TemporaryDirectory(prefix="bench-") as directory, infrastructure(Path(directory)) as endpoints:
            figure = uvloop.run(_measure(BENCHMARKS[name], endpoints))
        print(figures.show(figure), flush=True)
        found.append(figure)
    figures.keep(found, Path(os.environ.get("LOCAL_DIR") or ".local") / "bench.json")


async def _measure(
    benchmark: Callable[[Endpoints], Awaitable[figures.Figure]], endpoints: Endpoints
) -> figures.Figure:
    return await asyncio.ensure_future(benchmark(endpoints))


if __name__ == "__main__":
    main()
