"""The object store for files: each content once, under its SHA-256."""

from collections.abc import AsyncIterator
from typing import Final

import obstore
from obstore.store import ObjectStore, from_url

_PART_BYTES: Final = 64 * 1024


def open_store(url: str) -> ObjectStore:
    """Return the store at a URL: S3, Azure, GCS, or a folder (`file:///…`)."""
    return from_url(url, mkdir=True, automatic_cleanup=True) if url.startswith("file:") else from_url(url)


class Files:
    """The files in a store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, sha256: str, content: bytes) -> None:
        """Keep a content; one that is there already stays.

        Raises:
            obstore.exceptions.BaseError: the store does not take it.
        """
        await obstore.put_async(self._store, _path(sha256), content)

    async def get(self, sha256: str) -> bytes:
        """Return a content.

        Raises:
            FileNotFoundError: it is not there.
            obstore.exceptions.BaseError: the store does not answer.
        """
        found = await obstore.get_async(self._store, _path(sha256))
        return bytes(await found.bytes_async())

    async def stream(self, sha256: str) -> AsyncIterator[bytes]:
        """Return a content in parts of some 64 KiB; raises as `get`."""
        found = await obstore.get_async(self._store, _path(sha256))

        async def parts() -> AsyncIterator[bytes]:
            # A part is held until its reader has taken it, however slow; obstore's own are of 10 MiB.
            async for part in found.stream(min_chunk_size=_PART_BYTES):
                yield bytes(part)

        return parts()


def _path(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"
