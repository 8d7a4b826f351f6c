"""The process that draws previews: `python -m services.inbox.previews`, until its input ends."""

import resource
from collections.abc import Callable
from typing import Final

from services.inbox.previews import asked
from services.inbox.previews.drawing import draw
from shared.frames import serve

_MEMORY_BYTES_MAX: Final = 320 * 1024 * 1024
"""A photograph of 25 million pixels takes 280 MB; what takes more has no preview."""


def _drawing() -> Callable[[bytes], bytes]:
    """Return what draws."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES_MAX, _MEMORY_BYTES_MAX))
    return lambda told: draw(*asked(told)) or b""


if __name__ == "__main__":
    serve(_drawing)
