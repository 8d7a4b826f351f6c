"""The service's side of reading pictures: one process, started when first needed, one picture at a time."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from services.insurance.ocr import LENGTH_BYTES, READ, Read

TIMEOUT_S: Final = 60.0
"""For one picture; the start of the process is a part of it."""
WAITING_MAX: Final = 4
IDLE_S: Final = 600.0
"""A process that nobody needs for so long gives its memory back."""
_COMMAND: Final = (sys.executable, "-m", "services.insurance.ocr")
_ROOT: Final = Path(__file__).parents[3]
_ENVIRONMENT: Final = {
    "PATH": os.defpath,
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # or onnxruntime tells its makers how it is used
}
"""All that the process is told: it opens files of strangers, so it knows no secret."""
_BROKEN: Final = (TimeoutError, OSError, EOFError, ValueError)

log = structlog.get_logger(__name__)


class BusyError(Exception):
    """So many pictures wait already that another would wait too long."""


class ReaderFailedError(Exception):
    """The process took too long or broke down on a picture; it begins anew with the next one."""


class Reader:
    """Reads text in pictures.

    Args:
        command: the process; it speaks in frames, see `services.insurance.ocr`.
        timeout_s: of one picture.
        waiting_max: how many may wait beside the one that is read.
        idle_s: after so long without a picture the process ends.
    """

    def __init__(
        self,
        command: Sequence[str] = _COMMAND,
        timeout_s: float = TIMEOUT_S,
        waiting_max: int = WAITING_MAX,
        idle_s: float = IDLE_S,
    ) -> None:
        self._command, self._timeout_s = command, timeout_s
        self._waiting_max, self._idle_s = waiting_max, idle_s
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._here = 0
        self._idle: asyncio.TimerHandle | None = None

    async def read(self, picture: bytes) -> Read:
        """Return what a picture says.

        Raises:
            BusyError: too many wait.
            ReaderFailedError: there is no answer to be had for this picture.
        """
        if self._here > self._waiting_max:
            raise BusyError
        self._here += 1
        try:
            async with self._turn:
                return await self._read(picture)
        finally:
            self._here -= 1

    async def close(self) -> None:
        """End the process, whatever it does."""
        self._rest()
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _read(self, picture: bytes) -> Read:
        self._rest()
        try:
            async with asyncio.timeout(self._timeout_s):
                read = await self._exchange(picture)
        except BaseException as error:
            # Left in the middle, the process would answer the next picture with what this one says.
            await self.close()
            if isinstance(error, _BROKEN):
                log.warning("the reader of pictures begins anew", error_type=type(error).__name__)
                raise ReaderFailedError from None
            raise
        self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._let_go)
        return read

    async def _exchange(self, picture: bytes) -> Read:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, cwd=_ROOT, env=_ENVIRONMENT
            )
        if process.stdin is None or process.stdout is None:
            raise BrokenPipeError
        process.stdin.write(len(picture).to_bytes(LENGTH_BYTES) + picture)
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES))
        return READ.validate_json(await process.stdout.readexactly(length))

    def _rest(self) -> None:
        """Forget when the process would end for want of work."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _let_go(self) -> None:
        """End the process politely: it ends when its input does."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
