"""Ends every child process when this process ends, however it ends: also by SIGKILL.

A guard process of its own session reads from a pipe whose only writer is this process, and is told there
which children live. When the pipe ends, so has this process, and the guard kills what is left.
Unlike a parent-death signal this works on every Unix, with threads, and for children that change their user.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from types import TracebackType
from typing import Self


class Tether:
    """Holds child processes that lead process groups (`start_new_session=True`)."""

    def __enter__(self) -> Self:
        reader, self._writer = os.pipe()
        self._guard = subprocess.Popen(  # noqa: S603 (it is this file)
            [sys.executable, "-I", __file__], stdin=reader, start_new_session=True
        )
        os.close(reader)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._writer)
        self._guard.wait()

    def hold(self, pid: int) -> None:
        """This child is to end when this process ends."""
        os.write(self._writer, b"+%d\n" % pid)

    def release(self, pid: int) -> None:
        """This child has ended; another process may get its number."""
        os.write(self._writer, b"-%d\n" % pid)


def guard(lines: Iterable[str]) -> None:
    """Follow which process groups live; when the lines end, kill them."""
    held: set[int] = set()
    for line in lines:
        pid = int(line[1:])
        if line[0] == "+":
            held.add(pid)
        else:
            held.discard(pid)
    for pid in held:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    guard(sys.stdin)
