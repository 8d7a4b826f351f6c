"""The compose file on an engine, and Compose 2 itself: the one that is there, or one built from its sources."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.containers.commands import CommandError, run
from tests.containers.engine import Engine
from tests.containers.tools import go_program

_MODULE, _VERSION = "github.com/docker/compose/v2", "v2.40.3"
# A minute on an idle machine; on a busy one the checks of health alone take most of it.
_UP_WITHIN_S = 900


def command(engine: Engine) -> tuple[str, ...]:
    """Return what to run for Compose."""
    with suppress(CommandError):
        engine.docker("compose", "version")
        return ("docker", "compose")
    flags = f"-X {_MODULE}/internal.Version={_VERSION}"
    return (str(go_program(f"{_MODULE}@{_VERSION}", "./cmd", flags)),)


@dataclass(frozen=True)
class Project:
    """What the compose file describes, as one project of its own on an engine.

    Args:
        engine: what it runs on.
        name: sets its containers, networks and volumes apart from others.
        environment: what `.env` would say.
        files: the compose files, the first of them the project's.
    """

    engine: Engine
    name: str
    environment: dict[str, str]
    files: tuple[Path, ...]

    def compose(self, *arguments: str | Path, within_s: float = 600) -> str:
        """Run Compose on the project; return what it printed."""
        files = (word for file in self.files for word in ("--file", file))
        own = (*command(self.engine), "--project-name", self.name, "--progress", "plain", *files)
        env = {"DOCKER_HOST": self.engine.host, **self.environment}
        return run(*own, *arguments, env=env, within_s=within_s)

    def up(self, *arguments: str) -> None:
        """Start everything and wait until it can be used; if it cannot, show why."""
        try:
            wait = ("--wait", "--wait-timeout", str(_UP_WITHIN_S))
            self.compose("up", "--detach", *wait, *arguments, within_s=2 * _UP_WITHIN_S)
        except CommandError as error:
            logs = self.compose("logs", "--no-color", "--tail", "15")
            raise CommandError(f"{error}\n{self.compose('ps', '--all')}\n{logs}") from None

    def containers(self, service: str) -> list[str]:
        """Return the ids of a service's running containers."""
        return self.compose("ps", "--quiet", "--status", "running", service).split()

    def address(self, service: str, port: int = 8080) -> str:
        """Return where a service's first container answers on this machine."""
        return f"http://{self.compose('port', service, str(port)).strip()}"

    def inspect(self, container: str) -> dict[str, Any]:
        """Return all that the engine knows of a container."""
        found: list[dict[str, Any]] = json.loads(self.engine.docker("inspect", container))
        return found[0]
