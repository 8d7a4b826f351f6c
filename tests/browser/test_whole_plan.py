"""What else holds of all that `make up` starts: the demo needs no browser, and what dies comes back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from local.plan import PLAN
from local.processes import answers
from tests.browser.conftest import ROOT, Endpoints, Up
from tests.system.test_demo import DEMO_S_MAX, assert_all_is_told
from tests.watching import below, wait_until

LATE_S_MAX = 60


def test_where_the_browser_does_not_start_the_demo_says_so_and_goes_on_over_http(
    endpoints: Endpoints, tmp_path: Path
) -> None:
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    programs = (*endpoints["databases"], "sandbox", "portal")
    where = {f"{name.upper()}_URL": endpoints[name] for name in programs}
    where |= {f"{name.upper()}_DATABASE_URL": url for name, url in endpoints["databases"].items()}
    demo = subprocess.run(  # our own module
        [sys.executable, "-m", "local.demo"],
        cwd=ROOT,
        env=where | {"KAFKA_BOOTSTRAP_SERVERS": endpoints["kafka"], "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=DEMO_S_MAX,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.startswith(f"\nPeople visit the portal over HTTP: {broken} does not start (")
    assert_all_is_told(demo.stdout)


def test_it_is_told_where_everything_is(endpoints: Endpoints) -> None:
    names = [program.name for stage in PLAN.stages for program in stage]
    assert list(endpoints) == ["kafka", *names, "basket", "databases"]
    assert endpoints["basket"] == f"{endpoints['portal']}/basket"


def test_what_dies_is_started_again(up: Up) -> None:
    victim = next(pid for pid in below(up.pid) if "services.inbox" in Path(f"/proc/{pid}/cmdline").read_text())
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: "inbox ended (SIGKILL), starts again in 0.5 s" in up.output())
    wait_until(lambda: answers(int(up.endpoints["inbox"].rpartition(":")[2]), "/health/ready"), LATE_S_MAX)
