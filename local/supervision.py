"""Keeps processes running: what ends by itself is started again, after waits that grow."""

import time
from collections.abc import Iterable

from local.processes import Process

_WAIT_FIRST_S, _WAIT_MAX_S = 0.5, 30.0
_STEADY_S = 60.0
_POLL_S = 0.1


def keep_running(processes: Iterable[Process]) -> None:
    """Start these running processes again when they end, and tell so, until a signal interrupts."""
    watches = [_Watch(process) for process in processes]
    while True:
        for watch in watches:
            watch.look(time.monotonic())
        time.sleep(_POLL_S)


def next_wait_s(last_wait_s: float, alive_s: float) -> float:
    """How long to wait before starting again what waited `last_wait_s` before and then lived `alive_s`."""
    if last_wait_s == 0 or alive_s >= _STEADY_S:
        return _WAIT_FIRST_S
    return min(2 * last_wait_s, _WAIT_MAX_S)


class _Watch:
    def __init__(self, process: Process) -> None:
        self._process = process
        self._started_at = time.monotonic()
        self._wait_s = 0.0
        self._due_at: float | None = None

    def look(self, now: float) -> None:
        if self._due_at is not None:
            if now >= self._due_at:
                self._process.start()
                self._started_at, self._due_at = now, None
        elif how := self._process.ended():
            self._wait_s = next_wait_s(self._wait_s, now - self._started_at)
            self._due_at = now + self._wait_s
            name, log = self._process.name, self._process.log
            print(f"{name} ended ({how}), starts again in {self._wait_s:g} s; its log: {log}", flush=True)
