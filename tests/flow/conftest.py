"""What flow tests share: logs as a process writes them; left to itself, structlog draws each traceback."""

import pytest

from shared import logs


@pytest.fixture(scope="session", autouse=True)
def _logs() -> None:
    logs.configure("tests")
