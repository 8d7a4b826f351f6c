"""Waiting for what a process needs and what is not there yet, and for the signal that ends it."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import asyncpg
import structlog

from shared.database import AWAY, is_misuse

T = TypeVar("T")

_AGAIN_S: Final = 0.5

log = structlog.get_logger(__name__)


async def when_there(
    what: str, step: Callable[[], Coroutine[Any, Any, T]], away: tuple[type[Exception], ...] = AWAY
) -> T:
    """Do a step once what it needs is there; a service may be started before it.

    Args:
        what: what it needs, for the log.
        step: done again until it raises none of `away`.
        away: what is raised while it is not there.
    """
    while True:
        try:
            return await step()
        except away as error:
            # A right that is missing at the start is told at once, by who set the process up wrongly.
            if is_misuse(error) or isinstance(error, asyncpg.InsufficientPrivilegeError):
                raise
            log.warning("waiting for what is not there yet", kind=what, error_type=type(error).__name__)
            await asyncio.sleep(_AGAIN_S)


async def until_signal(step: Coroutine[Any, Any, None]) -> None:
    """Do what a process is for until SIGTERM or SIGINT cancels it, be it still waiting or well under way."""
    doing = asyncio.create_task(step)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, doing.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await doing
