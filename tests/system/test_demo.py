"""What a newcomer does first: the demo, and all of it ended by a signal, by force, and kept alive."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.demo import STORIES
from local.plan import PLAN
from local.processes import Process, answers, says
from local.tether import Tether
from tests.system.test_local_up import endpoints
from tests.system.watching import below, has_ended, wait_until

ROOT = Path(__file__).parents[2]
START_S_MAX, END_S_MAX, DEMO_S_MAX = 240, 60, 540
LATE_S_MAX = 60


def test_the_demo_plays_its_stories_and_ends_well(tmp_path: Path) -> None:
    demo = subprocess.run(  # our own module
        [sys.executable, "-m", "local", "demo"],
        cwd=ROOT,
        env=os.environ | {"LOCAL_DIR": str(tmp_path), "ONCE": "1"},
        capture_output=True,
        text=True,
        timeout=DEMO_S_MAX,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "\nready\n" in demo.stdout
    assert "✗" not in demo.stdout
    titles = [block.partition("\n")[0] for block in demo.stdout.partition("\nready\n")[2].split("\n\n")]
    assert len(titles) == len(STORIES) + 1
    assert titles[-1] == "In the end"
    assert not (tmp_path / "endpoints.json").exists()


@pytest.fixture
def everything(tmp_path: Path) -> Iterator[Process]:
    """`python -m local up` with the whole plan, ready."""
    with Tether() as tether:
        launcher = Process(
            "launcher",
            [sys.executable, "-m", "local", "up"],
            tmp_path / "launcher.log",
            tether,
            ready=says("\nready\n"),
            env=os.environ | {"LOCAL_DIR": str(tmp_path / "local")},
            directory=ROOT,
            stop_within_s=END_S_MAX,
        )
        launcher.start()
        launcher.wait_ready(START_S_MAX)
        yield launcher
        launcher.stop()


def test_the_whole_plan_is_told_restarted_when_it_dies_and_drained_by_a_signal(
    everything: Process, tmp_path: Path
) -> None:
    told = endpoints(tmp_path)
    names = [program.name for stage in PLAN.stages for program in stage]
    assert list(told) == ["kafka", *names, "basket", "databases"]
    assert told["basket"] == f"{told['portal']}/basket"
    assert everything.pid is not None

    victim = pid_of(everything.pid, "services.inbox")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: "inbox ended (SIGKILL), starts again in 0.5 s" in everything.output())
    wait_until(lambda: answers(int(told["inbox"].rpartition(":")[2]), "/health/ready"), LATE_S_MAX)

    pids = below(everything.pid)
    os.kill(everything.pid, signal.SIGINT)
    everything.wait_done(END_S_MAX)
    assert all(map(has_ended, pids))
    for name in ("payments", "insurance", "inbox", "notifications"):
        assert "draining" in (tmp_path / "local" / "logs" / f"{name}.log").read_text()
    assert not (tmp_path / "local" / "endpoints.json").exists()


def test_nothing_of_the_whole_plan_outlives_a_launcher_that_is_killed(everything: Process) -> None:
    assert everything.pid is not None
    pids = below(everything.pid)
    assert len(pids) >= len([program for stage in PLAN.stages for program in stage])
    everything.kill()
    wait_until(lambda: all(map(has_ended, pids)), LATE_S_MAX)


def pid_of(launcher: int, module: str) -> int:
    return next(pid for pid in below(launcher) if module in Path(f"/proc/{pid}/cmdline").read_text())
