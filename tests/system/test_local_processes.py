import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import StartError
from local.processes import Process, answers, run, says
from local.tether import Tether
from tests.watching import has_ended, wait_until


@pytest.fixture
def tether() -> Iterator[Tether]:
    with Tether() as tether:
        yield tether


def shell(script: str, directory: Path, tether: Tether, stop_within_s: float = 5) -> Process:
    log = directory / "log"
    return Process("it", ["sh", "-c", script], log, tether, ready=says("up"), stop_within_s=stop_within_s)


def test_a_program_that_ends_at_its_start_is_told_with_the_end_of_its_log(tmp_path: Path, tether: Tether) -> None:
    process = shell("seq 100; echo no licence >&2; exit 3", tmp_path, tether)
    process.start()
    with pytest.raises(StartError) as told:
        process.wait_ready()
    lines = str(told.value).splitlines()
    assert lines[0] == "it ended at its start (exit code 3)."
    assert "  no licence" in lines
    assert "  1" not in lines


def test_a_program_that_is_never_ready_is_told(tmp_path: Path, tether: Tether) -> None:
    process = shell("sleep 60", tmp_path, tether)
    process.start()
    with pytest.raises(StartError, match="it was not ready within 0 s"):
        process.wait_ready(within_s=0.2)
    process.stop()


def test_what_an_earlier_run_wrote_does_not_make_the_next_one_ready(tmp_path: Path, tether: Tether) -> None:
    # It notes that it ran before it says so: a stop between the two must not let the next one say it again.
    process = shell(f"mkdir {tmp_path}/ran && echo up; sleep 60", tmp_path, tether)
    process.start()
    process.wait_ready()
    process.stop()
    process.start()
    with pytest.raises(StartError):
        process.wait_ready(within_s=0.2)
    process.stop()


def test_a_program_that_does_not_end_when_asked_is_killed_with_its_children(
    tmp_path: Path, tether: Tether
) -> None:
    process = shell('trap "" TERM; sleep 60 & echo $!; echo up; wait; wait', tmp_path, tether, 0.2)
    process.start()
    process.wait_ready()
    child = int(process.output().split()[0])
    process.stop()
    assert process.pid is None
    wait_until(lambda: has_ended(child))


def test_a_program_that_failed_is_told_with_its_reason(tmp_path: Path, tether: Tether) -> None:
    process = shell("echo no table; exit 1", tmp_path, tether)
    process.start()
    with pytest.raises(StartError, match=r"it failed \(exit code 1\)\.\n  no table"):
        process.wait_done()


def test_a_failed_command_is_told_in_one_sentence() -> None:
    with pytest.raises(StartError) as told:
        run(["sh", "-c", "echo begin; echo 'it: error: disk on fire' >&2; echo end >&2; exit 1"], "No luck")
    assert str(told.value) == "No luck: it: error: disk on fire"


def test_a_port_without_a_server_does_not_answer() -> None:
    assert not answers(1, "/health/ready")


def test_children_end_when_the_process_that_holds_them_is_killed(tmp_path: Path, tether: Tether) -> None:
    script = (
        "import pathlib, time; from local.processes import Process; from local.tether import Tether\n"
        "with Tether() as tether:\n"
        f"    held = Process('held', ['sleep', '60'], pathlib.Path({str(tmp_path / 'held')!r}), tether)\n"
        "    held.start(); print(held.pid, 'up', flush=True); time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    log = tmp_path / "log"
    holder = Process("it", [sys.executable, "-c", script], log, tether, ready=says("up"), directory=root)
    holder.start()
    holder.wait_ready()
    held = int(holder.output().split()[0])
    assert not has_ended(held)
    holder.kill()
    wait_until(lambda: has_ended(held))
