"""The service's side of drawing previews."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from services.inbox.previews import PDF, PICTURES, asking
from shared.apart import Apart, BrokeDownError

CONTENT_TYPE: Final = "image/jpeg"
TIMEOUT_S: Final = 10.0
"""The start of the process is a part of it."""
_WAITING_MAX: Final = 32
_COMMAND: Final = ("-m", "services.inbox.previews")
_FAILURES_MAX: Final = 2
_REMEMBERED_MAX: Final = 1000


class NoPreviewError(Exception):
    """There is no picture of this file: of its kind, of that page, or because it cannot be drawn."""


class Previewer:
    """Draws one file after the other, and remembers those without a picture: to find that out may take long."""

    def __init__(self, command: Sequence[str] = _COMMAND, timeout_s: float = TIMEOUT_S) -> None:
        self._apart = Apart(command, bytes, timeout_s=timeout_s, waiting_max=_WAITING_MAX)
        self._failures: dict[tuple[str, int], int] = {}

    async def preview(
        self, content_type: str, page: int, sha256: str, fetch: Callable[[], Awaitable[bytes]]
    ) -> bytes:
        """Return a JPEG of a picture, or of a page (from 1) of a PDF.

        Raises:
            NoPreviewError: there is none.
            BusyError: too many wait.
        """
        which = sha256, page
        drawable = content_type == PDF or (content_type in PICTURES and page == 1)
        if not drawable or self._is_undrawn(which):
            raise NoPreviewError

        async def asked() -> bytes:
            if self._is_undrawn(which):  # as it was found while this one waited
                raise NoPreviewError
            return asking(content_type, page, await fetch())

        try:
            drawn = await self._apart.ask(asked)
        except BrokeDownError:
            # Once may have been the machine's fault, twice is the file's.
            self._failed(which, self._failures.get(which, 0) + 1)
            raise NoPreviewError from None
        if not drawn:
            self._failed(which, _FAILURES_MAX)
            raise NoPreviewError
        return drawn

    def _is_undrawn(self, which: tuple[str, int]) -> bool:
        return self._failures.get(which, 0) >= _FAILURES_MAX

    def _failed(self, which: tuple[str, int], times: int) -> None:
        self._failures[which] = times
        if len(self._failures) > _REMEMBERED_MAX:
            del self._failures[next(iter(self._failures))]

    async def close(self) -> None:
        """End the process."""
        await self._apart.close()
