"""Free TCP ports on the loopback interface."""

import itertools
import os
import socket
from collections.abc import Iterator

# Below the ports that systems give to outgoing connections: a client that reconnects to a server which is
# down could otherwise be given that very port, and the server could not come back on it.
_FIRST, _LAST = 20_000, 29_999
_PER_PROCESS = 64

# Launchers that start at the same moment look at different ports.
_offset = os.getpid() * _PER_PROCESS % (_LAST - _FIRST)
_candidates: Iterator[int] = itertools.cycle([*range(_FIRST + _offset, _LAST), *range(_FIRST, _FIRST + _offset)])


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, and which this process was not given before."""
    return next(port for port in _candidates if is_free(port))


def is_free(port: int) -> bool:
    """Whether a server can listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier server that are still winding down are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
