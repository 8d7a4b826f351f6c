"""An engine, the image, and the whole compose project."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from local.ports import free_port
from tests.containers.commands import ROOT, run
from tests.containers.compose import Project
from tests.containers.engine import Engine
from tests.containers.engine import engine as start
from tests.containers.images import make_stand_ins


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine that has, or can have, the images that the compose file names."""
    with TemporaryDirectory(prefix="engine-") as folder, start(Path(folder)) as found:
        if found.ours:
            make_stand_ins(found)
        yield found


@pytest.fixture(scope="session")
def project(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The compose file's project with secrets and ports of its own, not started."""
    folder = tmp_path_factory.mktemp("secrets")
    run("sh", "deploy/compose/secrets.sh", folder)
    ports = {name: str(free_port()) for name in ("PORTAL_HTTP_PORT", "SANDBOX_HTTP_PORT", "PUBLISHED_KAFKA_PORT")}
    told = {
        **ports,
        "IMAGE": "patient-portal-back-office:test",
        "PORTAL_PUBLIC_URL": f"http://portal.localhost:{ports['PORTAL_HTTP_PORT']}",
        "SECRETS_DIR": str(folder),
    }
    files = [ROOT / "docker-compose.yml"]
    if engine.ours:
        files.append(Path(__file__).with_name("own_engine.yml"))
    return Project(engine, f"portal-test-{secrets.token_hex(3)}", told, tuple(files))


@pytest.fixture(scope="session")
def image(project: Project) -> str:
    """The image, built."""
    project.compose("build", within_s=1_800)
    return project.environment["IMAGE"]


@pytest.fixture(scope="module")
def running(project: Project, image: str) -> Iterator[Project]:
    """The project, up; what it made is gone afterwards."""
    assert image
    try:
        project.up()
        yield project
    finally:
        project.compose("--profile", "demo", "down", "--volumes", "--remove-orphans", "--timeout", "40")
        mine = f"label=com.docker.compose.project={project.name}"
        for command in (("ps", "--all"), ("volume", "ls"), ("network", "ls")):
            left = project.engine.docker(*command, "--format", "json", "--filter", mine)
            assert not left, f"left: {left}"
