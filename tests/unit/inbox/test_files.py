"""Files in the object store, as they are handed out."""

import hashlib
from pathlib import Path

from services.inbox.adapters.files import Files, open_store


async def test_a_file_is_handed_out_in_small_parts_so_that_a_slow_reader_holds_little(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8_192
    sha256 = hashlib.sha256(content).hexdigest()
    files = Files(open_store(tmp_path.as_uri()))
    await files.put(sha256, content)

    parts = [part async for part in await files.stream(sha256)]

    assert b"".join(parts) == content
    assert max(len(part) for part in parts) <= 128 * 1024
