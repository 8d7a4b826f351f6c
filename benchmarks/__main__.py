"""Measure everything, each figure beside its yardsticks: `make bench`, or `python -m benchmarks NAME …`."""

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks import (
    backlog,
    figures,
    latency,
    lists,
    logout_storm,
    messages_routed,
    payment_intake,
    payment_path,
    statements_alerted,
)
from local.infrastructure import Endpoints, infrastructure

BENCHMARKS: dict[str, Callable[[Endpoints], Awaitable[figures.Figure]]] = {
    "payment_intake": payment_intake.run,
    "payment_path": payment_path.run,
    "messages_routed": messages_routed.run,
    "statements_alerted": statements_alerted.run,
    "logout_storm": logout_storm.run,
    "lists_at_a_million": lists.run,
    "click_to_outcome": latency.run,
    "memory_with_backlog": backlog.run,
}


def main() -> None:
    """Run the benchmarks that were named, or all; each has Kafka and PostgreSQL of its own."""
    names, found, failed = sys.argv[1:] or list(BENCHMARKS), [], []
    for name in names:
        try:
            with TemporaryDirectory(prefix="bench-") as directory, infrastructure(Path(directory)) as endpoints:
                figure = uvloop.run(_measured(BENCHMARKS[name], endpoints))
        except (AssertionError, TimeoutError) as error:
            failed.append(f"{name}: {type(error).__name__} {error}")
            continue
        print(figures.show(figure), flush=True)
        found.append(figure)
        figures.keep(found, Path(os.environ.get("LOCAL_DIR") or ".local") / "bench.json")
    if failed:
        sys.exit("\n".join(failed))


async def _measured(
    benchmark: Callable[[Endpoints], Awaitable[figures.Figure]], endpoints: Endpoints
) -> figures.Figure:
    return await benchmark(endpoints)


if __name__ == "__main__":
    main()
