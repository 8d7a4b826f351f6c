"""A broker that goes down hangs up as one does that expects another protocol; only the second keeps doing it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.messaging.broker import RefusedError, reach
from shared.settings import KafkaSettings

NOWHERE = "127.0.0.1:1"


class Server:
    """Hangs up on its callers, having read what they say or not; it may go away after some."""

    def __init__(self, callers_max: int | None = None) -> None:
        self.callers = 0
        self._callers_max = callers_max
        self._server: asyncio.Server | None = None

    async def hang_up(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.callers += 1
        if self.callers == self._callers_max and self._server is not None:
            self._server.close()
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Give its address."""
        self._server = await asyncio.start_server(self.hang_up, "127.0.0.1", 0)
        try:
            yield f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        finally:
            self._server.close()


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
async def test_a_broker_that_only_ever_hangs_up_expects_another_protocol(protocol: str) -> None:
    server = Server()
    async with server.running() as address:
        with pytest.raises(RefusedError, match="KAFKA_SECURITY_PROTOCOL"):
            await reach(KafkaSettings(bootstrap_servers=address, security_protocol=protocol), again_s=0.01)
    assert server.callers > 1


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
async def test_a_broker_that_hangs_up_and_is_gone_was_going_down(protocol: str) -> None:
    async with Server(callers_max=2).running() as address:
        with pytest.raises(ConnectionRefusedError):
            await reach(KafkaSettings(bootstrap_servers=address, security_protocol=protocol), again_s=0.01)


async def test_a_bootstrap_server_that_hangs_up_is_heard_of_though_another_is_not_there() -> None:
    async with Server().running() as address:
        with pytest.raises(RefusedError, match="KAFKA_SECURITY_PROTOCOL"):
            await reach(KafkaSettings(bootstrap_servers=f"{address},{NOWHERE}"), again_s=0.01)
