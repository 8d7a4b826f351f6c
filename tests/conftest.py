"""What all tests with real Kafka and PostgreSQL share: one of each for the whole run."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from local.infrastructure import Endpoints
from local.infrastructure import infrastructure as start


@pytest.fixture(scope="session")
def infrastructure() -> Iterator[Endpoints]:
    """Kafka and PostgreSQL; they start with the first test that asks for them."""
    with TemporaryDirectory(prefix="infrastructure-") as directory, start(Path(directory)) as endpoints:
        yield endpoints
