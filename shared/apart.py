"""Files of strangers are opened apart: by a process of its own, which knows no secret and can be killed.

It is started when first needed, takes one file at a time, and answers in frames (see `shared.frames`).
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog

from shared.frames import LENGTH_BYTES, head

IDLE_S: Final = 600.0
"""A process that nobody needs for so long gives its memory back."""
_ROOT: Final = Path(__file__).parents[1]
_BROKEN: Final = (TimeoutError, OSError, EOFError, ValueError)

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


class BusyError(Exception):
    """So many files wait already that another would wait too long."""


class BrokeDownError(Exception):
    """The process took too long or broke down on a file; it begins anew with the next one."""


class Apart(Generic[Answer]):
    """Asks a process about files.

    Args:
        command: the process, as arguments of Python; it answers each frame with one, see `shared.frames`.
        understand: reads an answer; a ValueError means that the process has broken down.
        timeout_s: of one file; the start of the process is a part of it.
        waiting_max: how many may wait beside the one that is looked at.
        idle_s: after so long without a file the process ends.
        environment: all that it is told beside the path.
    """

    def __init__(
        self,
        command: Sequence[str],
        understand: Callable[[bytes], Answer],
        *,
        timeout_s: float,
        waiting_max: int,
        idle_s: float = IDLE_S,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command, self._understand = command, understand
        self._timeout_s, self._waiting_max, self._idle_s = timeout_s, waiting_max, idle_s
        self._environment = {"PATH": os.defpath, **(environment or {})}
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._here = 0
        self._idle: asyncio.TimerHandle | None = None

    async def ask(self, fetch: Callable[[], Awaitable[bytes]]) -> Answer:
        """Return the answer to what `fetch` gives: called when it is its turn, so that none waits in memory.

        Raises:
            BusyError: too many wait.
            BrokeDownError: there is no answer to be had about this file.
        """
        if self._here > self._waiting_max:
            raise BusyError
        self._here += 1
        try:
            async with self._turn:
                return await self._answer(await fetch())
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

    async def _answer(self, content: bytes) -> Answer:
        self._rest()
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = self._understand(await self._exchange(content))
        except BaseException as error:
            # Left in the middle, the process would answer the next file with what this one says.
            await self.close()
            if isinstance(error, _BROKEN):
                log.warning("a process that opens files begins anew", error_type=type(error).__name__)
                raise BrokeDownError from None
            raise
        self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._let_go)
        return answer

    async def _exchange(self, content: bytes) -> bytes:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable, *self._command, stdin=PIPE, stdout=PIPE, cwd=_ROOT, env=self._environment
            )
        if process.stdin is None or process.stdout is None:
            raise BrokenPipeError
        process.stdin.writelines((head(content), content))
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES))
        return await process.stdout.readexactly(length)

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
