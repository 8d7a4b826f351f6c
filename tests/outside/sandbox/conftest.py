"""Each test has a sandbox of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.outside.sandbox.world import World, served


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A sandbox where nothing has happened yet."""
    async with served(tmp_path) as world:
        yield world
