import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from local.ports import free_port
from sandbox.__main__ import main
from tests.outside.sandbox.world import DAY_S, SECRET, Receiver, World

CONTRACT_TOKENS = {
    "tok_ok",
    "tok_declined",
    "tok_insufficient_funds",
    "tok_slow",
    "tok_timeout_done",
    "tok_timeout_lost",
    "tok_500_done",
    "tok_bank_ok",
    "tok_bank_return_R01",
    "tok_bank_return_R02",
    "tok_bank_return_R03",
    "tok_bank_return_R10",
    "tok_bank_return_R29",
    "tok_dispute",
}
END_S_MAX = 20


def bare(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would be settings of the sandbox."""
    settings = ("SANDBOX_", "KAFKA_", "AUTH_")
    return {name: value for name, value in environment.items() if not name.startswith(settings)}


async def up(process: asyncio.subprocess.Process) -> None:
    """Wait until the sandbox says that it listens."""
    assert process.stderr is not None
    async with asyncio.timeout(END_S_MAX):
        async for line in process.stderr:
            if b"Uvicorn running" in line:
                return
    raise AssertionError("the sandbox did not start")


@asynccontextmanager
async def running(folder: Path, end: signal.Signals) -> AsyncIterator[World]:
    """Run a sandbox as a process, until `end` ends it."""
    port = free_port()
    environment = {
        "SANDBOX_HTTP_PORT": str(port),
        "SANDBOX_SMTP_PORT": str(free_port()),
        "SANDBOX_SMPP_PORT": str(free_port()),
        "SANDBOX_CLAMD_PORT": str(free_port()),
        "SANDBOX_DIR": str(folder),
        "SANDBOX_PROCESSOR_SECRET": SECRET,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", env=bare(os.environ) | environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        await up(process)
        async with ClientSession(f"http://127.0.0.1:{port}") as client:
            yield World(client, Receiver())
            process.send_signal(end)
            await asyncio.wait_for(process.communicate(), END_S_MAX)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_the_front_page_lists_calls_tokens_scenarios_and_people(world: World) -> None:
    status, told = await world.get("/")
    assert status == 200
    assert told["tokens"].keys() >= CONTRACT_TOKENS
    assert told["scenarios"].keys() == {"small", "hospital"}
    assert told["calls"].keys() >= {"processor", "identity", "clock", "host"}
    assert "POST /processor/charges" in told["calls"]["processor"]
    assert {"maria", "ann"} <= told["users"].keys()


async def test_a_sandbox_that_can_no_longer_send_webhooks_is_not_ready(world: World) -> None:
    assert await world.get("/health/ready") == (200, {"ok": True})
    assert world.app is not None
    sending, *_ = world.app.state.background
    sending.cancel()
    await asyncio.wait([sending])
    assert await world.get("/health/ready") == (503, {"ok": False})


async def test_an_unknown_path_is_a_problem_document(world: World) -> None:
    async with world.client.get("/nowhere") as answer:
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["status"] == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SANDBOX_HTTP_PORT", "eighty"),
        ("SANDBOX_HTTP_PORT", "70000"),
        ("SANDBOX_WEBHOOK_URL", "localhost:1"),
        ("SANDBOX_PROCESSOR_SECRETS", "misspelt"),
        ("AUTH_ISSUER", "nowhere"),
    ],
)
def test_a_bad_or_unknown_setting_stops_the_start_with_one_line_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    good = {"SANDBOX_DIR": str(tmp_path), "SANDBOX_PROCESSOR_SECRET": SECRET}
    (line,) = faults_of_the_start(monkeypatch, capsys, good | {name: value})
    assert line.startswith(name)
    assert value not in line


def test_settings_that_are_missing_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = faults_of_the_start(monkeypatch, capsys, {})
    assert [line.split(":")[0] for line in lines] == ["SANDBOX_DIR", "SANDBOX_PROCESSOR_SECRET"]


def faults_of_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], environment: dict[str, str]
) -> list[str]:
    """Start with these settings alone and return the lines with which the process ends."""
    for name in os.environ.keys() - bare(os.environ).keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()


async def test_a_process_keeps_the_truth_when_it_is_killed_and_ends_though_some_still_wait(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, signal.SIGKILL) as world:
        first = await world.charge("key-1")
        await world.advance(DAY_S / 2)
    async with running(tmp_path, signal.SIGTERM) as world:
        waiting = [asyncio.create_task(world.charge(f"key-1{number}", "tok_timeout_lost")) for number in range(50)]
        assert await world.charge("key-1") == first
        assert len(await world.happened()) == 1
        assert (await world.get("/clock"))[1]["offset_s"] == DAY_S / 2
    for ended in asyncio.as_completed(waiting):
        with pytest.raises(ClientError):
            await ended
