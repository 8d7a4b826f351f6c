"""Ends every child process when this process ends, however it ends: also by SIGKILL.

A guard process of its own session reads from a pipe whose only writer is this process, and is told there
which children live, and which file is true only as long. When the pipe ends, so has this process, and the guard
removes the file and kills what is left.
Unlike a parent-death signal this works on every Unix, with threads, and for children that change their user.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
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

    def remove(self, file: Path) -> None:
        """This file is to be gone when this process ends."""
        os.write(self._writer, os.fsencode(file.resolve()) + b"\n")

    def release(self, pid: int) -> None:
        """This child has ended; another process may get its number."""
        os.write(self._writer, b"-%d\n" % pid)


def guard(lines: Iterable[str]) -> None:
    """Follow which process groups live and which files are true; when the lines end, end both."""
    held: set[int] = set()
    files: set[Path] = set()
    for line in lines:
        match line[0]:
            case "+":
                held.add(int(line))
            case "-":
                held.discard(-int(line))
            case _:
                files.add(Path(line.removesuffix("\n")))
    for file in files:
        file.unlink(missing_ok=True)
    for pid in held:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    guard(sys.stdin)
