"""The process that opens files, as a service holds it; here a script that does as a file says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from services.insurance.ocr.reader import reader
from shared.apart import Apart, BrokeDownError, BusyError

SCRIPT = """
import json, os, sys, time
from shared.frames import serve
def answer(content):
    said = content.decode()
    if said == "die":
        sys.exit(3)
    if said == "raise":
        raise RuntimeError("a secret of the file")
    if said.startswith("hang"):
        open(said.removeprefix("hang "), "w").close()
        time.sleep(60)
    if said == "environment":
        said = str(dict(os.environ))
    if said == "slow":
        time.sleep(0.3)
    print("what a library prints")
    return b"?" if said == "nonsense" else json.dumps([os.getpid(), said]).encode()
serve(lambda: answer)
"""
TIMEOUT_S = 10.0

Heard = tuple[int, str]


def understood(answer: bytes) -> Heard:
    pid, said = json.loads(answer)
    return pid, said


def a_process(timeout_s: float = TIMEOUT_S, idle_s: float = 60.0) -> Apart[Heard]:
    return Apart(("-c", SCRIPT), understood, timeout_s=timeout_s, waiting_max=2, idle_s=idle_s)


def file(said: str) -> Callable[[], Awaitable[bytes]]:
    async def fetch() -> bytes:
        return said.encode()

    return fetch


@pytest.fixture(name="apart")
async def the_process() -> AsyncIterator[Apart[Heard]]:
    apart = a_process()
    yield apart
    await apart.close()


async def test_one_process_opens_all_files_and_each_gets_its_own_answer(apart: Apart[Heard]) -> None:
    answers = await asyncio.gather(*(apart.ask(file(name)) for name in ("slow", "b", "c")))
    assert [said for _, said in answers] == ["slow", "b", "c"]
    assert len({pid for pid, _ in answers}) == 1


async def test_when_too_many_wait_another_is_turned_away_at_once(apart: Apart[Heard]) -> None:
    waiting = [asyncio.create_task(apart.ask(file("slow"))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError):
        await apart.ask(file("one more"))
    await asyncio.gather(*waiting)
    assert (await apart.ask(file("later")))[1] == "later"


async def test_a_file_is_fetched_when_it_is_its_turn_so_that_none_waits_in_memory(apart: Apart[Heard]) -> None:
    fetched: list[str] = []

    def noted(said: str) -> Callable[[], Awaitable[bytes]]:
        async def fetch() -> bytes:
            assert all(one.done() for one in asked[: len(fetched)])
            fetched.append(said)
            return said.encode()

        return fetch

    asked = [asyncio.create_task(apart.ask(noted(said))) for said in ("a", "b", "c")]
    await asyncio.gather(*asked)
    assert fetched == ["a", "b", "c"]


async def test_a_file_that_cannot_be_fetched_leaves_the_process_as_it_is(apart: Apart[Heard]) -> None:
    async def away() -> bytes:
        raise ConnectionError

    before, _ = await apart.ask(file("first"))
    with pytest.raises(ConnectionError):
        await apart.ask(away)
    assert (await apart.ask(file("next")))[0] == before


@pytest.mark.parametrize("said", ["die", "nonsense", "raise"])
async def test_a_process_that_breaks_down_is_replaced(
    apart: Apart[Heard], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before, _ = await apart.ask(file("first"))
    with pytest.raises(BrokeDownError):
        await apart.ask(file(said))
    after, answered = await apart.ask(file("next"))
    assert answered == "next"
    assert after != before
    assert not psutil.pid_exists(before)
    assert "a secret" not in capfd.readouterr().err


async def test_a_file_that_takes_too_long_is_given_up_with_its_process(tmp_path: Path) -> None:
    apart = a_process(timeout_s=1)
    with pytest.raises(BrokeDownError):
        await apart.ask(file(f"hang {tmp_path / 'begun'}"))
    assert not children()
    await apart.close()


async def test_a_call_that_is_given_up_leaves_no_answer_for_the_next(apart: Apart[Heard], tmp_path: Path) -> None:
    first, _ = await apart.ask(file("first"))
    begun = tmp_path / "begun"
    given_up = asyncio.create_task(apart.ask(file(f"hang {begun}")))
    async with asyncio.timeout(TIMEOUT_S):
        while not begun.exists():
            await asyncio.sleep(0.02)
    given_up.cancel()
    with suppress(asyncio.CancelledError):
        await given_up
    second, said = await apart.ask(file("second"))
    assert said == "second"
    assert first != second


async def test_a_process_without_work_gives_its_memory_back_and_the_next_file_starts_another() -> None:
    apart = a_process(idle_s=0.05)
    first, _ = await apart.ask(file("first"))
    async with asyncio.timeout(TIMEOUT_S):
        while psutil.pid_exists(first):
            await asyncio.sleep(0.02)
    assert (await apart.ask(file("second")))[1] == "second"
    await apart.close()
    assert not children()


async def test_the_process_is_told_no_secret(apart: Apart[Heard], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSURANCE_RAW_KEY", "secret")
    _, told = await apart.ask(file("environment"))
    assert "INSURANCE" not in told


async def test_the_process_that_reads_cards_is_told_to_tell_nobody_how_it_is_used() -> None:
    told = 'import os; from shared.frames import serve; serve(lambda: lambda _: b\'{"failed": "\' + '
    told += "os.environ['ORT_DISABLE_TELEMETRY'].encode() + b'\"}')"
    made = reader(("-c", told))
    assert (await made.ask(file("any"))).failed == "1"
    await made.close()


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if SCRIPT in one.cmdline()]
