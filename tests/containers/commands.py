"""Runs the commands that these tests consist of; one that fails ends the test with its last words."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

_SHOWN = 200_000


class CommandError(Exception):
    """A command failed; with the end of what it said."""


def run(*command: str | Path, env: Mapping[str, str] | None = None, within_s: float = 600) -> str:
    """Run a command at the root of the project, with `env` beside its environment; return what it printed.

    Raises:
        CommandError: it failed, or took too long.
    """
    words = " ".join(map(str, command))
    try:
        done = subprocess.run(  # noqa: S603  # the commands stand in these tests
            command,
            cwd=ROOT,
            env=os.environ | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = error.output or b""
        raise CommandError(f"{words}\nnot done within {within_s:.0f} s:\n{said[-_SHOWN:]!r}") from None
    if done.returncode:
        raise CommandError(f"{words}\nexit code {done.returncode}:\n{done.stdout[-_SHOWN:]}")
    return done.stdout
