"""ClamAV's daemon, over its own protocol: `zINSTREAM`, then the content in parts with their lengths.

A file beyond the daemon's limits counts as clean there unless it runs with `AlertExceedsMax`, an encrypted archive
unless with `AlertEncryptedArchive`; a stream that is too long for it is an error, and is not taken for clean here.
"""

import asyncio
import struct
from typing import Final, Literal

from shared.messaging.handlers import TaskFailedError

_PART: Final = 256 * 1024
_ANSWER_MAX: Final = 4096
_LIMITS: Final = ("size limit exceeded", "Heuristics.Limits.Exceeded", "Heuristics.Encrypted")

Verdict = Literal["clean", "infected", "not_scannable"]


class Clamd:
    """The daemon at `host:port`."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._host, self._port, self._timeout_s = host, port, timeout_s

    async def scan(self, content: bytes) -> Verdict:
        """Have a content scanned.

        Raises:
            TaskFailedError: it was not reached, or did not say.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._ask(content)
        except (OSError, TimeoutError, asyncio.LimitOverrunError, asyncio.IncompleteReadError) as error:
            raise TaskFailedError("scanner_away") from error
        if answer.endswith("OK"):
            return "clean"
        if any(limit in answer for limit in _LIMITS):
            return "not_scannable"
        if answer.endswith("FOUND"):
            return "infected"
        raise TaskFailedError("scanner_failed")

    async def _ask(self, content: bytes) -> str:
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=_ANSWER_MAX)
        try:
            writer.write(b"zINSTREAM\0")
            try:
                for start in range(0, len(content), _PART):
                    part = content[start : start + _PART]
                    writer.write(struct.pack(">I", len(part)) + part)
                    await writer.drain()
                writer.write(struct.pack(">I", 0))
                await writer.drain()
            except ConnectionError:
                # It hangs up on what is too long for it, after it has said so.
                pass
            return (await reader.readuntil(b"\0")).rstrip(b"\0").decode(errors="replace").strip()
        finally:
            writer.close()
