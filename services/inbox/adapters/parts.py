"""Uploads under way, in the object store, so that any process can go on with what another began.

`uploads/DAY/ID/begun` says what was announced; each part lies beside it under the offset where it begins. A part
is created where none is and never replaced: the store itself lets one of two writers win, and the parts always
follow each other without a gap. `DAY` is when the upload has expired for certain.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore
from pydantic import AwareDatetime, BaseModel, ConfigDict

PARTS_MAX: Final = 1000
"""As many as a store lists at once."""
_ROOT: Final = "uploads"
_BEGUN: Final = "begun"
_FORGOTTEN_MAX: Final = 2 * PARTS_MAX


class Begun(BaseModel):
    """What was announced of a file: whose it is, and `size` in bytes."""

    model_config = ConfigDict(frozen=True)

    patient_id: str
    uploaded_by: str
    name: str
    size: int
    expires_at: AwareDatetime


class TakenError(Exception):
    """Another writer was first at this offset."""


class Parts:
    """The uploads under way in a store; an id begins with the day after which nothing of it is needed.

    Every method raises `obstore.exceptions.BaseError` while the store does not answer.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def begin(self, upload_id: str, begun: Begun) -> None:
        """Note what will come."""
        content = begun.model_dump_json().encode()
        await obstore.put_async(self._store, f"{_folder(upload_id)}/{_BEGUN}", content)

    async def begun(self, upload_id: str) -> Begun | None:
        """Return what was announced; nothing of an upload that is not there."""
        try:
            found = await obstore.get_async(self._store, f"{_folder(upload_id)}/{_BEGUN}")
        except FileNotFoundError:
            return None
        return Begun.model_validate_json(bytes(await found.bytes_async()))

    async def received(self, upload_id: str) -> Sequence[int]:
        """Return the size of each part in their order; their sum is the offset to go on at."""
        return [size for _, size in await self._listed(upload_id)]

    async def add(self, upload_id: str, offset: int, content: bytes) -> None:
        """Keep a part that begins where the one before it ends.

        Raises:
            TakenError: there is a part already.
        """
        try:
            await obstore.put_async(self._store, f"{_folder(upload_id)}/{offset:012d}", content, mode="create")
        except AlreadyExistsError:
            raise TakenError from None

    async def content(self, upload_id: str, size: int) -> bytes:
        """Return all parts as one.

        Raises:
            FileNotFoundError: another process has removed them meanwhile.
        """
        parts = await asyncio.gather(*[self._part(path) for path, _ in await self._listed(upload_id)])
        if sum(map(len, parts)) != size:
            raise FileNotFoundError
        return b"".join(parts)

    async def remove(self, upload_id: str) -> None:
        """Forget an upload."""
        await self._remove(_folder(upload_id))

    async def remove_expired(self, now: datetime) -> None:
        """Forget a bounded number of the uploads whose day has passed."""
        listed = await obstore.list_with_delimiter_async(self._store, _ROOT)
        for folder in listed["common_prefixes"]:
            if folder.rpartition("/")[2] < _day(now):
                await self._remove(folder)

    async def _listed(self, upload_id: str) -> list[tuple[str, int]]:
        listed = await obstore.list(self._store, _folder(upload_id)).collect_async()
        return sorted((one["path"], one["size"]) for one in listed if not one["path"].endswith(_BEGUN))

    async def _part(self, path: str) -> bytes:
        return bytes(await (await obstore.get_async(self._store, path)).bytes_async())

    async def _remove(self, folder: str) -> None:
        async for listed in obstore.list(self._store, folder, chunk_size=_FORGOTTEN_MAX):
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._store, [one["path"] for one in listed])
            return


def new_id(name: str, expires_at: datetime) -> str:
    """Return an upload's id, in which its day can be read."""
    return f"{_day(expires_at)}-{name}"


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%d}"


def _folder(upload_id: str) -> str:
    return f"{_ROOT}/{upload_id.partition('-')[0]}/{upload_id}"
