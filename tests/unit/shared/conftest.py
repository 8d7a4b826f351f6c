from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from tests.unit.shared.servers import Identity, identity, served
from tests.unit.shared.small_service import Service


@pytest_asyncio.fixture(name="provider", scope="module")
async def running_provider() -> AsyncIterator[Identity]:
    async with identity() as provider:
        yield provider


@pytest.fixture(name="service", scope="module")
def a_service() -> Service:
    return Service()


@pytest_asyncio.fixture(name="client", scope="module")
async def client_of_the_service(service: Service, provider: Identity) -> AsyncIterator[ClientSession]:
    async with served(service.api(provider)) as client:
        yield client
