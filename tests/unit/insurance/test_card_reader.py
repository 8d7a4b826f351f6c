"""The process that reads pictures, as the service holds it; here a script that does as a picture says."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from services.insurance.ocr import Read
from services.insurance.ocr.reader import BusyError, Reader, ReaderFailedError

SCRIPT = """
import json, os, sys, time
came, went = sys.stdin.buffer, sys.stdout.buffer
while head := came.read(4):
    said = came.read(int.from_bytes(head)).decode()
    if said == "die":
        sys.exit(3)
    if said.startswith("hang"):
        open(said.removeprefix("hang "), "w").close()
        time.sleep(60)
    if said == "environment":
        said = str(dict(os.environ))
    if said == "slow":
        time.sleep(0.3)
    answer = b"?" if said == "nonsense" else json.dumps({"failed": f"{os.getpid()} {said}"}).encode()
    went.write(len(answer).to_bytes(4) + answer)
    went.flush()
"""
TIMEOUT_S = 5.0


@pytest.fixture(name="reader")
async def a_reader() -> AsyncIterator[Reader]:
    reader = Reader((sys.executable, "-c", SCRIPT), TIMEOUT_S, waiting_max=2)
    yield reader
    await reader.close()


def heard(read: Read) -> tuple[int, str]:
    pid, _, said = str(read.failed).partition(" ")
    return int(pid), said


async def test_one_process_reads_all_pictures_and_each_gets_its_own_answer(reader: Reader) -> None:
    answers = [heard(one) for one in await asyncio.gather(*(reader.read(name) for name in (b"slow", b"b", b"c")))]
    assert [said for _, said in answers] == ["slow", "b", "c"]
    assert len({pid for pid, _ in answers}) == 1


async def test_when_too_many_wait_another_is_turned_away_at_once(reader: Reader) -> None:
    waiting = [asyncio.create_task(reader.read(b"slow")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await reader.read(b"one more")
    await asyncio.gather(*waiting)
    assert heard(await reader.read(b"later"))[1] == "later"


@pytest.mark.parametrize("said", [b"die", b"nonsense"])
async def test_a_process_that_breaks_down_is_replaced(reader: Reader, said: bytes) -> None:
    before, _ = heard(await reader.read(b"first"))
    with pytest.raises(ReaderFailedError):
        await reader.read(said)
    after, answered = heard(await reader.read(b"next"))
    assert answered == "next"
    assert after != before
    assert not psutil.pid_exists(before)


async def test_a_picture_that_takes_too_long_is_given_up_with_its_process(tmp_path: Path) -> None:
    reader = Reader((sys.executable, "-c", SCRIPT), timeout_s=0.5)
    with pytest.raises(ReaderFailedError):
        await reader.read(f"hang {tmp_path / 'begun'}".encode())
    assert not children()
    await reader.close()


async def test_a_call_that_is_given_up_leaves_no_answer_for_the_next(reader: Reader, tmp_path: Path) -> None:
    first, _ = heard(await reader.read(b"first"))
    begun = tmp_path / "begun"
    given_up = asyncio.create_task(reader.read(f"hang {begun}".encode()))
    async with asyncio.timeout(TIMEOUT_S):
        while not begun.exists():
            await asyncio.sleep(0.02)
    given_up.cancel()
    with suppress(asyncio.CancelledError):
        await given_up
    second, said = heard(await reader.read(b"second"))
    assert said == "second"
    assert first != second


async def test_a_process_without_work_gives_its_memory_back_and_the_next_picture_starts_another() -> None:
    reader = Reader((sys.executable, "-c", SCRIPT), TIMEOUT_S, idle_s=0.05)
    first, _ = heard(await reader.read(b"first"))
    async with asyncio.timeout(TIMEOUT_S):
        while psutil.pid_exists(first):
            await asyncio.sleep(0.02)
    assert heard(await reader.read(b"second"))[1] == "second"
    await reader.close()
    assert not children()


async def test_the_process_is_told_no_secret_and_to_tell_nobody_how_it_is_used(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSURANCE_RAW_KEY", "secret")
    _, told = heard(await reader.read(b"environment"))
    assert "'ORT_DISABLE_TELEMETRY': '1'" in told
    assert "INSURANCE" not in told


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if SCRIPT in one.cmdline()]
