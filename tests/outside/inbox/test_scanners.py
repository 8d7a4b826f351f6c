"""The scanner as the inbox meets it: ClamAV itself, with one signature, and the sandbox's in its place."""

import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.ports import free_port, is_free
from sandbox.scanner import EICAR, ScannerServer
from services.inbox.adapters.clamd import Clamd
from shared.messaging.handlers import TaskFailedError
from tests.outside.sandbox.world import served
from tests.watching import wait_until

LIMIT = 1024 * 1024
FILE_LIMIT = LIMIT // 2
TIMEOUT_S = 20
STARTS_S_MAX = 60


@contextmanager
def clamav(folder: Path) -> Iterator[Clamd]:
    """Run ClamAV's daemon; the virus that scanners are tested with is all that it knows."""
    port = free_port()
    (folder / "eicar.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
    (folder / "clamd.conf").write_text(
        f"Foreground yes\nDatabaseDirectory {folder}\nTCPAddr 127.0.0.1\nTCPSocket {port}\n"
        f"StreamMaxLength {LIMIT}\nMaxFileSize {FILE_LIMIT}\nAlertExceedsMax yes\nAlertEncryptedArchive yes\n"
    )
    program = shutil.which("clamd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "ClamAV's daemon is needed: install the package clamav-daemon"
    command = [program, "--config-file", str(folder / "clamd.conf")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  # found above
    try:
        wait_until(lambda: process.poll() is not None or not is_free(port), STARTS_S_MAX)
        assert process.poll() is None, "ClamAV's daemon ended"
        yield Clamd("127.0.0.1", port, TIMEOUT_S)
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


@pytest.fixture(name="clamd", params=["the sandbox", "ClamAV"])
async def a_scanner(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Clamd]:
    """A scanner that takes streams of up to `LIMIT`."""
    if request.param == "ClamAV":
        with clamav(tmp_path) as scanner:
            yield scanner
        return
    server = ScannerServer(bytes_max=LIMIT)
    await server.start("127.0.0.1", 0)
    yield Clamd("127.0.0.1", server.port, TIMEOUT_S)
    await server.stop()


@pytest.mark.parametrize(
    "content", [b"", b"Good day", b"a " * (FILE_LIMIT // 2 - 1)], ids=["empty", "short", "long"]
)
async def test_what_is_harmless_is_clean(clamd: Clamd, content: bytes) -> None:
    assert await clamd.scan(content) == "clean"


@pytest.mark.parametrize("before", [0, 10, 256 * 1024 - 30], ids=["alone", "behind", "across two parts"])
async def test_a_virus_is_found_wherever_it_is(clamd: Clamd, before: int) -> None:
    assert await clamd.scan(b"a" * before + EICAR + b" and more") == "infected"


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("letter.txt", content)
    return out.getvalue()


@pytest.mark.parametrize("times", [1, 2])
async def test_a_virus_is_found_in_an_archive_also_in_one_within(clamd: Clamd, times: int) -> None:
    infected, harmless = EICAR, b"Good day"
    for _ in range(times):
        infected, harmless = zipped(infected), zipped(harmless)
    assert EICAR not in infected
    assert await clamd.scan(infected) == "infected"
    assert await clamd.scan(harmless) == "clean"


async def test_an_archive_that_clamav_cannot_open_for_want_of_a_password_is_not_taken_for_clean(
    tmp_path: Path,
) -> None:
    locked = bytearray(zipped(b"Good day"))
    for mark, behind in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + behind] |= 1
    with clamav(tmp_path) as clamd:
        assert await clamd.scan(bytes(locked)) == "not_scannable"


async def test_what_is_too_long_a_stream_is_not_taken_for_clean(clamd: Clamd) -> None:
    assert await clamd.scan(b"a " * LIMIT) == "not_scannable"


async def test_what_is_too_large_for_clamav_to_look_into_is_not_taken_for_clean(tmp_path: Path) -> None:
    with clamav(tmp_path) as clamd:
        assert await clamd.scan(b"a " * (FILE_LIMIT // 2 + 1)) == "not_scannable"


async def test_a_scanner_that_is_not_there_or_hangs_up_says_nothing(tmp_path: Path) -> None:
    port = free_port()
    clamd = Clamd("127.0.0.1", port, TIMEOUT_S)
    with pytest.raises(TaskFailedError, match="scanner_away"):
        await clamd.scan(b"Good day")
    async with served(tmp_path, clamd_port=port) as world:
        assert await clamd.scan(EICAR) == "infected"
        assert await world.post("/scanner/behaviour", {"behaviour": "away"}) == (200, {"behaviour": "away"})
        with pytest.raises(TaskFailedError, match="scanner_away"):
            await clamd.scan(b"Good day")
        await world.post("/scanner/behaviour", {"behaviour": "ok"})
        assert await clamd.scan(b"Good day") == "clean"
