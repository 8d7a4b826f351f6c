"""What a newcomer does first."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_plays_its_stories_and_ends_well(tmp_path: Path) -> None:
    demo = subprocess.run(  # our own module
        [sys.executable, "-m", "local", "demo"],
        cwd=ROOT,
        env=os.environ | {"LOCAL_DIR": str(tmp_path), "ONCE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "\nready\n" in demo.stdout
    assert "✗" not in demo.stdout
    assert "every record came to one end" in demo.stdout
    assert not (tmp_path / "endpoints.json").exists()
