"""The connection between a browser and the portal, for tests of what happens while it is gone."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit


class Cable:
    """A connection to the portal that can be pulled out and put back."""

    def __init__(self, portal: str) -> None:
        self._to = urlsplit(portal)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def put_in(self) -> str:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{self._port}"

    def pull_out(self) -> None:
        assert self._server
        self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._to.hostname, self._to.port)
        self._open |= {writer, back}
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        self._open -= {writer, back}

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(65536):
                target.write(chunk)
                await target.drain()
        target.close()
