"""A virus scanner: ClamAV's daemon by its protocol; it knows one virus, the one that scanners are tested with.

It looks into zips, and into zips within them, as far as the bytes that it takes.
"""

import asyncio
import io
import lzma
import struct
import zipfile
import zlib
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

EICAR: Final = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-" + b"TEST-FILE!$H+H*"
"""Harmless; in two pieces, so that a scanner that looks at this source does not find it."""

BYTES_MAX: Final = 100 * 1024 * 1024
_COMMAND_MAX: Final = 1024
_DEPTH_MAX: Final = 4


class ScannerBehaviour(BaseModel):
    """Whether the scanner answers; one that is away hangs up on everybody."""

    behaviour: Literal["ok", "away"]


class ScannerServer:
    """Scans what it is sent by `zINSTREAM`, in parts with their lengths; `zPING` asks whether it is there."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._server: asyncio.Server | None = None
        self.is_away = False

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        assert self._server is not None  # noqa: S101  # it was started
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the port cannot be had.
        """
        self._server = await asyncio.start_server(self._serve, host, port, limit=_COMMAND_MAX)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not self.is_away:
                writer.write(await self._answer(reader) + b"\0")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, or speaks something else
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        match await reader.readuntil(b"\0"):
            case b"zPING\0":
                return b"PONG"
            case b"zINSTREAM\0":
                return await self._scan(reader)
            case _:
                return b"UNKNOWN COMMAND"

    async def _scan(self, reader: asyncio.StreamReader) -> bytes:
        content = bytearray()
        while length := struct.unpack(">I", await reader.readexactly(4))[0]:
            if len(content) + length > self._bytes_max:
                return b"INSTREAM size limit exceeded. ERROR"
            content += await reader.readexactly(length)
        is_found = await asyncio.to_thread(_is_infected, bytes(content), self._bytes_max)
        return b"stream: Eicar-Test-Signature FOUND" if is_found else b"stream: OK"


def _is_infected(content: bytes, unpacked_max: int, depth: int = 0) -> bool:
    if EICAR in content:
        return True
    if depth == _DEPTH_MAX or not content.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(
                _is_infected(archive.open(one).read(unpacked_max), unpacked_max, depth + 1)
                for one in archive.infolist()
            )
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, ValueError, OSError, EOFError):
        return False  # as ClamAV says of what it cannot open


async def _scanner(request: Request) -> ScannerServer:
    scanner: ScannerServer = request.app.state.scanner
    return scanner


router = APIRouter(prefix="/scanner", tags=["scanner"])


@router.post("/behaviour")
async def behave(
    behaviour: ScannerBehaviour, scanner: Annotated[ScannerServer, Depends(_scanner)]
) -> ScannerBehaviour:
    """Choose whether the scanner answers: ok or away."""
    scanner.is_away = behaviour.behaviour == "away"
    return behaviour
