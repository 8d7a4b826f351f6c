"""How a service speaks with a process of its own over pipes: frames, four bytes of length and as many bytes."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

LENGTH_BYTES: Final = 4
_NICE: Final = 5


def head(content: bytes) -> bytes:
    """Return what a frame begins with."""
    return len(content).to_bytes(LENGTH_BYTES)


def serve(begin: Callable[[], Callable[[bytes], bytes]]) -> None:
    """Answer frame after frame until the input ends; `begin` makes what answers.

    What it raises ends the process with the error's class: its message may hold what was in the frame.
    """
    # Ctrl-C in a terminal reaches the whole group; the service ends this process by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    # What a library prints must not come between the frames.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answer = begin()
    for content in _frames(sys.stdin.buffer):
        try:
            answered = answer(content)
        except Exception as error:  # noqa: BLE001  # told by its class
            sys.exit(type(error).__name__)
        out.write(head(answered))
        out.write(answered)
        out.flush()


def _frames(stream: BinaryIO) -> Iterator[bytes]:
    while length := stream.read(LENGTH_BYTES):
        yield stream.read(int.from_bytes(length))
