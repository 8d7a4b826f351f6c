"""What the tests watch processes with."""

import time
from collections.abc import Callable

import psutil

_POLL_S = 0.05


def wait_until(happened: Callable[[], bool], within_s: float = 10) -> None:
    """Poll until it happened; an AssertionError if it did not in time."""
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen within {within_s} s"
        time.sleep(_POLL_S)


def has_ended(pid: int) -> bool:
    """Whether this process runs no more, also when nobody has asked for its exit code yet."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def below(pid: int) -> list[int]:
    """The processes that this one started, and those that they did."""
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]
