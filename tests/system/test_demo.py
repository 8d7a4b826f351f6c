"""What a newcomer does first: the demo, which starts everything and ends it orderly."""

import os
import subprocess
import sys
from pathlib import Path

from local.demo import STORIES
from shared.events.topics import SERVICES

ROOT = Path(__file__).parents[2]
DEMO_S_MAX = 540


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
    for name in SERVICES:
        assert "draining" in (tmp_path / "logs" / f"{name}.log").read_text()


def assert_all_is_told(told: str) -> None:
    assert "✗" not in told
    way, *stories = told.strip().split("\n\n")
    assert "\n" not in way
    assert len(stories) == len(STORIES) + 1
    assert stories[-1].startswith("In the end\n")
