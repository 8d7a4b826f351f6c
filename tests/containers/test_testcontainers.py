"""The flow tests, with Kafka and PostgreSQL as containers."""

import sys

from tests.containers.commands import run
from tests.containers.engine import Engine

WITHIN_S = 3_000


def test_the_flow_tests_pass_on_containers(engine: Engine) -> None:
    env = {
        "TEST_INFRA": "containers",
        "DOCKER_HOST": engine.host,
        # What it would clean up after a crash goes with the engine, or by `docker rm`.
        "TESTCONTAINERS_RYUK_DISABLED": "true",
    }
    before = engine.docker("ps", "--all", "--quiet").split()
    said = run(sys.executable, "-m", "pytest", "--quiet", "--tb=short", "tests/flow", env=env, within_s=WITHIN_S)
    print(said)  # noqa: T201  # for whoever reads the run
    assert engine.docker("ps", "--all", "--quiet").split() == before
