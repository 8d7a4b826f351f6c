import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from local import StartError
from local.infrastructure import Endpoints
from local.ports import free_port
from local.processes import Process, says
from local.tether import Tether
from tests.watching import below, has_ended, wait_until

ROOT = Path(__file__).parents[2]

Launch = Callable[..., Process]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Makes a launcher, not yet started, with its data in the folder of the test."""
    made: list[Process] = []
    with Tether() as tether:

        def make(**env: str) -> Process:
            launcher = Process(
                "launcher",
                [sys.executable, "-m", "tests.system.launch", "up"],
                tmp_path / f"launcher-{len(made)}.log",
                tether,
                ready=says("\nready\n"),
                env=os.environ | {"LOCAL_DIR": str(tmp_path / "local")} | env,
                directory=ROOT,
            )
            made.append(launcher)
            return launcher

        yield make
        for launcher in made:
            launcher.stop()


@pytest.fixture
def given(infrastructure: Endpoints) -> dict[str, str]:
    """The environment that gives Kafka and PostgreSQL to a launcher, which then starts none."""
    urls = {f"{name.upper()}_DATABASE_URL": url for name, url in infrastructure.databases.items()}
    return {"KAFKA_BOOTSTRAP_SERVERS": infrastructure.kafka} | urls


def start(launcher: Process) -> list[int]:
    """Start it, wait until it is ready, and return the processes that it has started."""
    launcher.start()
    launcher.wait_ready()
    assert launcher.pid is not None
    return below(launcher.pid)


def end(launcher: Process, number: signal.Signals = signal.SIGTERM) -> None:
    """Ask it to end, and wait until it has, with exit code 0."""
    assert launcher.pid is not None
    os.kill(launcher.pid, number)
    launcher.wait_done()


def endpoints(directory: Path) -> Any:
    return json.loads((directory / "local" / "endpoints.json").read_text())


def status(url: str) -> int:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request("GET", "/health/ready")
    answer = connection.getresponse().status
    connection.close()
    return answer


async def test_what_was_written_survives_a_launcher_that_is_killed_and_no_process_does(
    launch: Launch, tmp_path: Path
) -> None:
    launcher = launch()
    pids = start(launcher)
    told = endpoints(tmp_path)
    assert set(told) == {"kafka", "answering", "databases"}
    assert status(told["answering"]) == 200
    await write(told)
    launcher.kill()
    assert len(pids) >= 4
    wait_until(lambda: all(map(has_ended, pids)))
    assert not (tmp_path / "local" / "endpoints.json").exists()

    pids = start(launcher)
    again = endpoints(tmp_path)
    assert again["kafka"] != told["kafka"]
    await read(again)
    end(launcher)
    assert all(map(has_ended, pids))
    assert not (tmp_path / "local" / "endpoints.json").exists()
    assert "asked to end" in (tmp_path / "local" / "logs" / "answering.log").read_text()
    for server, farewell in (("kafka", "shutting down"), ("postgres", "database system is shut down")):
        assert farewell in (tmp_path / "local" / "logs" / f"{server}.log").read_text()


async def write(told: Any) -> None:
    connection = await asyncpg.connect(told["databases"]["payments"])
    await connection.execute("create table kept ()")
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=told["kafka"])
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()


async def read(told: Any) -> None:
    connection = await asyncpg.connect(told["databases"]["payments"])
    assert await connection.fetchval("select to_regclass('kept')") == "kept"
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=told["kafka"])
    await admin.start()
    assert "kept" in await admin.list_topics()
    await admin.close()


def test_what_is_given_is_used_and_not_started(
    launch: Launch, given: dict[str, str], infrastructure: Endpoints, tmp_path: Path
) -> None:
    launcher = launch(**given)
    start(launcher)
    told = endpoints(tmp_path)
    assert told["kafka"] == infrastructure.kafka
    assert told["databases"] == infrastructure.databases
    assert {log.name for log in (tmp_path / "local" / "logs").iterdir()} == {"prepare.log", "answering.log"}
    end(launcher, signal.SIGINT)


def test_a_second_start_in_the_same_folder_is_refused(
    launch: Launch, given: dict[str, str], tmp_path: Path
) -> None:
    first = launch(**given)
    start(first)
    refused(launch(**given), "Another start runs in")
    assert status(endpoints(tmp_path)["answering"]) == 200
    end(first)


def test_a_program_that_dies_is_started_again(launch: Launch, given: dict[str, str], tmp_path: Path) -> None:
    launcher = launch(**given)
    start(launcher)
    assert launcher.pid is not None
    answering = next(pid for pid in below(launcher.pid) if "answering" in command(pid))
    os.kill(answering, signal.SIGKILL)
    wait_until(lambda: "answering ended (SIGKILL), starts again in 0.5 s" in launcher.output())

    def answers_again() -> bool:
        try:
            return status(endpoints(tmp_path)["answering"]) == 200
        except ConnectionError:
            return False

    wait_until(answers_again)
    end(launcher)


def test_a_program_that_cannot_start_is_told_with_the_end_of_its_log(
    launch: Launch, given: dict[str, str]
) -> None:
    told = refused(launch(ANSWERING_FAILS="1", **given), "answering ended at its start (exit code 1).")
    assert "  the licence of the program has run out" in told


def test_a_port_in_use_is_told(launch: Launch) -> None:
    port = str(free_port())
    with socket.create_server(("127.0.0.1", int(port))):
        refused(
            launch(ANSWERING_HTTP_PORT=port),
            f"ANSWERING_HTTP_PORT is {port}, and another program listens there.",
        )


def test_a_port_that_is_none_is_told(launch: Launch) -> None:
    refused(launch(ANSWERING_HTTP_PORT="http"), "ANSWERING_HTTP_PORT is 'http', and must be a port")


def test_a_full_disk_is_told(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "local" / "kafka").mkdir(parents=True)
    (tmp_path / "local" / "kafka" / "server.properties").symlink_to("/dev/full")
    refused(launch(), "No space left on device")


def test_a_first_start_without_network_is_told(launch: Launch, tmp_path: Path) -> None:
    launcher = launch(XDG_CACHE_HOME=str(tmp_path / "cache"), HTTPS_PROXY="http://127.0.0.1:9")
    refused(launcher, "Cannot download ")


def refused(launcher: Process, sentence: str) -> list[str]:
    """Start it and see it end with exit code 1 after this sentence and no traceback; the lines it wrote."""
    launcher.start()
    with pytest.raises(StartError, match=r"^launcher failed \(exit code 1\)"):
        launcher.wait_done()
    lines = launcher.output().splitlines()
    assert [line for line in lines if line.startswith(sentence)]
    assert not [line for line in lines if "Traceback" in line]
    assert "ready" not in lines
    return lines


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()
