"""One portal for all tests of pages, as it was at the start for each."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.unit.portal.world import World, portal


@pytest_asyncio.fixture(scope="session")
async def whole_portal() -> AsyncIterator[World]:
    async with portal() as world:
        yield world


@pytest.fixture
def world(whole_portal: World) -> World:
    """The portal, its services and its commands, without anything said or asked."""
    whole_portal.forget()
    return whole_portal
