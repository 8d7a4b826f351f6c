"""The image: nobody's root, nothing to build with, and quick to build anew."""

import shutil
import time
from pathlib import Path

import pytest

from tests.containers.commands import ROOT, CommandError
from tests.containers.compose import Project

CHANGED = "patient-portal-back-office:changed"
REBUILT_WITHIN_S = 60


def inside(project: Project, image: str, *command: str) -> str:
    """Run a command in a container of the image as the compose file would run a program."""
    fences = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none")  # noqa: S108  # in there
    return project.engine.docker("run", "--rm", *fences, "--entrypoint", command[0], image, *command[1:])


def test_a_program_is_not_root(project: Project, image: str) -> None:
    assert inside(project, image, "id", "-u").strip().splitlines()[-1] == "10001"


def test_nothing_can_be_installed(project: Project, image: str) -> None:
    with pytest.raises(CommandError, match="No module named pip"):
        inside(project, image, "python", "-m", "pip", "--version")
    with pytest.raises(CommandError, match="Read-only file system"):
        inside(project, image, "touch", "/app/more.py")


def test_every_library_finds_what_it_links_to(project: Project, image: str) -> None:
    # The base has little: a wheel that counts on a library of the system would fail only when it is used.
    linked = inside(project, image, "sh", "-c", "find /venv -name '*.so*' -type f -exec ldd {} + 2> /dev/null")
    assert "libc.so.6 => /" in linked
    assert "not found" not in linked


def test_a_missing_setting_ends_the_start_with_a_line(project: Project, image: str) -> None:
    with pytest.raises(CommandError, match=r"exit code 2:(?s:.)*PAYMENTS_DATABASE_URL: Field required"):
        inside(project, image, "python", "-m", "services.payments")


def test_no_secret_and_no_test_is_in_it(project: Project, image: str) -> None:
    there = inside(project, image, "find", "/app", "-maxdepth", "3").split()
    assert "/app/services/payments" in there
    assert not [name for name in there if "secrets" in name or "tests" in name or name.endswith("/.env")]


def test_a_change_of_code_is_built_in_seconds(project: Project, image: str, tmp_path: Path) -> None:
    assert image
    for name in ("Dockerfile", ".dockerignore", "docker-compose.yml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("deploy", "services", "shared", "portal", "sandbox", "local", "tests/containers"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "secrets"))
    (tmp_path / "shared" / "__init__.py").write_text('"""Another."""\n')
    changed = Project(
        project.engine,
        project.name,
        project.environment | {"IMAGE": CHANGED},
        tuple(tmp_path / file.relative_to(ROOT) for file in project.files),
    )
    started = time.monotonic()
    changed.compose("build")
    took_s = time.monotonic() - started
    assert "Another." in inside(project, CHANGED, "python", "-c", "import shared; print(shared.__doc__)")
    project.engine.docker("rmi", CHANGED)
    assert took_s < REBUILT_WITHIN_S
    print(f"rebuilt in {took_s:.0f} s")  # noqa: T201  # for whoever reads the run
