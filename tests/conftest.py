"""What all tests share: one real Kafka and PostgreSQL for the whole run, and how examples are tried."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from local.infrastructure import Endpoints
from local.infrastructure import infrastructure as start

# How long an example takes depends on what else the machine does. The same examples in each run, so that a change
# is judged by itself; `--hypothesis-profile=long` looks for new ones.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True)
hypothesis.settings.register_profile("long", deadline=None, max_examples=10_000)
hypothesis.settings.load_profile("tests")


class _Together(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    """Gives one process the tests of a file, and those of the browser, which share one `make up`."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "browser" if file.startswith("tests/browser/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Tell how tests are shared out with `--dist loadfile`."""
    return _Together(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def infrastructure() -> Iterator[Endpoints]:
    """Kafka and PostgreSQL; they start with the first test that asks for them."""
    with TemporaryDirectory(prefix="infrastructure-") as directory, start(Path(directory)) as endpoints:
        yield endpoints
