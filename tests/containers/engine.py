"""A Docker engine: the one that answers, or one of our own that leaves nothing behind."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.processes import Process
from local.tether import Tether
from tests.containers.commands import CommandError, run

_PACKAGES = ("docker.io", "debootstrap")
_BRIDGE = Path("/sys/class/net/docker0")


@dataclass(frozen=True)
class Engine:
    """Where an engine answers, and whether it is ours, so that it has no images but those made here."""

    host: str
    ours: bool

    def docker(self, *arguments: str | Path, within_s: float = 600) -> str:
        """Run Docker's client on it; return what it printed."""
        return run("docker", *arguments, env={"DOCKER_HOST": self.host}, within_s=within_s)


@contextmanager
def engine(directory: Path) -> Iterator[Engine]:
    """Give the engine that answers, or else one that runs inside of the context with its data in `directory`."""
    given = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    found = Engine(given, ours=False)
    try:
        found.docker("version", within_s=20)
    except (CommandError, OSError):
        pass
    else:
        yield found
        return
    with Tether() as tether:
        own = _own(directory, tether)
        before, had_bridge = firewall(), _BRIDGE.exists()
        own.start()
        try:
            own.wait_ready()
            yield Engine(f"unix://{directory / 'docker.sock'}", ours=True)
        finally:
            own.stop()
            if not had_bridge and _BRIDGE.exists():
                run("ip", "link", "delete", "docker0")
            assert firewall() == before, "the engine changed the firewall"
            run("rm", "-rf", directory / "data", directory / "run")


def firewall() -> str:
    """Return the rules of this machine's firewall, as far as it has any."""
    if shutil.which("iptables-save") is None:
        return ""
    return "\n".join(line for line in run("iptables-save").splitlines() if not line.startswith("#"))


def _own(directory: Path, tether: Tether) -> Process:
    if shutil.which("dockerd") is None or shutil.which("debootstrap") is None:
        assert os.geteuid() == 0, "no Docker engine answers, and only root can install one"
        assert shutil.which("apt-get"), "no Docker engine answers, and only on Debian can one be installed"
        run("apt-get", "update")
        # Nothing starts by itself: the engine that the package brings would claim the usual socket.
        quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        install = ("apt-get", "install", "--yes", "--no-install-recommends")
        run(*install, *_PACKAGES, env=quiet)
        if shutil.which("docker") is None:  # newer Debians have the client apart
            run(*install, "docker-cli", env=quiet)
    directory.mkdir(parents=True, exist_ok=True)
    socket = directory / "docker.sock"
    own = {"--data-root": "data", "--exec-root": "run", "--pidfile": "docker.pid"}
    return Process(
        "dockerd",
        [
            "dockerd",
            f"--host=unix://{socket}",
            # No rule of the firewall, and nothing forwarded: containers reach each other, and no network beyond.
            *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
            *(f"{option}={directory / name}" for option, name in own.items()),
        ],
        directory / "dockerd.log",
        tether,
        ready=lambda process: f"API listen on {socket}" in process.output(),
        stop_within_s=90,
    )
