"""Ids in the paths of URLs: others chose them, so they may hold any character, also a slash.

`segment` writes an id into a path. ASGI servers decode its `%2F` as if it separated; `Segments` keeps the two
apart, so that a route gets the id as it was.
"""

from typing import Final
from urllib.parse import quote, unquote

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

_SLASH: Final = "\x1f"
"""Stands for a slash inside of a segment while a route is looked for; no id has it."""


def segment(text: str) -> str:
    """Return an id as one segment of a path."""
    return quote(text, safe="")


class Segments:
    """Lets a segment of a path hold an encoded slash."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one call."""
        raw = scope.get("raw_path") or b""
        if b"%2f" in raw.lower():
            path = raw.decode("ascii").replace("%2F", "%1F").replace("%2f", "%1F")
            scope = {**scope, "path": unquote(path)}
        await self._app(scope, receive, send)


class _Segment(StringConvertor):
    def convert(self, value: str) -> str:
        return value.replace(_SLASH, "/")


# There is no setting for one app alone. Routes without `Segments` in front of them never see the sign.
register_url_convertor("str", _Segment())
