"""The stylesheets and scripts, read once: each under an address that changes with its content, kept for ever."""

import gzip
import hashlib
import mimetypes
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response

from portal.guarding import not_found

OWN = Path(__file__).parent / "static"
_FOREVER = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}


class StaticFiles:
    """The files of some folders by their names; a later folder wins."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._files: dict[str, tuple[bytes, bytes, str, str]] = {}
        for folder in folders:
            for path in sorted(folder.iterdir()):
                content = path.read_bytes()
                version = hashlib.sha256(content).hexdigest()[:12]
                kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                self._files[path.name] = (content, gzip.compress(content, mtime=0), kind, version)

    def address(self, name: str) -> str:
        """Return the address of a file.

        Raises:
            KeyError: there is no such file.
        """
        return f"/static/{self._files[name][3]}/{name}"

    def answer(self, request: Request, version: str, name: str) -> Response:
        """Return the file; an old version's address shows the new one, but nobody keeps it."""
        if name not in self._files:
            raise not_found()
        content, packed, kind, present = self._files[name]
        headers = {"content-type": kind} | (_FOREVER if version == present else {})
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(packed, HTTPStatus.OK, headers | {"content-encoding": "gzip"})
        return Response(content, HTTPStatus.OK, headers)
