"""What a newcomer does first: the demo, and all of it ended by a signal, by force, and kept alive."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


def test_the_demo_plays_its_stories_in_a_browser_and_ends_well(tmp_path: Path) -> None:
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
    _, is_ready, told = demo.stdout.partition("\nready\n")
    assert is_ready
    assert "\nPeople visit the portal in headless Chromium " in told
    assert_all_is_told(told)
    assert not (tmp_path / "endpoints.json").exists()


def assert_all_is_told(told: str) -> None:
    assert "✗" not in told
    way, *stories = told.strip().split("\n\n")
    assert "\n" not in way
    assert len(stories) == len(STORIES) + 1
    assert stories[-1].startswith("In the end\n")


@contextmanager
def started(directory: Path) -> Iterator[Process]:
    """`python -m local up` with the whole plan, ready."""
    with Tether() as tether:
        launcher = Process(
            "launcher",
            [sys.executable, "-m", "local", "up"],
            directory / "launcher.log",
            tether,
            ready=says("\nready\n"),
            env=os.environ | {"LOCAL_DIR": str(directory / "local")},
            directory=ROOT,
            stop_within_s=END_S_MAX,
        )
        launcher.start()
        launcher.wait_ready(START_S_MAX)
        yield launcher
        launcher.stop()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("everything")


@pytest.fixture(scope="module")
def everything(place: Path) -> Iterator[Process]:
    """The whole plan in `place`, until a test ends it."""
    with started(place) as launcher:
        yield launcher


@pytest.mark.usefixtures("everything")
def test_where_the_browser_does_not_start_the_demo_says_so_and_goes_on_over_http(
    place: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    at = endpoints(place)
    where = {
        f"{name.upper()}_URL": url for name, url in at.items() if name in (*at["databases"], "sandbox", "portal")
    }
    where |= {f"{name.upper()}_DATABASE_URL": url for name, url in at["databases"].items()}
    demo = subprocess.run(  # our own module
        [sys.executable, "-m", "local.demo"],
        cwd=ROOT,
        env=where | {"KAFKA_BOOTSTRAP_SERVERS": at["kafka"], "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=DEMO_S_MAX,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.startswith(f"\nPeople visit the portal over HTTP: {broken} does not start (")
    assert_all_is_told(demo.stdout)


def test_the_whole_plan_is_told_restarted_when_it_dies_and_drained_by_a_signal(
    everything: Process, place: Path
) -> None:
    told = endpoints(place)
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
        assert "draining" in (place / "local" / "logs" / f"{name}.log").read_text()
    assert not (place / "local" / "endpoints.json").exists()


def test_nothing_of_the_whole_plan_outlives_a_launcher_that_is_killed(tmp_path: Path) -> None:
    with started(tmp_path) as launcher:
        assert launcher.pid is not None
        pids = below(launcher.pid)
        assert len(pids) >= len([program for stage in PLAN.stages for program in stage])
        launcher.kill()
        wait_until(lambda: all(map(has_ended, pids)), LATE_S_MAX)


def pid_of(launcher: int, module: str) -> int:
    return next(pid for pid in below(launcher) if module in Path(f"/proc/{pid}/cmdline").read_text())
